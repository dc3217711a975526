"""A namespace and a policy to the manifests that close it."""

from collections.abc import Mapping
from types import ModuleType

from webhook.model.policy import GuardPolicy
from webhook.netpol import calico, kubernetes
from webhook.netpol.dns import FALLBACK
from webhook.netpol.intent import Engine, intents
from webhook.netpol.manifest import Birth, Manifest

PRINTERS: Mapping[Engine, ModuleType] = {Engine.CALICO: calico, Engine.KUBERNETES: kubernetes}


def render(policy: GuardPolicy, birth: Birth, engine: Engine, *, detected_dns: str = FALLBACK) -> tuple[Manifest, ...]:
    """The manifests for one namespace, in the order in which they are to be stored: the default-deny first."""
    printer = PRINTERS[engine]
    return tuple(printer.manifest(intent, birth) for intent in intents(policy.network, detected_dns=detected_dns))
