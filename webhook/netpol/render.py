"""Render the manifests that isolate a namespace, and the cluster-wide default deny."""

from collections.abc import Collection, Mapping
from types import ModuleType

from webhook.model.names import CLUSTER_DEFAULT_DENY
from webhook.model.policy import GuardPolicy
from webhook.netpol import calico, kubernetes
from webhook.netpol.dns import OFFLINE_DEFAULTS, DetectedDns
from webhook.netpol.intent import Intent, PolicyEngine
from webhook.netpol.manifest import Manifest, RenderTarget
from webhook.netpol.namespace_intents import DENY_ALL, name_server_allows, namespace_intents

ENGINE_MODULES: Mapping[PolicyEngine, ModuleType] = {PolicyEngine.CALICO: calico, PolicyEngine.KUBERNETES: kubernetes}


def render_default_deny(birth: RenderTarget, engine: PolicyEngine) -> Manifest:
    """Return the default-deny policy of a namespace alone, without rendering the policies of flows."""
    manifest: Manifest = ENGINE_MODULES[engine].manifest(DENY_ALL, birth)
    return manifest


def render_namespace(
    policy: GuardPolicy, target: RenderTarget, engine: PolicyEngine, *, detected_dns: DetectedDns = OFFLINE_DEFAULTS
) -> tuple[Manifest, ...]:
    """Return the manifests of one namespace in the order in which they must be stored: the default-deny first.

    Returns none where the policy file asks for staged policies and the engine has no staged kinds.
    """
    intents = namespace_intents(policy, target.namespace, target.environment, detected_dns=detected_dns)
    written = tuple(ENGINE_MODULES[engine].manifest(intent, target) for intent in intents)
    return as_staged(written, policy, engine)


def render_cluster_wide(
    policy: GuardPolicy,
    target: RenderTarget,
    engine: PolicyEngine,
    *,
    exempt: Collection[str],
    detected_dns: DetectedDns = OFFLINE_DEFAULTS,
) -> tuple[Manifest, ...]:
    """Return the cluster-wide default deny where the file asks for it and the engine has it; it allows the name servers."""
    if not policy.network.cluster_wide_default_deny or engine is not PolicyEngine.CALICO:
        return ()
    intent = Intent(CLUSTER_DEFAULT_DENY, allows=name_server_allows(policy, detected_dns=detected_dns))
    return as_staged((calico.cluster_wide_default_deny(intent, target, exempt),), policy, engine)


def as_staged(written: tuple[Manifest, ...], policy: GuardPolicy, engine: PolicyEngine) -> tuple[Manifest, ...]:
    """Return the manifests, or their staged kinds where the file asks for them; plain NetworkPolicies have no staged kind."""
    if not policy.network.staged:
        return written
    return tuple(map(calico.staged_manifest, written)) if engine is PolicyEngine.CALICO else ()
