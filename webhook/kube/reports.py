"""Find, read and delete catflap's OpenReports."""

from collections.abc import Iterator
from typing import Final

from webhook.kube import paths
from webhook.kube.api import CONFLICT, NOT_FOUND, Api, ApiError, Json
from webhook.model.names import FIELD_MANAGER, MANAGED_BY, MANAGED_BY_LABEL, REPORT_NAME
from webhook.netpol.manifest import Manifest

API_VERSION: Final = "openreports.io/v1alpha1"
GROUP: Final = f"/apis/{API_VERSION}"
KINDS: Final = {"Report": "reports", "ClusterReport": "clusterreports"}
# Some hundred kilobytes each at most.
PAGE_SIZE: Final = 50


def is_served(api: Api) -> bool:
    """Return whether this cluster serves Reports and ClusterReports.  Raises ApiError."""
    names = {one["name"] for one in (api.get(GROUP) or {}).get("resources", ())}
    return names >= set(KINDS.values())


def collection(kind: str, namespace: str = "") -> str:
    """Return the path of all reports of a kind, in one namespace or in all."""
    return paths.collection(API_VERSION, KINDS[kind], namespace)


def collection_of(report: Manifest) -> str:
    """Return the path of the collection of a report."""
    return collection(report["kind"], report["metadata"].get("namespace", ""))


def path(report: Manifest) -> str:
    """Return the path of a report."""
    return paths.under(collection_of(report), report["metadata"]["name"])


def own_reports(api: Api) -> Iterator[Json]:
    """Yield catflap's reports, read in pages; none where the cluster serves none.  Raises ApiError."""
    for kind in KINDS:
        try:
            for page in api.pages(collection(kind), size=PAGE_SIZE, labelSelector=f"{MANAGED_BY_LABEL}={MANAGED_BY}"):
                yield from (
                    {**one, "apiVersion": API_VERSION, "kind": kind} for one in page["items"] if is_own_report(one)
                )
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise


def is_own_report(found: Json) -> bool:
    """Return whether catflap wrote a report: its name, its label and its field manager match."""
    metadata = found["metadata"]
    labelled = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
    return metadata["name"] == REPORT_NAME and labelled and FIELD_MANAGER in managers


def delete_report(api: Api, found: Json) -> bool:
    """Delete a report in the version that was read; return False where it is gone or changed.  Raises ApiError."""
    metadata = found["metadata"]
    try:
        return api.delete(path(found), uid=metadata["uid"], version=metadata["resourceVersion"])
    except ApiError as error:
        if error.status == CONFLICT:
            return False
        raise
