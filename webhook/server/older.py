"""Which owners excuse the faults of what is made for them: those that are older than catflap, by what they ask for as stored."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from webhook.kube.owners import OwnerFound
from webhook.model.decision import OldOwner
from webhook.model.kinds import BY_KIND, PodMaker
from webhook.model.workload import LabelLocation
from webhook.review.objects import convert, workload_from

JOB_TEMPLATE = "spec.jobTemplate"  # of a CronJob, whose metadata its Jobs get


def old_owners(found: Iterable[OwnerFound], installed: datetime) -> tuple[OldOwner, ...]:
    """The owners above an object that are older than the installation, the nearest first; none where the topmost is younger."""
    owners = tuple(found)
    if not owners or owners[-1].created >= installed:
        return ()
    return tuple(read(one) for one in owners if one.created < installed)


def read(found: OwnerFound) -> OldOwner:
    """An owner as rules see it."""
    maker: PodMaker = BY_KIND[found.owner.api_version.rpartition("/")[0], found.owner.kind]
    labels = at(found.content, f"{JOB_TEMPLATE}.metadata").get("labels") or {}
    return OldOwner(
        workload_from(maker, found.content, convert),
        at(found.content, maker.template),
        made=LabelLocation("metadata", labels),
    )


def at(content: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The mapping at a dotted path; empty where there is none."""
    for step in path.split("."):
        content = content.get(step) or {}
    return content
