"""Tests the ValidatingAdmissionPolicy with the label rules: it agrees with catflap, and works while no server runs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import pytest
import yaml
from msgspec import Raw

from tests.cluster.barriers import wait_until_handled
from tests.cluster.installation import Installation, eventually, run_server
from tests.cluster.load_scenarios import fail_open
from tests.cluster.manifests import GOOD, Json, deployment, every_kind, namespace, pod
from tests.cluster.verdict_comparison import (
    BINDING,
    BY_TWIN,
    POLICY,
    RESOURCES,
    RICH,
    SOUND,
    SPACES,
    compare_verdicts,
    enable_admission_policy,
    random_object,
    stands,
    try_out,
)
from tests.controlplane.client import MERGE
from tests.programs import stop
from webhook.config.parse import digest
from webhook.model.kinds import BY_KIND
from webhook.model.names import BREAK_GLASS_GROUP, RESTARTED_AT
from webhook.review.template_changes import is_restart, templates_differ
from webhook.review.workloads import decode_workload

CASES: Final = Path(__file__).parents[1] / "cases" / "rules"
CONFIGURATION: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/catflap"
# Rules that the copy does not have; other tests show that they are checked.
LEFT_TO_US: Final = {"labels-agree", "no-host-network", "no-open-policy"}


@contextmanager
def alone(catflap: Installation) -> Iterator[None]:
    """Run the API server without catflap servers, with entries that fail open."""
    with fail_open(catflap):
        stop(catflap.server.process)
        try:
            yield
        finally:
            catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))


@pytest.fixture(scope="module")
def twinned(apart: Installation) -> Installation:
    """Return an installation whose file asks for the copy, with two namespaces."""
    for space in SPACES:
        apart.apply(namespace(space))
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "store", "namespace": space}}
        apart.apply(account, check=True)
    enable_admission_policy(apart, RICH)
    return apart


def test_the_api_server_finds_nothing_wrong_with_it(twinned: Installation) -> None:
    """The API server checks the types of every expression for every kind that it knows, and warns."""
    status = eventually(
        lambda: twinned.cluster.api("GET", POLICY).get("status", {}), until=lambda seen: "typeChecking" in seen
    )
    assert status["typeChecking"] == {}


# The first match counts. `other` matches one by its name, and an earlier one by its prefix.
OVERRIDDEN: Final = {
    **RICH,
    "namespaces": {
        "overrides": [
            {"names": ["twin-*"], "rules": {"require-role": "audit", "known-role": "warn"}},
            {"names": ["twin-1"], "mode": "off"},
            {"names": ["other"], "labels": {"tier": "gold"}, "mode": "off"},
            {"names": ["x", "oth*"], "mode": "warn", "rules": {"known-role": "enforce", "require-label": "enforce"}},
            {"names": ["other"], "mode": "enforce"},
        ]
    },
}


@pytest.mark.parametrize("policy", [RICH, OVERRIDDEN], ids=["everywhere alike", "overridden"])
def test_all_three_say_the_same_of_what_is_drawn(twinned: Installation, policy: Json) -> None:
    """Random objects of every kind: `catflap check`, the server, and the copy in the API server."""
    random = Random(7)
    things = [random_object(random) for _ in range(200)]
    found = list(compare_verdicts(twinned, policy, things))
    enable_admission_policy(twinned, RICH)
    assert [(thing, one) for thing, one in zip(things, found, strict=True) if not one.agree] == []
    assert {one.server for one in found} == {True, False}
    assert all(one.valid for one in found)


def cases() -> dict[str, list[tuple[str, Json]]]:
    """Return the cases of Kubernetes' own kinds with their paths, by the policy of each."""
    found: dict[str, list[tuple[str, Json]]] = {}
    for path in sorted(CASES.glob("*/*/*.yaml")):
        if path.parts[-3] in LEFT_TO_US:
            continue
        documents = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]
        policy = documents.pop(0) if documents[0]["kind"] == "GuardPolicy" else {}
        key = yaml.safe_dump({name: value for name, value in policy.items() if name not in {"apiVersion", "kind"}})
        for document in documents:
            if (document["apiVersion"].rpartition("/")[0], document["kind"]) in RESOURCES:
                document["metadata"]["namespace"] = document["metadata"].get("namespace", SPACES[1])
                found.setdefault(key, []).append((str(path.relative_to(CASES)), document))
    return found


@pytest.mark.parametrize("policy", cases(), ids=lambda text: digest(text)[:6])
def test_all_three_say_the_same_of_every_case(twinned: Installation, policy: str) -> None:
    """Only objects that the API server accepts count; some cases lack required fields, which it reports first or last."""
    whole = yaml.safe_load(policy) or {}
    things = cases()[policy]
    if whole.get("workloads", {}).get("scope", "template") != "template":
        pytest.skip("the copy judges pod templates alone")
    for space in {thing["metadata"]["namespace"] for _, thing in things}:
        twinned.apply(namespace(space))
    rules = {**whole.get("rules", {}), "labels-agree": "off", "no-host-network": "off"}
    network = {**whole.get("network", {}), "engine": "kubernetes"}
    found = list(
        compare_verdicts(twinned, {**whole, "rules": rules, "network": network}, [thing for _, thing in things])
    )
    enable_admission_policy(twinned, RICH)
    assert [(path, one) for (path, _), one in zip(things, found, strict=True) if not one.agree] == []


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
    """It holds for either request, while no server runs."""
    name = f"pod-{namespace_name}"
    twinned.apply(pod(name, "other", SOUND), check=True)
    with alone(twinned):
        path = f"/api/v1/namespaces/other/pods/{name}{way}"
        answer = twinned.cluster.call("PATCH", path, {"metadata": {"labels": labels}}, content_type=MERGE)
        assert (answer.status == 403) is refused, answer.body


def test_objects_with_violations_can_be_scaled_and_fixed_but_not_recreated(
    twinned: Installation, namespace_name: str
) -> None:
    """The result is catflap's: a changed template answers for all its violations, other changes do not."""
    twinned.configure({**RICH, "mode": "off"})
    eventually(lambda: stands(twinned), until=lambda seen: seen == [404, 404])
    eventually(lambda: not twinned.apply(deployment(namespace_name, "other", {})).returncode)
    enable_admission_policy(twinned, RICH)
    path = f"/apis/apps/v1/namespaces/other/deployments/{namespace_name}"
    with alone(twinned):
        assert twinned.cluster.call("PATCH", path, {"spec": {"replicas": 3}}, content_type=MERGE).status == 200
        assert (
            twinned.cluster.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE).status == 200
        )
        template = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
        answer = twinned.cluster.call("PATCH", path, template, content_type=MERGE)
        assert (answer.status, BY_TWIN in answer.body["message"]) == (403, True)


RESTART: Final = {"template": {"annotations": {RESTARTED_AT: "2026-11-25T12:00:00Z"}}}
# Changes in addition to the restart annotation: of the template's metadata, of the object's own metadata, of other
# fields.
BESIDE: Final[Mapping[str, Json]] = {
    "nothing": {},
    "the template's name": {"template": {"name": "x"}},
    "the beginning of its name": {"template": {"generateName": "x-"}},
    "its finalizers": {"template": {"finalizers": ["example.com/x"]}},
    "its labels": {"template": {"labels": {"x": "y"}}},
    "an annotation of its": {"template": {"annotations": {"x": "y"}}},
    "its first restart undone": {"template": {"annotations": {RESTARTED_AT: None}}},
    "its spec": {"spec": {"terminationGracePeriodSeconds": 7}},
    "the object's labels": {"own": {"labels": {"x": "y"}}},
    "the object's annotations": {"own": {"annotations": {"x": "y"}}},
}


def changed(kind: str, *changes: Json) -> Json:
    """Return a merge patch of one object that changes its template's metadata, its template's spec and its own metadata."""
    whole: Json = {"template": {}, "spec": {}, "own": {}}
    for change in changes:
        for where, fields in change.items():
            for field, said in fields.items():
                whole[where][field] = {**whole[where].get(field, {}), **said} if isinstance(said, dict) else said
    patch: Json = {"metadata": whole["template"], "spec": whole["spec"]}
    for step in reversed(BY_KIND["apps" if kind == "Deployment" else "batch", kind].template.split(".")):
        patch = {step: patch}
    return {**patch, "metadata": whole["own"]}


def settled(catflap: Installation, path: str) -> Json:
    """Return an object once its controller has seen it; the controller of a CronJob writes nothing before it creates a Job."""
    return eventually(
        lambda: catflap.cluster.api("GET", path),
        until=lambda found: (
            found["kind"] == "CronJob" or found["status"].get("observedGeneration") == found["metadata"]["generation"]
        ),
    )


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_what_a_restart_is_both_see_alike(twinned: Installation, namespace_name: str, kind: str) -> None:
    """The template already had violations: with each change in addition to the annotation, and without any."""
    maker = BY_KIND["apps" if kind == "Deployment" else "batch", kind]
    twinned.configure({**RICH, "mode": "off"})
    eventually(lambda: stands(twinned), until=lambda seen: seen == [404, 404])
    thing = every_kind("other", {})[kind]
    thing["metadata"]["name"] = namespace_name
    eventually(lambda: not twinned.apply(thing).returncode)
    path = f"/apis/{thing['apiVersion']}/namespaces/other/{maker.resource}/{namespace_name}"
    twinned.cluster.api("PATCH", path, changed(kind, RESTART), content_type=MERGE)
    before = settled(twinned, path)
    again = {"template": {"annotations": {RESTARTED_AT: "2026-11-26T12:00:00Z"}}}
    patches = {
        (beside, how): changed(kind, *restarts, change)
        for beside, change in BESIDE.items()
        for how, restarts in (("restarted", [again]), ("not restarted", []))
    }
    tried = f"{path}?dryRun=All"
    alike = {}
    for case, patch in patches.items():
        after = twinned.cluster.api("PATCH", tried, patch, content_type=MERGE)
        new, old = (decode_workload(maker, Raw(json.dumps(one).encode())) for one in (after, before))
        alike[case] = not templates_differ(maker, new, old) or is_restart(maker, new, old)
    enable_admission_policy(twinned, RICH)
    with alone(twinned):
        answers = {
            case: twinned.cluster.call("PATCH", tried, patch, content_type=MERGE) for case, patch in patches.items()
        }
    assert {case: answer.status == 200 for case, answer in answers.items()} == alike
    assert set(alike.values()) == {True, False}


def test_users_exempt_from_catflap_are_exempt_from_it(twinned: Installation) -> None:
    """Exempt namespaces, the break-glass group, and namespaces with another mode."""
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
    enable_admission_policy(twinned, RICH)


def test_an_exception_is_in_it_as_long_as_it_counts(twinned: Installation) -> None:
    """The controller writes the policy again when one ends; until then the old one is in force."""
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
    enable_admission_policy(twinned, RICH)
    assert BY_TWIN in try_out(twinned, pod("probe", "other", lacking)).body["message"]


@pytest.mark.parametrize("path", [POLICY, BINDING], ids=["policy", "binding"])
def test_it_is_mended_and_put_back(twinned: Installation, path: str) -> None:
    """The API server calls no webhook for such objects, so the controller repairs them."""
    before = twinned.cluster.api("GET", path)
    spoilt = {"validationActions": ["Audit"]} if path == BINDING else {"failurePolicy": "Ignore"}
    twinned.cluster.api("PATCH", path, {"spec": spoilt}, content_type=MERGE)
    eventually(lambda: twinned.cluster.api("GET", path)["spec"] == before["spec"])
    twinned.cluster.api("DELETE", path)
    eventually(lambda: twinned.cluster.call("GET", path).status == 200)
    assert twinned.cluster.api("GET", path)["spec"] == before["spec"]
    written = twinned.cluster.api("GET", path)["metadata"]
    wait_until_handled(twinned)
    kept = twinned.cluster.api("GET", path)["metadata"]  # the API server itself writes its status
    assert (kept["uid"], kept["generation"]) == (written["uid"], written["generation"])


def test_it_is_removed_with_the_webhook_configuration(twinned: Installation) -> None:
    """Deleting it turns catflap off; what creates it again also creates the copy."""
    kept = twinned.cluster.api("GET", CONFIGURATION)
    metadata = {key: value for key, value in kept["metadata"].items() if key in {"name", "labels", "annotations"}}
    twinned.cluster.api("DELETE", CONFIGURATION)
    try:
        eventually(lambda: {twinned.cluster.call("GET", path).status for path in (POLICY, BINDING)} == {404})
        eventually(lambda: twinned.apply(pod("unlabelled", "other", {})).returncode == 0)
    finally:
        twinned.cluster.api("POST", CONFIGURATION.rpartition("/")[0], {**kept, "metadata": metadata})
    eventually(lambda: {twinned.cluster.call("GET", path).status for path in (POLICY, BINDING)} == {200})


def test_it_holds_for_what_is_good(twinned: Installation) -> None:
    """Neither rejects what the other admits; the objects are stored."""
    twinned.apply(pod("good", "other", {**GOOD, "team": "blue", "stage": "b"}), check=True)
