"""Owners that are older than catflap; violations that their stored templates already have are excused."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from webhook.kube.owners import OwnerFound
from webhook.model.kinds import BY_KIND, PodMaker
from webhook.model.steps import OldOwner
from webhook.model.workload import LabelLocation
from webhook.review.workloads import workload_from

JOB_TEMPLATE = "spec.jobTemplate"  # of a CronJob; its metadata is copied to the Jobs


def preexisting_owners(found: Iterable[OwnerFound], installed: datetime) -> tuple[OldOwner, ...]:
    """Return the owners that are older than the installation, the nearest first.

    `found` is the owner chain of an object, from the nearest owner to the root. The result is empty where the root is younger.
    """
    owners = tuple(found)
    if not owners or owners[-1].created >= installed:
        return ()
    return tuple(decode_owner(one) for one in owners if one.created < installed)


def decode_owner(found: OwnerFound) -> OldOwner:
    """Return an owner with its workload and its Pod template decoded, as rules read them."""
    maker: PodMaker = BY_KIND[found.owner.api_version.rpartition("/")[0], found.owner.kind]
    labels = mapping_at(found.content, f"{JOB_TEMPLATE}.metadata").get("labels") or {}
    return OldOwner(
        workload_from(maker, found.content),
        mapping_at(found.content, maker.template),
        made=LabelLocation("metadata", labels),
    )


def mapping_at(content: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the mapping at a dotted path, or an empty one."""
    for step in path.split("."):
        content = content.get(step) or {}
    return content
