"""The Pods that run in a namespace."""

from typing import Final

from webhook.kube.api import Api
from webhook.kube.paths import collection

ENDED: Final = frozenset({"Succeeded", "Failed"})
# Enough to name some of them.
MOST_LOOKED_AT: Final = 50
MOST_NAMED: Final = 5


def running_pods(api: Api, namespace: str) -> list[str]:
    """The names of Pods in a namespace that have not ended, as far as one short list shows them.  Raises ApiError."""
    found = api.get(collection("v1", "pods", namespace), limit=str(MOST_LOOKED_AT)) or {}
    return [
        one["metadata"]["name"]
        for one in found.get("items") or ()
        if (one.get("status") or {}).get("phase") not in ENDED
    ]


def said(names: list[str]) -> str:
    """Pods in words: some names, and how many more there are at least."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"Pod{'s' if len(names) > 1 else ''} {', '.join(names[:MOST_NAMED])}{more}"
