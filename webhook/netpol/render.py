"""A namespace and a policy to the manifests that close it."""

from collections.abc import Collection, Mapping
from types import ModuleType

from webhook.model.names import CLUSTER_DEFAULT_DENY
from webhook.model.policy import GuardPolicy
from webhook.netpol import calico, kubernetes
from webhook.netpol.dns import OFFLINE, Detected
from webhook.netpol.intent import Engine, Intent
from webhook.netpol.intents import intents, name_servers
from webhook.netpol.manifest import Birth, Manifest

PRINTERS: Mapping[Engine, ModuleType] = {Engine.CALICO: calico, Engine.KUBERNETES: kubernetes}


def render(
    policy: GuardPolicy, birth: Birth, engine: Engine, *, detected_dns: Detected = OFFLINE
) -> tuple[Manifest, ...]:
    """The manifests for one namespace, in the order in which they are to be stored: the default-deny first.

    Nothing where the file wants them staged and the engine has no staged kinds.
    """
    wanted = intents(policy, birth.namespace, birth.environment, detected_dns=detected_dns)
    written = tuple(PRINTERS[engine].manifest(intent, birth) for intent in wanted)
    return as_staged(written, policy, engine)


def render_net(
    policy: GuardPolicy, birth: Birth, engine: Engine, *, exempt: Collection[str], detected_dns: Detected = OFFLINE
) -> tuple[Manifest, ...]:
    """The net below all namespaces, where the file asks for it and the engine has it; name servers stay open."""
    if not policy.network.standing_net or engine is not Engine.CALICO:
        return ()
    intent = Intent(CLUSTER_DEFAULT_DENY, allows=name_servers(policy, detected_dns=detected_dns))
    return as_staged((calico.standing_net(intent, birth, exempt),), policy, engine)


def as_staged(written: tuple[Manifest, ...], policy: GuardPolicy, engine: Engine) -> tuple[Manifest, ...]:
    """The manifests, or their staged kinds where the file asks for them; plain NetworkPolicies have none."""
    if not policy.network.staged:
        return written
    return tuple(map(calico.staged, written)) if engine is Engine.CALICO else ()
