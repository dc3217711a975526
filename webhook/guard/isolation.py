"""Which namespaces are closed."""

from datetime import datetime
from typing import Final

from webhook.model.namespace import Namespace
from webhook.model.namespace_settings import ALWAYS_EXEMPT
from webhook.model.policy import GuardPolicy

# The API server makes it at the start of the cluster (kubernetes, pkg/controlplane/controller/systemnamespaces), so it is older than catflap.
DEFAULT_NAMESPACE: Final = "default"


def is_managed(namespace: Namespace, policy: GuardPolicy, *, isolation_since: datetime, own_namespace: str) -> bool:
    """Whether a namespace is to be closed: not exempt, policies being written at all, and born since `isolation_since`, or adopted, or stamped.

    The API server's clock counts whole seconds, so one born in that very second is guarded. The stamp only ever
    adds: it never opens a namespace that is guarded by its age.
    """
    if policy.network.engine == "none" or namespace.name == own_namespace or policy.namespaces.exempts(namespace.name):
        return False
    return namespace.created >= isolation_since or namespace.stamped or policy.namespaces.adopts(namespace.name)


def reason_not_managed(name: str, policy: GuardPolicy, *, own_namespace: str) -> str:
    """Return why a namespace of this name gets no policies in any cluster, whatever `network.engine` is; an empty text where it may get some.

    What the name does not show is the namespace's age and its label.
    """
    namespaces = policy.namespaces
    if name == own_namespace:
        return "catflap itself runs there"
    if name in ALWAYS_EXEMPT:
        return f"it is one of Kubernetes' own ({', '.join(sorted(ALWAYS_EXEMPT))})"
    if name in namespaces.exempt:
        return "namespaces.exempt names it"
    if namespaces.exempts(name):
        return "it begins as one of namespaces.reserved.prefixes does"
    if name == DEFAULT_NAMESPACE and not namespaces.adopts(name):
        return "it is older than catflap, and namespaces.adopt does not name it"
    return ""
