"""Custom rules decide requests: modes, updates, errors, and required lookups."""

import copy
from typing import Any

import pytest

from tests.decisions import answered, outcome
from tests.reviews import GOOD, Json, deployment, namespace, pod
from tests.unit.samples import asked, policy
from webhook.admission.decide import decide
from webhook.admission.mutate import after_mutation
from webhook.cel import evaluation
from webhook.cel.cost import BUDGET
from webhook.cel.evaluation import ALL_TOGETHER, LARGEST_OBJECT, Activation, CompiledRule
from webhook.cel.rule_check import CustomRuleCheck
from webhook.model.decision import Decision, Verdict
from webhook.model.steps import (
    HeavyWork,
    IsolationLookup,
    IsolationStatus,
    ManagedLookup,
    NamespaceData,
    NamespaceLookup,
    OwnerLookup,
    Results,
    complete,
)
from webhook.review.manifests import Manifest, create_request, read

RESULTS: Results = {
    OwnerLookup: (),
    IsolationLookup: IsolationStatus.UNGUARDED,
    ManagedLookup: False,
    HeavyWork: None,
}
LIMITS = """
  - id: limits-set
    resources: [workloads]
    cel: "(has(object.spec.template) ? object.spec.template : object).spec.containers.all(c, has(c.resources))"
    message: set resource limits
"""


def custom(cel: str, *, head: str = "", resources: str = "pods", more: str = "") -> str:
    """Return a policy file with one custom rule."""
    return f"{head}\ncustom: [{{id: mine, resources: [{resources}], cel: {cel!r}, {more}}}]"


def decision_on(manifest: Json, text: str, *, results: Results = RESULTS, **request: Any) -> Decision:
    """Return the decision on a review, with its message."""
    return answered(asked(manifest, **request), policy(text), results)


def limited(source: Json) -> Json:
    """Return the object with resources in its containers."""
    changed = copy.deepcopy(source)
    spec = changed["spec"]
    for container in spec.get("template", changed)["spec"]["containers"]:
        container["resources"] = {"limits": {"memory": "64Mi"}}
    return changed


class TestVerdicts:
    """A true expression admits the object, a false one does not."""

    @pytest.mark.parametrize("make", [pod, deployment], ids=["Pod", "Deployment"])
    def test_false_refuses_with_the_rules_message(self, make: Any) -> None:
        """The violation has the rule's own id."""
        found = decision_on(make(GOOD), f"custom:{LIMITS}")
        assert [(one.rule, one.path, one.message) for one in found.denied] == [
            ("limits-set", "", "set resource limits")
        ]
        assert found.message.endswith("has 1 violation:\n- limits-set: set resource limits")
        assert decision_on(limited(make(GOOD)), f"custom:{LIMITS}").verdict is Verdict.ALLOWED

    def test_faults_of_all_rules_come_together(self) -> None:
        """Violations of built-in rules come first."""
        found = decision_on(pod(), f"custom:{LIMITS}")
        assert [one.rule for one in found.denied] == ["require-app", "require-role", "limits-set"]

    def test_without_a_message_the_expression_is_told(self) -> None:
        """The message is one line."""
        assert decision_on(pod(GOOD), custom("1 ==   2")).denied[0].message == "not true: 1 == 2"

    @pytest.mark.parametrize(
        ("head", "where"),
        [
            ("rules: {mine: warn}", "warned"),
            ("rules: {mine: audit}", "audited"),
            ("mode: warn", "warned"),
            (
                "exceptions: [{rule: mine, namespace: shop, owner: a, reason: b, until: 2030-01-01}]",
                "denied",  # there is no clock
            ),
        ],
    )
    @pytest.mark.parametrize("cel", ["false", "object.spec.missing == 1"], ids=["false", "error"])
    def test_its_mode_is_as_a_built_in_rules(self, head: str, where: str, cel: str) -> None:
        """This holds for false and for errors."""
        found = decision_on(pod(GOOD), custom(cel, head=head))
        assert [one.rule for one in getattr(found, where)] == ["mine"]

    @pytest.mark.parametrize(("namespace", "where"), [("play", "warned"), ("shop", "denied")])
    def test_a_namespace_may_have_a_mode_of_its_own(self, namespace: str, where: str) -> None:
        """An override sets it, even where the rule is off elsewhere."""
        head = "namespaces: {overrides: [{names: [play], rules: {mine: warn}}]}"
        found = decision_on(pod(GOOD, namespace=namespace), custom("false", head=head), namespace=namespace)
        assert [one.rule for one in getattr(found, where)] == ["mine"]
        off = decision_on(pod(GOOD), custom("false", head=f"{head}\nrules: {{mine: 'off'}}"), namespace=namespace)
        assert bool(off.warned) is (namespace == "play")
        assert off.allowed

    def test_off_is_off(self) -> None:
        """It is not evaluated."""
        assert decision_on(pod(GOOD), custom("false", head="rules: {mine: 'off'}")) == decision_on(pod(GOOD), "")

    def test_other_resources_are_not_judged(self) -> None:
        """This includes the subresource that can change labels."""
        assert decision_on(deployment(GOOD), custom("false")).verdict is Verdict.ALLOWED
        status = decision_on(pod(GOOD), custom("false"), before=pod(GOOD), subResource="status")
        assert status.verdict is Verdict.ALLOWED
        assert decision_on(namespace(), custom("false", resources="workloads"), namespace="shop").allowed

    def test_what_is_exempt_is_exempt(self) -> None:
        """The behaviour is that of built-in rules."""
        assert decision_on(pod(GOOD), custom("false"), namespace="kube-system").verdict is Verdict.EXEMPT


class TestVariables:
    """The variables of expressions."""

    @pytest.mark.parametrize(
        "cel",
        [
            "object.metadata.labels.app == 'web' && object.kind == 'Pod' && oldObject == null",
            "request.operation == 'CREATE' && request.namespace == 'shop' && request.name == 'web'",
            "request.kind.kind == 'Pod' && request.kind.group == '' && request.resource.resource == 'pods'",
            "request.userInfo.username == 'jane' && 'system:authenticated' in request.userInfo.groups",
            "request.userInfo.uid == '7' && !request.dryRun && !has(request.subResource)",
            "params.most == 5 && params.names == ['a']",
        ],
    )
    def test_they_are_kubernetes_own(self, cel: str) -> None:
        """They have Kubernetes' names."""
        user = {"username": "jane", "uid": "7", "groups": ["system:authenticated"]}
        found = decision_on(pod(GOOD), custom(cel, more="params: {most: 5, names: [a]}"), userInfo=user)
        assert found.verdict is Verdict.ALLOWED, found.message

    def test_the_whole_object_can_be_read(self) -> None:
        """They are not limited to the fields of built-in rules."""
        found = decision_on({**pod(GOOD), "spec": {"deep": [{"er": 1}]}}, custom("object.spec.deep[0].er == 1"))
        assert found.verdict is Verdict.ALLOWED

    def test_the_namespace_is_asked_for_only_if_it_is_read(self) -> None:
        """A lookup delays the user's request."""
        reading = policy(custom("namespaceObject.metadata.labels.tier == 'gold'"))
        assert outcome(decide(asked(pod(GOOD)), reading), RESULTS) == NamespaceLookup("shop")
        assert isinstance(outcome(decide(asked(pod(GOOD)), policy(custom("true"))), RESULTS), Decision)
        assert isinstance(outcome(decide(asked(deployment(GOOD)), reading), RESULTS), Decision)

    @pytest.mark.parametrize(("tier", "verdict"), [("gold", Verdict.ALLOWED), ("lead", Verdict.DENIED)])
    def test_the_namespace_is_read(self, tier: str, verdict: Verdict) -> None:
        """This holds after the lookup."""
        labels = {"tier": tier}
        results: Results = {**RESULTS, NamespaceLookup: NamespaceData(labels, {"metadata": {"labels": labels}})}
        cel = "namespaceObject.metadata.labels.tier == 'gold'"
        assert decision_on(pod(GOOD), custom(cel), results=results).verdict is verdict

    def test_what_has_no_namespace_has_null(self) -> None:
        """Kubernetes also passes null for cluster-scoped objects, so there is no lookup."""
        for cel, allowed in (("namespaceObject == null", True), ("namespaceObject != null", False)):
            request = asked(deployment(GOOD), namespace="")
            found = complete(decide(request, policy(custom(cel, resources="workloads"))), {})
            assert found.allowed is allowed


class TestErrors:
    """A result that is neither true nor false is a violation, with a message that helps to fix the rule."""

    @pytest.mark.parametrize(
        ("cel", "said"),
        [
            (
                "object.spec.missing == 1",
                (
                    'the field "missing" is absent; the author of the rule can use has() or .? and orValue() for fields '
                    "that can be absent"
                ),
            ),
            (
                "1 / (object.spec.containers.size() - 1) == 1",
                "it divides by zero; the author of the rule can test first that the divisor is not 0",
            ),
            ("object.metadata.name.matches(object.metadata.name + '(')", "invalid regular expression"),
        ],
    )
    def test_an_error_refuses(self, cel: str, said: str) -> None:
        """The rule is never skipped silently."""
        [fault] = decision_on(pod(GOOD), custom(cel)).denied
        assert fault.message.startswith(f"the rule's expression fails: {said}")

    def test_what_costs_too_much_refuses(self) -> None:
        """The rule compares a mebibyte of items, each with each."""
        big = {**pod(GOOD), "spec": {"items": ["x" * 40] * 25_000}}
        [fault] = decision_on(big, custom("object.spec.items.all(a, object.spec.items.all(b, a == b))")).denied
        assert "the object is too large for the expression" in fault.message

    def test_what_is_too_deep_refuses(self) -> None:
        """The object exceeds the JSON decoder's own limit, in a part that no other code decodes."""
        text = '{"a":' * 5_000 + "1" + "}" * 5_000
        body = asked(pod(GOOD))
        assert body.document is not None
        import msgspec  # noqa: PLC0415

        deep = msgspec.structs.replace(
            body, document=msgspec.structs.replace(body.document, content=msgspec.Raw(text.encode()))
        )
        found = complete(decide(deep, policy(custom("true"))))
        assert [one.rule for one in found.denied] == ["mine"]


class TestUpdates:
    """As for built-in rules, an update has a violation only for what was correct before."""

    def test_what_was_wrong_before_passes(self) -> None:
        """Users can fix it step by step."""
        before = pod(GOOD)
        assert decision_on(pod(GOOD, annotations={"a": "b"}), f"custom:{LIMITS}", before=before).allowed

    @pytest.mark.parametrize(
        "cel", ["!has(object.metadata.annotations)", "has(object.metadata.annotations) ? object.x : true"]
    )
    def test_what_the_change_brings_is_refused(self, cel: str) -> None:
        """This holds for false and for errors."""
        cel = cel.replace("object.x", "object.x == 1")
        assert not decision_on(pod(GOOD, annotations={"a": "b"}), custom(cel), before=pod(GOOD)).allowed

    def test_a_changed_template_answers_for_all(self) -> None:
        """The update creates new Pods."""
        changed = copy.deepcopy(deployment(GOOD))
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
        assert not decision_on(changed, f"custom:{LIMITS}", before=deployment(GOOD)).allowed
        scaled = {**deployment(GOOD), "spec": {**deployment(GOOD)["spec"], "replicas": 9}}
        assert decision_on(scaled, f"custom:{LIMITS}", before=deployment(GOOD)).allowed

    def test_a_rule_that_reads_the_old_object_is_about_the_change(self) -> None:
        """The rule has no meaning for the old object alone."""
        cel = "oldObject == null || object.metadata.labels.role == oldObject.metadata.labels.role"
        changed = pod({"app": "web", "role": "data"})
        assert not decision_on(changed, custom(cel), before=pod(GOOD)).allowed
        assert decision_on(pod(GOOD, annotations={"a": "b"}), custom(cel), before=pod(GOOD)).allowed

    @pytest.mark.parametrize("loop", ["object.spec.containers.all(c, {})", "{} || object.spec.containers[1] == 1"])
    def test_an_error_that_was_there_before_excuses_no_change(self, loop: str) -> None:
        """The old violation is unknown: a padded object would otherwise be admitted with any image."""
        cel = loop.format("object.spec.containers[0].image.startsWith('registry.example/')")
        padding = {f"a{number}": "x" * 240 for number in range(2_000)}
        before, after = pod(GOOD, annotations={"a": "b"}), pod(GOOD, annotations=padding)
        before["spec"] = {"containers": [{"name": "main", "image": "registry.example/a"}]}
        after["spec"] = {"containers": [{"name": "main", "image": "evil.example/a"}]}
        assert not decision_on(
            after, custom(f"{cel} && object.metadata.annotations.all(k, k != '')"), before=before
        ).allowed
        assert not decision_on(after, custom(cel), before={**after, "spec": before["spec"]}).allowed

    def test_an_error_is_told_where_nothing_that_the_rule_reads_changes(self) -> None:
        """Existing objects stay manageable: the result of the rule is the same as before."""
        existing = deployment(GOOD)
        scaled = {**existing, "spec": {**existing["spec"], "replicas": 9}}
        found = decision_on(
            scaled, custom("object.spec.template.spec.x == 1", resources="deployments"), before=existing
        )
        assert found.allowed
        [fault] = found.warned
        assert fault.message.startswith('the rule\'s expression fails: the field "x" is absent')
        audited = custom("object.spec.template.spec.x == 1", resources="deployments", head="mode: audit")
        assert [one.rule for one in decision_on(scaled, audited, before=existing).audited] == ["mine"]
        whole = custom("object == 1 || object.spec.template.spec.x == 1", resources="deployments")
        assert not decision_on(scaled, whole, before=existing).allowed

    @pytest.mark.parametrize(
        "cel",
        [
            "'admins' in request.userInfo.groups",
            "request.operation != 'UPDATE' || object.metadata.labels.size() < 2",
            "request.dryRun == true",
            "request == 1",
        ],
    )
    def test_a_rule_that_reads_who_changes_what_is_about_the_change(self, cel: str) -> None:
        """Another user created the old object."""
        assert not decision_on(pod(GOOD, annotations={"a": "b"}), custom(cel), before=pod(GOOD)).allowed

    @pytest.mark.parametrize("cel", ["request.namespace == 'x'", "request.kind.kind + request.name == 'x'"])
    def test_a_rule_that_reads_the_objects_name_is_not(self, cel: str) -> None:
        """The old object has it too."""
        assert decision_on(pod(GOOD, annotations={"a": "b"}), custom(cel), before=pod(GOOD)).allowed

    def test_the_old_object_counts_only_where_it_is_read(self) -> None:
        """A large object may become small."""
        padding = {f"a{number}": "x" * 240 for number in range(4_000)}
        cel = "object.metadata.labels.all(a, object.metadata.labels.all(b, a != '' && b != ''))"
        padded = pod(GOOD, annotations=padding)
        assert decision_on(pod(GOOD), custom(cel), before=padded).allowed
        assert not decision_on(pod(GOOD), custom(f"oldObject == null || {cel}"), before=padded).allowed


class TestOffline:
    """Manifests are checked without a cluster."""

    def test_the_whole_document_is_judged(self) -> None:
        """As in JSON, keys are texts."""
        document = {**pod(GOOD), "extra": {1: {"a": True}}}
        manifest = read(document, default_namespace="shop")
        for cel, allowed in (("object.extra['1'].a == true", True), ("object.extra['1'].a == false", False)):
            found = complete(decide(create_request(manifest), policy(custom(cel))))
            assert found.allowed is allowed

    @pytest.mark.parametrize(
        "odd",
        [{None: 1}, {(1, 2): 1}, ["\ud83d"], [16**4000]],
        ids=["null as a key", "a list as a key", "half a character", "a long number"],
    )
    def test_what_no_object_has_is_a_fault(self, odd: object) -> None:
        """It does not end the command."""
        manifest = read({**pod(GOOD), "extra": odd}, default_namespace="shop")
        found = complete(decide(create_request(manifest), policy(custom("true"))))
        [fault] = found.denied
        assert fault.message.startswith("the rule's expression fails: ")

    def test_what_needs_the_cluster_is_told(self) -> None:
        """The rule is not skipped silently."""
        manifest = read(pod(GOOD), default_namespace="shop")
        text = custom("namespaceObject.metadata.name == 'shop'")
        found = complete(decide(create_request(manifest), policy(text)))
        assert (found.allowed, [one.rule for one in found.unchecked]) == (True, ["mine"])

    def test_the_namespace_is_what_the_object_is_created_in(self) -> None:
        """The API server adds the namespace before it calls webhooks."""
        manifest = read({**pod(GOOD), "metadata": {"name": "web", "labels": GOOD}}, default_namespace="prod")
        for cel, allowed in (("object.metadata.namespace != 'prod'", False), ("request.namespace == 'prod'", True)):
            assert offline(manifest, cel).allowed is allowed

    def test_a_pod_has_the_labels_that_are_written_onto_it(self) -> None:
        """The server's validating phase sees the same object."""
        manifest = read(pod({"app.kubernetes.io/name": "web", "role": "frontend"}), default_namespace="shop")
        text = policy(custom("object.metadata.labels.app == 'web'"))
        found = complete(decide(after_mutation(create_request(manifest), text), text))
        assert found.allowed, found.message

    @pytest.mark.parametrize("cel", ["'admins' in request.userInfo.groups", "request.uid == ''", "request == 1"])
    def test_who_asks_is_not_known_before(self, cel: str) -> None:
        """The decision for an invented user could differ from that for a real one; the operation is known."""
        manifest = read(pod(GOOD), default_namespace="shop")
        [left_out] = offline(manifest, cel).unchecked
        assert "which only a real request has" in left_out.why
        assert not offline(manifest, "request.operation == 'UPDATE'").unchecked

    @pytest.mark.parametrize("stands", [True, False])
    def test_what_the_api_server_fills_in_is_no_fault_of_a_manifest(self, *, stands: bool) -> None:
        """A note reports it instead; in a cluster, the API server sets the field."""
        cel = "object.spec.terminationGracePeriodSeconds > 30"
        document = pod(GOOD)
        document["metadata"] |= {"uid": "1"} if stands else {}
        found = offline(read(document, default_namespace="shop"), cel)
        assert found.allowed is not stands
        assert [one.why for one in found.unchecked] == (
            [] if stands else ["it reads terminationGracePeriodSeconds, which the API server sets"]
        )

    def test_what_a_manifest_says_itself_is_judged(self) -> None:
        """This includes a rule that is true without the field."""
        document = {**pod(GOOD), "spec": {"terminationGracePeriodSeconds": 5, "containers": []}}
        assert not offline(
            read(document, default_namespace="shop"), "object.spec.terminationGracePeriodSeconds > 30"
        ).allowed
        found = offline(read(pod(GOOD), default_namespace="shop"), "object.spec.?priority.orValue(0) == 0")
        assert (found.allowed, found.unchecked) == (True, ())


def offline(manifest: Manifest, cel: str) -> Decision:
    """Return the decision without a cluster."""
    return complete(decide(create_request(manifest), policy(custom(cel))))


@pytest.mark.parametrize("rules", ["", f"custom:{LIMITS}"], ids=["no rule", "a rule about workloads"])
def test_a_network_policy_is_judged_whatever_the_custom_rules_are_about(rules: str) -> None:
    """No custom rule can apply to it."""
    opening: Json = {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}
    policy_object = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open"},
        "spec": opening,
    }
    results: Results = {**RESULTS, ManagedLookup: True}
    found = decision_on(policy_object, f"rules: {{no-open-policy: enforce}}\n{rules}", results=results)
    assert [one.rule for one in found.denied] == ["no-open-policy"]


class TestBudget:
    """The cost of all rules together for one request is limited."""

    def test_a_rule_is_evaluated_once_however_many_lookups_the_decision_needs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The decision resumes where it paused."""
        asked_of: list[str] = []
        passes = evaluation.is_satisfied

        def counted(rule: CompiledRule, seen: Activation) -> bool:
            asked_of.append(rule.rule.id)
            return passes(rule, seen)

        monkeypatch.setattr(evaluation, "is_satisfied", counted)
        under = policy(f"custom:{LIMITS}\nnamespaces: {{overrides: [{{labels: {{a: b}}, mode: warn}}]}}")
        deciding = decide(asked(pod(GOOD)), under)
        assert next(deciding) == NamespaceLookup("shop")
        with pytest.raises(StopIteration) as end:
            deciding.send(NamespaceData())
        assert [one.rule for one in end.value.value.denied] == ["limits-set"]
        assert asked_of == ["limits-set"]

    def test_rules_that_take_too_long_together_fail_like_one_that_does(self) -> None:
        """Each rule is within its own budget; a rule above the remaining budget counts by its mode."""
        dear = "object.spec.containers.all(c, object.spec.containers.exists(d, d.name == c.name))"
        source = limited(pod(GOOD, annotations={f"a-{number}": "x" * 100 for number in range(50)}))
        request = asked(source)
        each = CustomRuleCheck(request, policy(custom(dear))).cost
        assert BUDGET // 10 < each < BUDGET
        count = ALL_TOGETHER // each + 3
        rules = ",".join(f"{{id: {'x' * number}, resources: [pods], cel: {dear!r}}}" for number in range(1, count + 1))
        found = decision_on(source, f"custom: [{rules}]").denied
        assert [one.rule for one in found] == ["x" * number for number in range(count - 2, count + 1)]
        assert {one.message.partition(";")[0] for one in found} == {
            "the rule's expression fails: the cost of all rules together is too high for an object of this size"
        }

    def test_an_object_that_cannot_be_stored_is_not_even_decoded(self) -> None:
        """It is larger than etcd's limit."""
        [found] = decision_on(pod(GOOD, annotations={"a": "x" * LARGEST_OBJECT}), custom("true")).denied
        assert f"and the limit is {LARGEST_OBJECT}" in found.message

    def test_what_a_rule_says_is_not_longer_than_a_person_reads(self) -> None:
        """An expression may have 10,000 characters."""
        [found] = decision_on(pod(GOOD), custom(" || ".join(["object.kind == 'x'"] * 200))).denied
        assert len(found.message) <= 1_000
