"""List the Pods that run in a namespace."""

from typing import Final

from webhook.kube.api import Api
from webhook.kube.paths import collection

TERMINAL_PHASES: Final = frozenset({"Succeeded", "Failed"})
# Enough to name some of them.
LIST_LIMIT: Final = 50
MOST_NAMED: Final = 5


def running_pods(api: Api, namespace: str) -> list[str]:
    """Return the names of the Pods in the first page of a namespace that are not in a terminal phase.  Raises ApiError."""
    found = api.get(collection("v1", "pods", namespace), limit=str(LIST_LIMIT)) or {}
    return [
        one["metadata"]["name"]
        for one in found.get("items") or ()
        if (one.get("status") or {}).get("phase") not in TERMINAL_PHASES
    ]


def describe_pods(names: list[str]) -> str:
    """Return a text with some names of Pods, and the number of the others."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"Pod{'s' if len(names) > 1 else ''} {', '.join(names[:MOST_NAMED])}{more}"
