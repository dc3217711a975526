"""Which namespaces are closed."""

from datetime import datetime

from webhook.model.namespace import Namespace
from webhook.model.policy import GuardPolicy


def is_guarded(namespace: Namespace, policy: GuardPolicy, *, closed_since: datetime, own_namespace: str) -> bool:
    """Whether a namespace is to be closed: not exempt, policies being written at all, and born since `closed_since`, or adopted, or stamped.

    The API server's clock counts whole seconds, so one born in that very second is guarded. The stamp only ever
    adds: it never opens a namespace that is guarded by its age.
    """
    if policy.network.engine == "none" or namespace.name == own_namespace or policy.namespaces.exempts(namespace.name):
        return False
    return namespace.created >= closed_since or namespace.stamped or policy.namespaces.adopts(namespace.name)
