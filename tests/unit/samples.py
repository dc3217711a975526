"""What unit tests and laws begin with: policies, requests and workloads, each one line away from its text."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Raw

from tests.reviews import Json, encoded
from webhook.config.parse import parse
from webhook.model.decision import Decision
from webhook.model.kinds import PodMaker
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.workload import LabelLocation, Workload
from webhook.review.decode import decode
from webhook.review.template_changes import templates_differ
from webhook.review.workloads import decode_workload

HEAD: Final = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\n"

REPLICASET_CONTROLLER: Final = {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": []}
NODE: Final = {"username": "system:node:worker-1", "groups": ["system:nodes", "system:authenticated"]}
OWNER: Final = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b", "uid": "42", "controller": True}


def policy(text: str = "") -> GuardPolicy:
    """The policy that a file with these lines says; the two that every file begins with are added."""
    return parse(HEAD + text).policy


def named(maker: PodMaker) -> str:
    """A kind by resource and group: two vendors' kinds have the names of Kubernetes' own."""
    return f"{maker.resource}.{maker.group}".removesuffix(".")


def asked(manifest: Json | None, **options: Any) -> Request:
    """The request that a review of this object is decoded to; `options` are those of `tests.reviews.review`."""
    return decode(encoded(manifest, **options))


def workload(labels: Mapping[str, str] | None = None, **fields: Any) -> Workload:
    """A Pod as rules see it; `fields` override what else it has."""
    whole = {"kind": "Pod", "namespace": "shop", "name": "web", "places": (LabelLocation("metadata", labels or {}),)}
    return Workload(**{**whole, **fields})


def faults(decision: object) -> list[tuple[str, str]]:
    """What a decision refuses an object for: rule and path of each fault."""
    assert isinstance(decision, Decision)
    return [(violation.rule, violation.path) for violation in decision.denied]


def differ(maker: PodMaker, new: bytes, old: bytes) -> bool:
    """Return whether the pod templates of two objects differ."""
    return templates_differ(maker, decode_workload(maker, Raw(new)), decode_workload(maker, Raw(old)))
