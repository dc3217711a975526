"""The API server's own copy of the rules about labels: it judges as we do, and goes on while none of ours runs."""

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.cluster.installation import Installation, eventually, served
from tests.cluster.manifests import GOOD, Json, deployment, every_kind, namespace, pod
from tests.cluster.storms import fail_open
from tests.controlplane.client import MERGE, Answer
from tests.programs import stop
from webhook.model.names import BREAK_GLASS_GROUP

TWINS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic{}/catflap-labels"
POLICY, BINDING = TWINS.format("ies"), TWINS.format("ybindings")
BY_TWIN = "ValidatingAdmissionPolicy 'catflap-labels' with binding 'catflap-labels' denied request: "
RICH: Mapping[str, Any] = {
    "twin": True,
    "workloads": {"require": [{"label": "team", "matches": "[a-z][a-z-]*"}, {"label": "stage", "oneOf": ["a", "b"]}]},
    "roles": {"data": {"claim": {"namespaces": ["twin-*"], "serviceAccounts": ["twin-1/store"]}}},
    "rules": {"labels-agree": "off"},
}


@contextmanager
def alone(catflap: Installation) -> Iterator[None]:
    """The API server with nobody of ours to ask, and told to go on without."""
    with fail_open(catflap):
        stop(catflap.server.process)
        try:
            yield
        finally:
            catflap.server = catflap.revived.enter_context(served(catflap.cluster, catflap.folder, catflap.port))


def stands(catflap: Installation) -> list[int]:
    """How the API server answers for policy and binding."""
    return [catflap.cluster.call("GET", path).status for path in (POLICY, BINDING)]


def try_out(catflap: Installation, thing: Json, **options: Any) -> Answer:
    """Make something without making it."""
    version, kind = thing["apiVersion"], thing["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    path = f"{root}/namespaces/{thing['metadata']['namespace']}/{kind.lower()}s?dryRun=All"
    return catflap.cluster.call("POST", path, thing, **options)


@pytest.fixture(scope="module")
def twinned(apart: Installation) -> Installation:
    """An installation whose file asks for the copy, with two namespaces."""
    apart.configure(RICH)
    for space in ("twin-1", "other"):
        apart.apply(namespace(space))
    eventually(lambda: stands(apart), until=lambda seen: seen == [200, 200])
    # Compiled and in force: with the whole of it, a Pod without labels is refused by the copy, which comes first.
    eventually(lambda: BY_TWIN in try_out(apart, pod("probe", "twin-1", {})).body.get("message", ""))
    return apart


def test_the_api_server_finds_nothing_wrong_with_it(twinned: Installation) -> None:
    """It checks the types of every expression against every kind that it knows, and warns."""
    status = eventually(
        lambda: twinned.cluster.api("GET", POLICY).get("status", {}), until=lambda seen: "typeChecking" in seen
    )
    assert status["typeChecking"] == {}


VALUES = {
    "app": ["web", "", "till"],
    "role": ["frontend", "data", "", "x"],
    "app.kubernetes.io/name": ["web", "other", ""],
    "app.kubernetes.io/component": ["frontend", "backend", "api", ""],
    "k8s-app": ["web"],
    "team": ["blue", "", "Not-This", "a-b"],
    "stage": ["a", "c"],
    "pcns.projectcalico.org/name": ["x"],
}
SOUND = {"app": "web", "role": "frontend", "team": "blue", "stage": "a"}


def drawn(random: Random, space: str) -> Json:
    """An object of some built-in kind, nearly right."""
    labels = dict(SOUND)
    for key in random.sample(sorted(VALUES), random.choice((0, 1, 1, 2, 3))):
        if random.random() < 0.3:
            labels.pop(key, None)
        else:
            labels[key] = random.choice(VALUES[key])
    thing = copy.deepcopy(random.choice(list(every_kind(space, labels).values())))
    if thing["kind"] == "Pod" and random.random() < 0.5:
        thing["spec"]["serviceAccountName"] = random.choice(("default", "store"))
    return thing


def verdicts(catflap: Installation, things: list[Json]) -> list[bool]:
    """Whether each would be admitted; refused by rules, and not for anything else."""
    answers = [try_out(catflap, thing) for thing in things]
    for answer in answers:
        assert answer.status in {201, 403}, answer.body
        assert not answer.refused or "denied" in answer.body["message"], answer.body
    return [not answer.refused for answer in answers]


def test_it_judges_as_the_server_does(twinned: Installation) -> None:
    """Objects of every kind, drawn at random: the copy alone, then catflap alone, say the same of each."""
    random = Random(7)
    for space in ("twin-1", "other"):
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "store"}}
        twinned.cluster.call("POST", f"/api/v1/namespaces/{space}/serviceaccounts", account)
    things = [drawn(random, random.choice(("twin-1", "twin-1", "other"))) for _ in range(200)]
    with alone(twinned):
        by_twin = verdicts(twinned, things)
    twinned.configure({**RICH, "twin": False})
    eventually(lambda: stands(twinned), until=lambda seen: seen == [404, 404])
    eventually(lambda: BY_TWIN not in try_out(twinned, pod("probe", "twin-1", {})).body["message"])
    by_us = verdicts(twinned, things)
    differing = [thing for thing, one, other in zip(things, by_twin, by_us, strict=True) if one is not other]
    twinned.configure(RICH)
    eventually(lambda: BY_TWIN in try_out(twinned, pod("probe", "twin-1", {})).body.get("message", ""))
    assert differing == []
    assert {True, False} == set(by_us)


CHANGES = [
    pytest.param({"x": "y"}, False, id="a label that no rule is about"),
    pytest.param({"role": "data"}, True, id="another role"),
    pytest.param({"role": None}, True, id="no role any more"),
    pytest.param({"app": ""}, True, id="an empty label"),
    pytest.param({"pcns.x": "y"}, True, id="a reserved label"),
]


@pytest.mark.parametrize("way", ["", "/status"])
@pytest.mark.parametrize(("labels", "refused"), CHANGES)
def test_a_change_of_a_running_pod(
    twinned: Installation, namespace_name: str, labels: dict[str, str | None], way: str, *, refused: bool
) -> None:
    """By either way in; with nobody of ours there."""
    name = f"pod-{namespace_name}"
    twinned.apply(pod(name, "other", SOUND), check=True)
    with alone(twinned):
        path = f"/api/v1/namespaces/other/pods/{name}{way}"
        answer = twinned.cluster.call("PATCH", path, {"metadata": {"labels": labels}}, content_type=MERGE)
        assert (answer.status == 403) is refused, answer.body


def test_what_is_faulty_already_can_be_scaled_and_mended_but_not_made_anew(
    twinned: Installation, namespace_name: str
) -> None:
    """As we judge it: a changed template answers for all its faults, nothing else does."""
    twinned.configure({**RICH, "mode": "off"})
    eventually(lambda: stands(twinned), until=lambda seen: seen == [404, 404])
    eventually(lambda: not twinned.apply(deployment(namespace_name, "other", {})).returncode)
    twinned.configure(RICH)
    eventually(lambda: BY_TWIN in try_out(twinned, pod("probe", "twin-1", {})).body.get("message", ""))
    path = f"/apis/apps/v1/namespaces/other/deployments/{namespace_name}"
    with alone(twinned):
        assert twinned.cluster.call("PATCH", path, {"spec": {"replicas": 3}}, content_type=MERGE).status == 200
        assert (
            twinned.cluster.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE).status == 200
        )
        template = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
        answer = twinned.cluster.call("PATCH", path, template, content_type=MERGE)
        assert (answer.status, BY_TWIN in answer.body["message"]) == (403, True)


def test_whom_we_do_not_judge_it_does_not_judge_either(twinned: Installation) -> None:
    """Exempt namespaces, the break-glass group, and where the mode is another."""
    changed = {
        **RICH,
        "namespaces": {"overrides": [{"names": ["twin-*"], "mode": "audit"}]},
        "exempt": {"users": ["ann"]},
    }
    twinned.configure(changed)
    eventually(lambda: not try_out(twinned, pod("probe", "twin-1", {})).refused)
    with alone(twinned):
        assert not try_out(twinned, pod("web", "twin-1", {})).refused
        assert not try_out(twinned, pod("web", "kube-public", {})).refused
        assert try_out(twinned, pod("web", "other", {})).refused
        for user, groups in (("ann", ["system:masters"]), ("eve", ["system:masters", BREAK_GLASS_GROUP])):
            assert not try_out(twinned, pod("web", "other", {}), as_user=user, as_groups=groups).refused
        assert try_out(twinned, pod("web", "other", {}), as_user="eve", as_groups=["system:masters"]).refused
    twinned.configure(RICH)
    eventually(lambda: BY_TWIN in try_out(twinned, pod("probe", "twin-1", {})).body.get("message", ""))


def test_an_exception_is_in_it_as_long_as_it_counts(twinned: Installation) -> None:
    """The controller writes it anew when one ends; until then it says what it said."""
    today = datetime.now(UTC).date()
    common = {"namespace": "other", "owner": "team-a", "reason": "migration"}
    exceptions = [
        {**common, "rule": "require-app", "until": today + timedelta(days=1)},
        {**common, "rule": "require-role", "until": today - timedelta(days=1)},
    ]
    twinned.configure({**RICH, "exceptions": exceptions})
    lacking = {key: value for key, value in SOUND.items() if key != "app"}
    eventually(lambda: not try_out(twinned, pod("probe", "other", lacking)).refused)
    roleless = {key: value for key, value in SOUND.items() if key != "role"}
    assert "require-role" in try_out(twinned, pod("probe", "other", roleless)).body["message"]
    twinned.configure(RICH)
    eventually(lambda: BY_TWIN in try_out(twinned, pod("probe", "other", lacking)).body.get("message", ""))


@pytest.mark.parametrize("path", [POLICY, BINDING], ids=["policy", "binding"])
def test_it_is_mended_and_put_back(twinned: Installation, path: str) -> None:
    """Nobody guards it: the API server asks no webhook about such objects; so it is repaired."""
    before = twinned.cluster.api("GET", path)
    spoilt = {"validationActions": ["Audit"]} if path == BINDING else {"failurePolicy": "Ignore"}
    twinned.cluster.api("PATCH", path, {"spec": spoilt}, content_type=MERGE)
    eventually(lambda: twinned.cluster.api("GET", path)["spec"] == before["spec"])
    twinned.cluster.api("DELETE", path)
    eventually(lambda: twinned.cluster.call("GET", path).status == 200)
    assert twinned.cluster.api("GET", path)["spec"] == before["spec"]
    written = twinned.cluster.api("GET", path)["metadata"]
    time.sleep(1.0)
    kept = twinned.cluster.api("GET", path)["metadata"]  # the API server itself writes its status
    assert (kept["uid"], kept["generation"]) == (written["uid"], written["generation"])


def test_it_holds_for_what_is_good(twinned: Installation) -> None:
    """Nothing that we admit is refused by it, nor the other way round; made in earnest."""
    twinned.apply(pod("good", "other", {**GOOD, "team": "blue", "stage": "b"}), check=True)
