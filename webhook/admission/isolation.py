"""Managed namespaces, which catflap isolates with a default-deny policy."""

from datetime import datetime
from typing import Final

from webhook.model.namespace import Namespace
from webhook.model.namespace_settings import ALWAYS_EXEMPT
from webhook.model.policy import GuardPolicy

# The API server creates it at the start of the cluster (kubernetes, pkg/controlplane/controller/systemnamespaces), so it is older than catflap.
DEFAULT_NAMESPACE: Final = "default"


def isolates(policy: GuardPolicy) -> bool:
    """Return whether catflap isolates any namespace under a policy file."""
    return policy.network.engine != "none"


def is_managed(namespace: Namespace, policy: GuardPolicy, *, isolation_since: datetime, own_namespace: str) -> bool:
    """Return whether catflap isolates a namespace.

    It does if the policy has an engine, the namespace is not exempt, and it was created since `isolation_since`, or is included, or has the guard label.
    Creation times have whole seconds, so a namespace created in that same second is managed. The label can only add a namespace:
    its absence does not exclude one that is managed because of its age.
    """
    if not isolates(policy) or namespace.name == own_namespace or policy.namespaces.exempts(namespace.name):
        return False
    return (
        namespace.created >= isolation_since
        or namespace.has_guard_label
        or policy.namespaces.includes_existing(namespace.name)
    )


def reason_not_managed(name: str, policy: GuardPolicy, *, own_namespace: str) -> str:
    """Return why a namespace of this name gets no policies in any cluster, whatever `network.engine` is; an empty text where it may get some.

    The age and the labels of the namespace are not considered.
    """
    namespaces = policy.namespaces
    if name == own_namespace:
        return "catflap runs in it"
    if name in ALWAYS_EXEMPT:
        return f"it is a namespace of Kubernetes ({', '.join(sorted(ALWAYS_EXEMPT))})"
    if name in namespaces.exempt:
        return "namespaces.exempt contains it"
    if namespaces.exempts(name):
        return "its name starts with a prefix in namespaces.reserved.prefixes"
    if name == DEFAULT_NAMESPACE and not namespaces.includes_existing(name):
        return "it is older than catflap, and namespaces.includeExisting does not contain it"
    return ""
