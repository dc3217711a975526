"""What is known of a cluster where its objects are judged as they stand."""

from collections.abc import Iterable
from datetime import datetime

from webhook.guard.preview import PreviewContext
from webhook.kube.api import Json
from webhook.kube.epoch import Moments
from webhook.kube.namespaces import namespace, readable


def setting(
    own_namespace: str, at: datetime, namespaces: Iterable[Json] | None, moments: Moments | None
) -> PreviewContext:
    """The setting by namespaces as they were seen; None where they may not be."""
    found = None if namespaces is None else {one["metadata"]["name"]: one for one in namespaces}
    return PreviewContext(
        own_namespace=own_namespace,
        at=at,
        namespaces=None if found is None else {name: namespace(one) for name, one in found.items()},
        installed=moments.installed if moments else None,
        isolation_since=moments.closing if moments else None,
        contents={name: readable(one) for name, one in (found or {}).items()},
    )
