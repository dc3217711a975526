"""Build the input of a preview from the namespaces and install times of a cluster."""

from collections.abc import Iterable
from datetime import datetime

from webhook.admission.preview import PreviewContext
from webhook.kube.api import Json
from webhook.kube.install_record import InstallTimes
from webhook.kube.namespaces import cel_namespace, parse_namespace


def build_setting(
    own_namespace: str, at: datetime, namespaces: Iterable[Json] | None, moments: InstallTimes | None
) -> PreviewContext:
    """Return the setting of a preview; `namespaces` is None where this process may not list them."""
    found = None if namespaces is None else {one["metadata"]["name"]: one for one in namespaces}
    return PreviewContext(
        own_namespace=own_namespace,
        at=at,
        namespaces=None if found is None else {name: parse_namespace(one) for name, one in found.items()},
        installed=moments.installed if moments else None,
        isolation_since=moments.isolation_since if moments else None,
        contents={name: cel_namespace(one) for name, one in (found or {}).items()},
    )
