"""An old owner excuses only the violations of its own template."""

import copy
from typing import Any, Final

import pytest

from tests.decisions import older
from tests.reviews import GOOD, Json, deployment, pod
from tests.unit.samples import OWNER, REPLICASET_CONTROLLER, asked, policy
from webhook.admission.decide import decide
from webhook.kube.namespaces import parse_time
from webhook.kube.owners import OwnerFound
from webhook.model.decision import Decision, Verdict
from webhook.model.steps import (
    OFFLINE_RESULTS,
    NamespaceData,
    NamespaceLookup,
    OldOwner,
    OwnerLookup,
    Results,
    complete,
)
from webhook.model.workload import Owner
from webhook.server.preexisting_owners import preexisting_owners

INSTALLED: Final = parse_time("2026-06-01T00:00:00Z")
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z"
DEPLOYMENT_CONTROLLER: Final = {"username": "system:serviceaccount:kube-system:deployment-controller", "groups": []}


def found(manifest: Json, created: str = OLD) -> OwnerFound:
    """Return an owner as it is stored."""
    group = manifest["apiVersion"]
    return OwnerFound(Owner(group, manifest["kind"], "web", "42"), parse_time(created), manifest)


def template(labels: dict[str, str] | None = None, **spec: Any) -> Json:
    """Return a Deployment whose Pods have these labels and this spec."""
    made = deployment(labels)
    made["spec"]["template"]["spec"] = {**made["spec"]["template"].get("spec", {}), **spec}
    return made


def made(manifest: Json, *owners: OwnerFound, text: str = "", user: Json = REPLICASET_CONTROLLER) -> Decision:
    """Return the decision on an object that a controller creates for stored owners."""
    namespace = NamespaceData(content={})
    results: Results = {
        **OFFLINE_RESULTS,
        OwnerLookup: preexisting_owners(owners, INSTALLED),
        NamespaceLookup: namespace,
    }
    manifest = copy.deepcopy(manifest)
    manifest["metadata"]["ownerReferences"] = [OWNER]
    return complete(decide(asked(manifest, userInfo=user), policy(text)), results)


def rules(faults: Any) -> list[str]:
    """Return the rules of violations."""
    return [one.rule for one in faults]


def test_what_the_template_lacks_the_pod_may_lack() -> None:
    """It keeps running, with all its faults on record."""
    decision = made(pod(), found(template()))
    assert (decision.verdict, decision.reason) == (
        Verdict.EXEMPT,
        ("a controller created it for an owner that is older than catflap"),
    )
    assert rules(decision.audited) == ["require-app", "require-role"]


def test_what_the_template_does_not_have_is_refused() -> None:
    """A network of the node's, and the labels of another namespace; what is excused is recorded all the same."""
    manifest = pod({"pcns.kubernetes.io/metadata.name": "kube-system"})
    manifest["spec"]["hostNetwork"] = True
    decision = made(manifest, found(template()))
    assert decision.verdict is Verdict.DENIED
    assert rules(decision.denied) == ["no-host-network", "no-reserved-label"]
    assert rules(decision.audited) == ["require-app", "require-role"]


def test_the_same_rule_with_another_value_is_another_fault() -> None:
    """An old Pod of one claimed role is no way to another one."""
    old = template({"app": "web", "role": "nonsense"})
    assert made(pod({"app": "web", "role": "nonsense"}), found(old)).verdict is Verdict.EXEMPT
    assert rules(made(pod({"app": "web", "role": "bogus"}), found(old)).denied) == ["known-role"]
    reserved = {**GOOD, "pcns.a": "1"}
    assert made(pod(reserved), found(template(reserved))).verdict is Verdict.EXEMPT
    assert rules(made(pod({**GOOD, "pcns.a": "2"}), found(template(reserved))).denied) == ["no-reserved-label"]


@pytest.mark.parametrize(
    ("owners", "verdict"),
    [
        pytest.param([(template(), OLD)], Verdict.EXEMPT, id="an old owner"),
        pytest.param([(template(), YOUNG)], Verdict.DENIED, id="a young one"),
        pytest.param([(template(GOOD), YOUNG), (template(), OLD)], Verdict.EXEMPT, id="an old one above a young one"),
        pytest.param(
            [(template(), YOUNG), (template(GOOD), OLD)], Verdict.DENIED, id="a sound old one above a faulty one"
        ),
        pytest.param(
            [(template(), OLD), (template(GOOD), OLD)], Verdict.EXEMPT, id="an old revision of what was mended"
        ),
        pytest.param([(template(), OLD), (template(), YOUNG)], Verdict.DENIED, id="an old one below a young one"),
        pytest.param([], Verdict.DENIED, id="none that is there"),
    ],
)
def test_which_owner_excuses(owners: list[tuple[Json, str]], verdict: Verdict) -> None:
    """One that is older than catflap itself, below none that is younger."""
    assert made(pod(), *(found(*one) for one in owners)).verdict is verdict


def test_a_label_that_the_mutating_phase_wrote_makes_no_difference() -> None:
    """The template has it under its alias alone."""
    text = "roles: {data: {claim: {namespaces: [stores]}}}"
    old = template({"app": "web", "app.kubernetes.io/component": "data"})
    filled = pod({"app": "web", "app.kubernetes.io/component": "data", "role": "data"})
    assert made(filled, found(old), text=text).verdict is Verdict.EXEMPT


@pytest.mark.parametrize("scope", ["template", "both"])
def test_what_is_made_in_between_is_excused_too(scope: str) -> None:
    """A ReplicaSet has its labels from the template, a Job from its CronJob's own field for them."""
    text = f"workloads: {{scope: {scope}}}"
    old = template()
    old["metadata"]["labels"] = GOOD
    replica_set = {**template(), "kind": "ReplicaSet"}
    assert made(replica_set, found(old), text=text, user=DEPLOYMENT_CONTROLLER).verdict is Verdict.EXEMPT
    cron: Json = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "web", "labels": GOOD},
        "spec": {"jobTemplate": {"spec": {"template": {"metadata": {}, "spec": {}}}}},
    }
    job = {**template(), "apiVersion": "batch/v1", "kind": "Job"}
    user = {"username": "system:serviceaccount:kube-system:cronjob-controller"}
    assert made(job, found(cron), text=text, user=user).verdict is Verdict.EXEMPT


CUSTOM: Final = """
custom:
  - id: no-root
    cel: object.spec.?securityContext.?runAsNonRoot.orValue(false) == true
    message: Pods do not run as root
    resources: [pods]
"""


def test_a_rule_of_the_admins_own_is_asked_about_the_template() -> None:
    """It may read anything of it."""
    sound = {"securityContext": {"runAsNonRoot": True}}
    assert made(pod(GOOD), found(template(GOOD)), text=CUSTOM).verdict is Verdict.EXEMPT
    assert rules(made(pod(GOOD), found(template(GOOD, **sound)), text=CUSTOM).denied) == ["no-root"]


def test_a_restart_excuses_no_more() -> None:
    """What is restarted is its own owner, as it is stored."""
    before = deployment(uid="42")
    after = copy.deepcopy(before)
    after["spec"]["template"].setdefault("metadata", {})["annotations"] = {
        "kubectl.kubernetes.io/restartedAt": "2026-11-25T12:00:00Z"
    }
    request, stored = asked(after, before=before), preexisting_owners([found(template(GOOD))], INSTALLED)
    for owners, verdict in ((older(request), Verdict.EXEMPT), (stored, Verdict.DENIED)):
        assert complete(decide(request, policy()), {OwnerLookup: owners}).verdict is verdict


def test_an_owner_is_read_as_it_is_stored() -> None:
    """Its labels, its network and its account."""
    [owner] = preexisting_owners([found(template({"a": "b"}, hostNetwork=True, serviceAccountName="robot"))], INSTALLED)
    assert isinstance(owner, OldOwner)
    [place] = owner.workload.places
    assert (place.labels, place.host_network, place.account) == ({"a": "b"}, True, "robot")
