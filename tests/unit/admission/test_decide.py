"""Decisions of the validating phase."""

import copy
from typing import Any, Final

import pytest

from tests.decisions import settled
from tests.reviews import GOOD, Json, deployment, namespace, pod
from tests.unit.samples import NODE, OWNER, REPLICASET_CONTROLLER, asked, faults, policy
from webhook.admission.decide import decide, unavailable
from webhook.admission.judge import judge_request
from webhook.model.decision import Decision, Verdict
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request
from webhook.model.rule import Violation
from webhook.model.steps import (
    IsolationLookup,
    IsolationStatus,
    NamespaceData,
    NamespaceLookup,
    OwnerLookup,
    complete,
)
from webhook.model.workload import Owner

MIRROR = {"annotations": {"kubernetes.io/config.mirror": "4f1a"}}
BOTH_MISSING = [("require-app", "metadata.labels.app"), ("require-role", "metadata.labels.role")]


def decided(manifest: Json | None, text: str = "", *, before: Json | None = None, **request: Any) -> Decision:
    """Return the decision on a review under a policy, with catflap in `guards` and without a lookup of owners."""
    found = settled(asked(manifest, before=before, **request), policy(text), own_namespace="guards")
    assert isinstance(found, Decision)
    return found


class TestAdmitted:
    """Admitted requests."""

    @pytest.mark.parametrize("manifest", [pod(GOOD), deployment(GOOD)], ids=["Pod", "Deployment"])
    def test_what_has_no_fault_is_admitted(self, manifest: Json) -> None:
        """Without any message."""
        assert decided(manifest) == Decision(Reason(ReasonCode.NO_VIOLATION))

    def test_a_namespace_is_admitted(self) -> None:
        """The controller isolates it; no rule checks it."""
        assert decided(namespace(), namespace="shop") == Decision(Reason(ReasonCode.NO_VIOLATION))


class TestUnjudgedWorkloads:
    """Objects that make Pods from the template of another object."""

    ROLLOUT: Final[Json] = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
    }

    def test_a_rollout_of_a_deployment_is_not_judged_and_says_so(self) -> None:
        """The Deployment was."""
        reason = "spec.workloadRef: catflap checks the object that it names"
        assert decided(self.ROLLOUT) == Decision(Reason(ReasonCode.TEMPLATE_REFERENCED, reason))

    def test_it_is_judged_again_when_it_refers_to_nothing(self) -> None:
        """Its own template is then the one that counts."""
        alone = {**self.ROLLOUT, "spec": {"template": {}}}
        assert [path for _, path in faults(decided(alone, before=self.ROLLOUT))] == [
            "spec.template.metadata.labels.app",
            "spec.template.metadata.labels.role",
        ]

    @pytest.mark.parametrize("scope", ["object", "both"])
    def test_its_own_labels_are_judged_where_they_are_in_scope(self, scope: str) -> None:
        """No other object has these labels."""
        found = decided(self.ROLLOUT, f"workloads: {{scope: {scope}, existingWorkloads: judge}}")
        assert faults(found) == BOTH_MISSING


class TestScope:
    """The scope of label rules for objects that make Pods."""

    OWN: Final = BOTH_MISSING
    TEMPLATES: Final = [(rule, f"spec.template.{path}") for rule, path in BOTH_MISSING]

    @pytest.mark.parametrize(
        ("scope", "expected"),
        [("template", TEMPLATES), ("object", OWN), ("both", [OWN[0], TEMPLATES[0], OWN[1], TEMPLATES[1]])],
    )
    def test_a_deployment_answers_for_what_is_in_scope(self, scope: str, expected: list[tuple[str, str]]) -> None:
        """Its own labels, its template's, or both."""
        assert faults(decided(deployment(), f"workloads: {{scope: {scope}, existingWorkloads: judge}}")) == expected

    @pytest.mark.parametrize("scope", ["template", "object", "both"])
    def test_a_pod_answers_for_its_own(self, scope: str) -> None:
        """It has no others."""
        assert faults(decided(pod(), f"workloads: {{scope: {scope}, existingWorkloads: judge}}")) == BOTH_MISSING

    @pytest.mark.parametrize("scope", ["object", "both"])
    def test_a_label_taken_from_a_deployment_is_refused(self, scope: str) -> None:
        """Though its template is as it was."""
        found = decided(
            deployment(GOOD),
            f"workloads: {{scope: {scope}, existingWorkloads: judge}}",
            before=deployment(GOOD, labels=GOOD),
        )
        assert faults(found) == BOTH_MISSING

    @pytest.mark.parametrize("scope", ["template", "object", "both"])
    def test_what_calico_takes_for_a_namespaces_is_refused_on_pods(self, scope: str) -> None:
        """It is about what policies select, and they select no Deployment."""
        claiming = {**GOOD, "pcns.environment": "production"}
        text = f"workloads: {{scope: {scope}, existingWorkloads: judge}}"
        path = "spec.template.metadata.labels['pcns.environment']"
        assert faults(decided(deployment(claiming, labels=GOOD), text)) == [("no-reserved-label", path)]
        assert decided(deployment(GOOD, labels=claiming), text).allowed


class TestRefused:
    """Refused requests."""

    def test_a_refusal_carries_every_fault_and_one_message(self) -> None:
        """The whole list at once."""
        found = decided(pod())
        assert found.verdict is Verdict.DENIED
        assert faults(found) == BOTH_MISSING
        assert found.message.startswith("Pod shop/web has 2 violations:\n")

    def test_an_update_that_worsens_is_refused(self) -> None:
        """A Pod cannot shed its role later."""
        assert faults(decided(pod({"app": "web"}), before=pod(GOOD))) == [
            ("keep-role", "metadata.labels.role"),
            ("require-role", "metadata.labels.role"),
        ]

    def test_an_update_that_does_not_is_admitted(self) -> None:
        """What is faulty already keeps running."""
        assert decided(pod(annotations={"a": "b"}), before=pod()) == Decision(Reason(ReasonCode.NO_VIOLATION))

    def test_a_dry_run_gets_the_same_answer(self) -> None:
        """`kubectl diff` must show the real result."""
        assert decided(pod(), dryRun=True) == decided(pod())


class TestUnjudged:
    """Requests that no rule checks."""

    @pytest.mark.parametrize(
        ("manifest", "request_fields", "code", "reason"),
        [
            pytest.param(
                None, {"operation": "DELETE"}, ReasonCode.OPERATION_NOT_JUDGED, "DELETE creates no Pod", id="a deletion"
            ),
            pytest.param(
                None,
                {"operation": "CONNECT", "subResource": "exec"},
                ReasonCode.OPERATION_NOT_JUDGED,
                "CONNECT creates no Pod",
                id="a shell in a Pod",
            ),
            pytest.param(
                pod(),
                {"subResource": "status"},
                ReasonCode.NO_RULE_APPLIES,
                "no rule checks pods/status",
                id="a subresource, judged elsewhere",
            ),
            pytest.param(
                deployment(),
                {"subResource": "scale"},
                ReasonCode.NO_RULE_APPLIES,
                "no rule checks deployments.apps/scale",
                id="a subresource of a group",
            ),
            pytest.param(
                pod(),
                {"resource": {"group": "", "version": "v1", "resource": "services"}},
                ReasonCode.NO_RULE_APPLIES,
                "no rule checks services",
                id="a resource that makes no Pods",
            ),
            pytest.param(
                pod(),
                {"resource": {"group": "metrics.k8s.io", "version": "v1", "resource": "pods"}},
                ReasonCode.NO_RULE_APPLIES,
                "no rule checks pods.metrics.k8s.io",
                id="a resource of the same name in another group",
            ),
        ],
    )
    def test_it_passes_with_the_reason(
        self, manifest: Json | None, request_fields: Json, code: ReasonCode, reason: str
    ) -> None:
        """So that the record says why nothing was checked."""
        assert decided(manifest, **request_fields) == Decision(Reason(code, reason))


class TestExempt:
    """Exemptions by namespace, and of mirror Pods."""

    @pytest.mark.parametrize(
        ("where", "code", "reason"),
        [
            pytest.param("kube-system", ReasonCode.NAMESPACE_EXEMPT, "namespace kube-system is exempt", id="always"),
            pytest.param(
                "calico-system", ReasonCode.NAMESPACE_EXEMPT, "namespace calico-system is exempt", id="by default"
            ),
            pytest.param(
                "guards",
                ReasonCode.OWN_NAMESPACE,
                "namespace guards is the namespace of catflap",
                id="where catflap runs",
            ),
        ],
    )
    def test_a_namespace_is_exempt_by_name(self, where: str, code: ReasonCode, reason: str) -> None:
        """Labels cannot make it so."""
        assert decided(pod(), namespace=where) == Decision(Reason(code, reason))

    def test_the_files_list_replaces_the_default(self) -> None:
        """What it leaves out is judged."""
        assert decided(pod(), "namespaces: {exempt: [shop]}").verdict is Verdict.EXEMPT
        assert decided(pod(), "namespaces: {exempt: [shop]}", namespace="calico-system").verdict is Verdict.DENIED

    def test_the_namespace_counts_not_the_one_that_the_object_claims(self) -> None:
        """The API server has checked the namespace of the request, and not that of the object."""
        claims = pod(namespace="kube-system")
        assert decided(claims, namespace="shop").verdict is Verdict.DENIED

    def test_no_own_namespace_exempts_nothing(self) -> None:
        """An empty name is not the namespace of what has none."""
        found = settled(asked(pod(), namespace=""), policy(), own_namespace="")
        assert faults(found) == BOTH_MISSING

    def test_a_mirror_pod_of_a_node_is_exempt(self) -> None:
        """The kubelet runs it whatever the answer; refusing would only hide it."""
        found = decided(pod(**MIRROR), userInfo=NODE)
        assert found == Decision(
            Reason(ReasonCode.MIRROR_POD, "mirror Pod: the kubelet runs it even if catflap rejects it")
        )

    def test_a_mirror_pod_waits_for_its_namespace_to_be_isolated(self) -> None:
        """No rule is asked, the gate is; elsewhere than in judged namespaces neither is."""
        request = asked(pod(**MIRROR), userInfo=NODE)
        assert next(decide(request, policy(), own_namespace="guards")) == IsolationLookup("shop", dry_run=False)
        found = complete(decide(request, policy()), {IsolationLookup: IsolationStatus.WRITTEN})
        assert (found.verdict, found.isolation) == (Verdict.EXEMPT, IsolationStatus.WRITTEN)
        exempt = asked(pod(**MIRROR), userInfo=NODE, namespace="kube-system")
        updated = asked(pod(**MIRROR), before=pod(**MIRROR), userInfo=NODE)
        for without_lookup in (exempt, updated):
            assert complete(decide(without_lookup, policy()), {}).isolation is None

    @pytest.mark.parametrize(
        "user",
        [
            pytest.param({"username": "jane", "groups": ["system:authenticated"]}, id="a person"),
            pytest.param({"username": "jane", "groups": ["system:nodes"]}, id="a person in the nodes' group"),
            pytest.param({"username": "system:node:worker-1", "groups": []}, id="a node's name without its group"),
            pytest.param(REPLICASET_CONTROLLER, id="a controller"),
        ],
    )
    def test_the_annotation_alone_makes_no_mirror_pod(self, user: Json) -> None:
        """Anyone can write it."""
        assert faults(decided(pod(**MIRROR), userInfo=user)) == BOTH_MISSING

    def test_a_node_without_the_annotation_is_judged(self) -> None:
        """Nodes make mirror Pods and nothing else."""
        assert faults(decided(pod(), userInfo=NODE)) == BOTH_MISSING


class TestModes:
    """The effect of a violation by mode."""

    @pytest.mark.parametrize(
        ("text", "verdict", "denied", "warned", "audited"),
        [
            pytest.param("mode: enforce", Verdict.DENIED, 2, 0, 0, id="enforce"),
            pytest.param("mode: warn", Verdict.ALLOWED, 0, 2, 0, id="warn"),
            pytest.param("mode: audit", Verdict.ALLOWED, 0, 0, 2, id="audit"),
            pytest.param("mode: off", Verdict.ALLOWED, 0, 0, 0, id="off"),
            pytest.param("rules: {require-app: warn}", Verdict.DENIED, 1, 1, 0, id="one rule milder"),
            pytest.param("mode: warn\nrules: {require-app: enforce}", Verdict.DENIED, 1, 1, 0, id="one rule stricter"),
            pytest.param("mode: warn\nrules: {require-app: audit}", Verdict.ALLOWED, 0, 1, 1, id="warn and audit"),
            pytest.param("rules: {require-app: off, require-role: off}", Verdict.ALLOWED, 0, 0, 0, id="each off"),
            pytest.param("rules: {require-app: audit, require-role: off}", Verdict.ALLOWED, 0, 0, 1, id="one is left"),
        ],
    )
    def test_the_mode_sorts_the_faults(
        self, text: str, verdict: Verdict, denied: int, warned: int, audited: int
    ) -> None:
        """By the file and by the rule."""
        found = decided(pod(), text)
        assert found.verdict is verdict
        assert (len(found.denied), len(found.warned), len(found.audited)) == (denied, warned, audited)

    def test_the_message_speaks_of_what_refuses(self) -> None:
        """A fault that is only recorded is not the user's business."""
        found = decided(pod(), "rules: {require-app: audit}")
        assert "require-role" in found.message
        assert "require-app" not in found.message


def test_the_rules_run_once_however_many_lookups_the_decision_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision pauses for the namespace and for the owner, and keeps what it has computed."""
    runs: list[Request] = []

    def counted(request: Request, policy: GuardPolicy) -> tuple[Violation, ...]:
        runs.append(request)
        return judge_request(request, policy)

    monkeypatch.setattr("webhook.admission.rule_decision.judge_request", counted)
    text = "namespaces: {overrides: [{labels: {tier: gold}, mode: warn}]}"
    deciding = decide(asked(pod(ownerReferences=[OWNER]), userInfo=REPLICASET_CONTROLLER), policy(text))
    assert next(deciding) == NamespaceLookup("shop")
    assert isinstance(deciding.send(NamespaceData()), OwnerLookup)
    with pytest.raises(StopIteration) as end:
        deciding.send(())
    assert faults(end.value.value) == BOTH_MISSING
    assert len(runs) == 1


class TestOlderOwners:
    """What a controller makes for an owner older than catflap keeps running."""

    WANTED = OwnerLookup(namespace="shop", owner=Owner("apps/v1", "ReplicaSet", "web-7d4b", "42"))

    def made(self, text: str = "", *, predates: bool | None, **changes: Any) -> Decision | OwnerLookup:
        """Return the decision on a faulty Pod that the ReplicaSet controller makes, or that `changes` make otherwise."""
        options = {"userInfo": REPLICASET_CONTROLLER, **changes}
        references = options.pop("ownerReferences", [OWNER])
        request = asked(pod(ownerReferences=references), **options)
        return settled(request, policy(text), own_namespace="guards", owner_predates=predates)

    def test_the_owners_age_is_asked_for(self) -> None:
        """The decision depends on it."""
        assert self.made(predates=None) == self.WANTED

    def test_made_for_an_older_owner_it_passes_with_its_faults_recorded(self) -> None:
        """A running system keeps running; the report shows what is left to do."""
        found = self.made(predates=True)
        assert isinstance(found, Decision)
        assert found.verdict is Verdict.EXEMPT
        assert found.reason == "a controller created it for an owner that is older than catflap"
        assert [fault.rule for fault in found.audited] == ["require-app", "require-role"]
        assert found.denied == found.warned == ()

    def test_made_for_a_younger_owner_it_is_refused(self) -> None:
        """The owner itself was judged."""
        assert faults(self.made(predates=False)) == BOTH_MISSING

    def test_a_valid_pod_needs_no_lookup(self) -> None:
        """A lookup costs a round trip."""
        request = asked(pod(GOOD, ownerReferences=[OWNER]), userInfo=REPLICASET_CONTROLLER)
        assert settled(request, policy()) == Decision(Reason(ReasonCode.NO_VIOLATION))

    def test_no_lookup_without_a_refusal(self) -> None:
        """Warnings need no exemption."""
        found = self.made("mode: warn", predates=None)
        assert isinstance(found, Decision)
        assert found.verdict is Verdict.ALLOWED
        assert len(found.warned) == 2

    @pytest.mark.parametrize(
        ("text", "changes"),
        [
            pytest.param("", {"userInfo": {"username": "jane"}}, id="a user who forged the owner"),
            pytest.param("", {"userInfo": NODE}, id="a node"),
            pytest.param(
                "",
                {"userInfo": {"username": "system:serviceaccount:shop:replicaset-controller"}},
                id="a user's account with a controller's name",
            ),
            pytest.param("", {"ownerReferences": []}, id="a controller that names no owner"),
            pytest.param(
                "", {"ownerReferences": [{**OWNER, "controller": False}]}, id="an owner that is not the controller"
            ),
            pytest.param("workloads: {existingWorkloads: judge}", {}, id="a policy that judges them"),
        ],
    )
    @pytest.mark.parametrize("predates", [None, True], ids=["not asked", "told that it is older"])
    def test_it_is_judged_like_any_other(self, text: str, changes: Json, *, predates: bool | None) -> None:
        """Regardless of the owner that the user gives."""
        assert faults(self.made(text, predates=predates, **changes)) == BOTH_MISSING

    @pytest.mark.parametrize("predates", [None, True], ids=["not asked", "told that it is older"])
    def test_an_update_is_judged_like_any_other(self, *, predates: bool | None) -> None:
        """Controllers do not relabel Pods."""
        before = pod({"app": "web", "role": "x"}, ownerReferences=[OWNER])
        request = asked(pod(ownerReferences=[OWNER]), before=before, userInfo=REPLICASET_CONTROLLER)
        assert faults(settled(request, policy(), owner_predates=predates)) == BOTH_MISSING

    def test_a_job_that_a_cron_job_makes_is_asked_about_too(self) -> None:
        """The chain has more than one step."""
        job = {**deployment(ownerReferences=[{**OWNER, "kind": "CronJob"}]), "kind": "Job", "apiVersion": "batch/v1"}
        user = {"username": "system:serviceaccount:kube-system:cronjob-controller"}
        found = settled(asked(job, userInfo=user), policy())
        assert isinstance(found, OwnerLookup)
        assert found.owner.kind == "CronJob"


class TestRestarts:
    """`kubectl rollout restart` edits the template, and nothing that rules are about."""

    @staticmethod
    def restarted(*, predates: bool | None, text: str = "", **more: str) -> Decision | OwnerLookup:
        """Return the decision on a faulty Deployment that a user restarts, or edits in another way."""
        before = deployment(uid="42")
        after = copy.deepcopy(before)
        annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-25T12:00:00Z", **more}
        after["spec"]["template"].setdefault("metadata", {})["annotations"] = annotations
        return settled(asked(after, before=before), policy(text), owner_predates=predates)

    def test_the_objects_own_age_is_asked_for(self) -> None:
        """By its own name and uid, live: what the request says of its age is not valid."""
        found = self.restarted(predates=None)
        assert isinstance(found, OwnerLookup)
        assert (found.owner.api_version, found.owner.kind, found.owner.uid) == ("apps/v1", "Deployment", "42")

    def test_what_is_older_goes_on_and_is_recorded(self) -> None:
        """With what it lacks."""
        found = self.restarted(predates=True)
        assert isinstance(found, Decision)
        assert (found.verdict, found.reason) == (Verdict.EXEMPT, "restart of a workload that is older than catflap")
        assert [fault.rule for fault in found.audited] == ["require-app", "require-role"]

    def test_what_is_younger_is_refused(self) -> None:
        """Its new Pods would be rejected, which a user would not notice."""
        assert len(faults(self.restarted(predates=False))) == 2

    def test_with_other_labels_of_its_own_it_is_no_restart(self) -> None:
        """They may be judged as well, and are no part of the template."""
        before = deployment(uid="42")
        after = copy.deepcopy(before)
        annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-25T12:00:00Z"}
        after["spec"]["template"].setdefault("metadata", {})["annotations"] = annotations
        after["metadata"]["labels"] = {"role": "bogus"}
        assert len(faults(settled(asked(after, before=before), policy(), owner_predates=True))) == 2

    def test_scaled_as_well_it_is_no_restart(self) -> None:
        """A rule of the admin's own may be about how many there are."""
        before = {**deployment(uid="42"), "status": {"replicas": 1}}
        before["metadata"] |= {"generation": 1, "managedFields": []}
        after = copy.deepcopy(before)
        after["metadata"] |= {"generation": 2, "managedFields": [{"manager": "kubectl"}]}
        annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-25T12:00:00Z"}
        after["spec"]["template"].setdefault("metadata", {})["annotations"] = annotations
        assert faults(settled(asked(after, before=before), policy(), owner_predates=True)) == []
        after["spec"]["replicas"] = 20
        assert len(faults(settled(asked(after, before=before), policy(), owner_predates=True))) == 2

    def test_with_anything_else_it_is_no_restart(self) -> None:
        """There is no lookup."""
        assert len(faults(self.restarted(predates=True, other="x"))) == 2
        assert len(faults(self.restarted(predates=True, text="workloads: {existingWorkloads: judge}"))) == 2


def test_a_decision_leaves_the_request_as_it_was() -> None:
    """Decisions are functions: values in, value out."""
    request = asked(pod())
    before = copy.deepcopy(request)
    settled(request, policy())
    assert request == before


def test_what_cannot_be_found_out_is_refused_for_now() -> None:
    """The message has the reason and asks the user to try again."""
    found = unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "the API server does not answer")
    assert found.verdict is Verdict.UNAVAILABLE
    assert not found.allowed
    assert found.message == "no decision: the API server does not answer; try again in a moment"
