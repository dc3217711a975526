"""Compares three verdicts on one object: of `catflap check`, of the server, and of the ValidatingAdmissionPolicy."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from random import Random
from typing import Any, Final, NamedTuple

import yaml

from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import Json, every_kind, pod
from tests.controlplane.client import Answer
from webhook.cli.check import decide_offline
from webhook.config.parse import parse
from webhook.model.kinds import KUBERNETES_OWN
from webhook.review.manifests import read

TWINS: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic{}/catflap-labels"
POLICY, BINDING = TWINS.format("ies"), TWINS.format("ybindings")
BY_TWIN: Final = "ValidatingAdmissionPolicy 'catflap-labels' with binding 'catflap-labels' denied request: "
RESOURCES: Final = {(maker.group, maker.kind): maker.resource for maker in KUBERNETES_OWN}
SPACES: Final = ("twin-1", "other")
RICH: Final[Mapping[str, Any]] = {
    "validatingAdmissionPolicy": True,
    "workloads": {"require": [{"label": "team", "matches": "[a-z][a-z-]*"}, {"label": "stage", "oneOf": ["a", "b"]}]},
    "roles": {"data": {"claim": {"namespaces": ["twin-*"], "serviceAccounts": ["twin-1/store"]}}},
    "rules": {"labels-agree": "off"},
}
SOUND: Final = {"app": "web", "role": "frontend", "team": "blue", "stage": "a"}
VALUES: Final = {
    "app": ["web", "", "till"],
    "role": ["frontend", "data", "", "x"],
    "app.kubernetes.io/name": ["web", "other", ""],
    "app.kubernetes.io/component": ["frontend", "backend", "api", ""],
    "k8s-app": ["web"],
    "team": ["blue", "", "Not-This", "a-b"],
    "stage": ["a", "c"],
    "pcns.projectcalico.org/name": ["x"],
}


class Verdicts(NamedTuple):
    """Whether each of the three admits an object; `valid` is whether the API server accepts it as an object at all."""

    offline: bool
    server: bool
    twin: bool
    valid: bool = True

    @property
    def agree(self) -> bool:
        """Return whether the verdicts agree, for what all three judge."""
        return not self.valid or self.offline is self.server is self.twin


def random_object(random: Random) -> Json:
    """Return a random object of a built-in kind, almost correct."""
    labels = dict(SOUND)
    for key in random.sample(sorted(VALUES), random.choice((0, 1, 1, 2, 3))):
        if random.random() < 0.3:
            labels.pop(key, None)
        else:
            labels[key] = random.choice(VALUES[key])
    kinds = every_kind(random.choice(SPACES), labels)
    thing = copy.deepcopy(random.choice(list(kinds.values())))
    if thing["kind"] == "Pod" and random.random() < 0.5:
        thing["spec"]["serviceAccountName"] = random.choice(("default", "store"))
    return thing


def try_out(catflap: Installation, thing: Json, **options: Any) -> Answer:
    """Create an object as a dry run."""
    version, kind = thing["apiVersion"], thing["kind"]
    group = version.rpartition("/")[0]
    root = f"/apis/{version}" if group else f"/api/{version}"
    path = f"{root}/namespaces/{thing['metadata']['namespace']}/{RESOURCES[group, kind]}?dryRun=All"
    return catflap.cluster.call("POST", path, thing, **options)


def stands(catflap: Installation) -> list[int]:
    """Return the API server's answers for policy and binding."""
    return [catflap.cluster.call("GET", path).status for path in (POLICY, BINDING)]


def probed(catflap: Installation) -> str:
    """Return the message for a Pod that violates every rule."""
    return str(try_out(catflap, pod("probe", SPACES[0], {})).body.get("message", ""))


def disable_admission_policy(catflap: Installation, policy: Mapping[str, Any]) -> None:
    """Apply a policy file without the copy, and return when the API server no longer uses the copy."""
    catflap.configure({**policy, "validatingAdmissionPolicy": False})
    eventually(lambda: stands(catflap), until=lambda seen: seen == [HTTPStatus.NOT_FOUND] * 2)
    eventually(lambda: BY_TWIN not in probed(catflap))


def enable_admission_policy(catflap: Installation, policy: Mapping[str, Any]) -> None:
    """Apply a policy file with its copy, and return when the API server uses this copy and no earlier one."""
    disable_admission_policy(catflap, policy)
    catflap.configure({**policy, "validatingAdmissionPolicy": True})
    eventually(lambda: probed(catflap), until=lambda seen: BY_TWIN in seen)


def compare_verdicts(catflap: Installation, policy: Mapping[str, Any], things: Sequence[Json]) -> Iterable[Verdicts]:
    """Return the verdicts on objects under one policy; if the copy exists, its rejection precedes the server's and names it."""
    without = {**policy, "validatingAdmissionPolicy": False}
    disable_admission_policy(catflap, without)
    by_us = [try_out(catflap, thing) for thing in things]
    enable_admission_policy(catflap, policy)
    by_both = [try_out(catflap, thing) for thing in things]
    head = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy"}
    parsed = parse(yaml.safe_dump({**head, **without})).policy
    for thing, one, other in zip(things, by_both, by_us, strict=True):
        offline = decide_offline(read(thing, default_namespace=thing["metadata"]["namespace"]), parsed)
        refused = "denied the request" in other.body.get("message", "")
        yield Verdicts(
            offline=offline.allowed,
            server=not refused,
            twin=BY_TWIN not in one.body.get("message", ""),
            valid=refused or other.status == HTTPStatus.CREATED,
        )
