"""What requests are asked about, as the API server's own CEL says it: match conditions of our entries."""

from collections.abc import Iterable
from typing import Final

from webhook.model.cel import fits_any
from webhook.model.names import GUARD_LABEL
from webhook.model.policy import GuardPolicy

LABELS: Final = "object.?metadata.?labels.orValue({})"
LABELS_BEFORE: Final = "oldObject.?metadata.?labels.orValue({})"
REQUESTED: Final = "request.?namespace.orValue('')"  # of what is in none, it is not set


def guarded_labels(policy: GuardPolicy) -> str:
    """Whether a label, or a name, is touched that the guard hangs on; the stamp of a new namespace is our own."""
    touched = [f"(request.operation == 'UPDATE' && {differs(GUARD_LABEL)})"]
    touched += [differs(label) for label in policy.namespaces.guarded_labels]
    if reserved := policy.namespaces.reserved_names:
        touched.append(f"(request.operation == 'CREATE' && ({fits_any(reserved, 'object.metadata.name')}))")
    return " || ".join(touched)


def elsewhere(prefixes: Iterable[str]) -> str:
    """Whether a request is about none of the namespaces with these prefixes, which no selector can say."""
    return f"!{fits_any(prefixes, REQUESTED)}"


def differs(label: str) -> str:
    """Whether a label is not what it was; before a CREATE it was not there."""
    return f"{LABELS}[?'{label}'] != (oldObject == null ? {{}} : {LABELS_BEFORE})[?'{label}']"
