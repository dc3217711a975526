"""What custom rules say of requests: modes, updates, errors, and what has to be asked first."""

import copy
from typing import Any

import pytest
from msgspec.structs import replace

from tests.reviews import GOOD, Json, deployment, namespace, pod
from tests.unit.samples import asked, policy
from webhook.custom import judging
from webhook.custom.cost import BUDGET
from webhook.custom.judging import ALL_TOGETHER, LARGEST_OBJECT, Seen, price_of_all
from webhook.guard.decide import OFFLINE_DEFAULTS, decide
from webhook.guard.decision_message import with_message
from webhook.guard.mutate import after_mutation
from webhook.model.custom_rule import CustomRule
from webhook.model.decision import Closure, Decision, Findings, Known, LabelsWanted, NamespaceSeen, Verdict
from webhook.review.manifests import Manifest, creation, read

KNOWN = Known(old_owners=(), closure=Closure.UNGUARDED, guarded=False)
LIMITS = """
  - id: limits-set
    resources: [workloads]
    cel: "(has(object.spec.template) ? object.spec.template : object).spec.containers.all(c, has(c.resources))"
    message: set resource limits
"""
REMEDY = "whoever wrote the rule can ask by has() or .? and orValue() for what an object may lack"


def custom(cel: str, *, head: str = "", resources: str = "pods", more: str = "") -> str:
    """A policy file with one custom rule."""
    return f"{head}\ncustom: [{{id: mine, resources: [{resources}], cel: {cel!r}, {more}}}]"


def judged(manifest: Json, text: str, *, known: Known = KNOWN, **request: Any) -> Decision:
    """The decision on a review, with its message."""
    request_read, under = asked(manifest, **request), policy(text)
    found = decide(request_read, under, known=known)
    assert isinstance(found, Decision)
    return with_message(found, request_read, under)


def limited(source: Json) -> Json:
    """The object with resources in its containers."""
    changed = copy.deepcopy(source)
    spec = changed["spec"]
    for container in spec.get("template", changed)["spec"]["containers"]:
        container["resources"] = {"limits": {"memory": "64Mi"}}
    return changed


class TestVerdicts:
    """True passes, false does not."""

    @pytest.mark.parametrize("make", [pod, deployment], ids=["Pod", "Deployment"])
    def test_false_refuses_with_the_rules_message(self, make: Any) -> None:
        """Under the rule's own id."""
        found = judged(make(GOOD), f"custom:{LIMITS}")
        assert [(one.rule, one.path, one.message) for one in found.denied] == [
            ("limits-set", "", "set resource limits")
        ]
        assert found.message.endswith("has 1 fault:\n- limits-set: set resource limits")
        assert judged(limited(make(GOOD)), f"custom:{LIMITS}").verdict is Verdict.ALLOWED

    def test_faults_of_all_rules_come_together(self) -> None:
        """Built-in ones first."""
        found = judged(pod(), f"custom:{LIMITS}")
        assert [one.rule for one in found.denied] == ["require-app", "require-role", "limits-set"]

    def test_without_a_message_the_expression_is_told(self) -> None:
        """In one line."""
        assert judged(pod(GOOD), custom("1 ==   2")).denied[0].message == "not true: 1 == 2"

    @pytest.mark.parametrize(
        ("head", "where"),
        [
            ("rules: {mine: warn}", "warned"),
            ("rules: {mine: audit}", "audited"),
            ("mode: warn", "warned"),
            (
                "exceptions: [{rule: mine, namespace: shop, owner: a, reason: b, until: 2030-01-01}]",
                "denied",  # nobody says what time it is
            ),
        ],
    )
    @pytest.mark.parametrize("cel", ["false", "object.spec.missing == 1"], ids=["false", "error"])
    def test_its_mode_is_as_a_built_in_rules(self, head: str, where: str, cel: str) -> None:
        """For false and for errors alike."""
        found = judged(pod(GOOD), custom(cel, head=head))
        assert [one.rule for one in getattr(found, where)] == ["mine"]

    @pytest.mark.parametrize(("namespace", "where"), [("play", "warned"), ("shop", "denied")])
    def test_a_namespace_may_have_a_mode_of_its_own(self, namespace: str, where: str) -> None:
        """By an override, even where the rule is off elsewhere."""
        head = "namespaces: {overrides: [{names: [play], rules: {mine: warn}}]}"
        found = judged(pod(GOOD, namespace=namespace), custom("false", head=head), namespace=namespace)
        assert [one.rule for one in getattr(found, where)] == ["mine"]
        off = judged(pod(GOOD), custom("false", head=f"{head}\nrules: {{mine: 'off'}}"), namespace=namespace)
        assert bool(off.warned) is (namespace == "play")
        assert off.allowed

    def test_off_is_off(self) -> None:
        """Not even evaluated."""
        assert judged(pod(GOOD), custom("false", head="rules: {mine: 'off'}")) == judged(pod(GOOD), "")

    def test_other_resources_are_not_judged(self) -> None:
        """Nor the subresource through which labels come."""
        assert judged(deployment(GOOD), custom("false")).verdict is Verdict.ALLOWED
        status = judged(pod(GOOD), custom("false"), before=pod(GOOD), subResource="status")
        assert status.verdict is Verdict.ALLOWED
        assert judged(namespace(), custom("false", resources="workloads"), namespace="shop").allowed

    def test_what_is_exempt_is_exempt(self) -> None:
        """As for built-in rules."""
        assert judged(pod(GOOD), custom("false"), namespace="kube-system").verdict is Verdict.EXEMPT


class TestVariables:
    """What expressions may read."""

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
        """By Kubernetes' names."""
        user = {"username": "jane", "uid": "7", "groups": ["system:authenticated"]}
        found = judged(pod(GOOD), custom(cel, more="params: {most: 5, names: [a]}"), userInfo=user)
        assert found.verdict is Verdict.ALLOWED, found.message

    def test_the_whole_object_can_be_read(self) -> None:
        """Not only what built-in rules read."""
        found = judged({**pod(GOOD), "spec": {"deep": [{"er": 1}]}}, custom("object.spec.deep[0].er == 1"))
        assert found.verdict is Verdict.ALLOWED

    def test_the_namespace_is_asked_for_only_if_it_is_read(self) -> None:
        """A question costs the user time."""
        reading = policy(custom("namespaceObject.metadata.labels.tier == 'gold'"))
        assert decide(asked(pod(GOOD)), reading, known=KNOWN) == LabelsWanted("shop")
        assert isinstance(decide(asked(pod(GOOD)), policy(custom("true")), known=KNOWN), Decision)
        assert isinstance(decide(asked(deployment(GOOD)), reading, known=KNOWN), Decision)

    @pytest.mark.parametrize(("tier", "verdict"), [("gold", Verdict.ALLOWED), ("lead", Verdict.DENIED)])
    def test_the_namespace_is_read(self, tier: str, verdict: Verdict) -> None:
        """Once it is known."""
        seen = NamespaceSeen({"metadata": {"labels": {"tier": tier}}})
        known = Known(closure=Closure.UNGUARDED, namespace=seen)
        cel = "namespaceObject.metadata.labels.tier == 'gold'"
        assert judged(pod(GOOD), custom(cel), known=known).verdict is verdict

    def test_what_has_no_namespace_has_null(self) -> None:
        """As Kubernetes has it for a cluster's own objects: there is nothing to ask for."""
        for cel, allowed in (("namespaceObject == null", True), ("namespaceObject != null", False)):
            found = decide(
                asked(deployment(GOOD), namespace=""), policy(custom(cel, resources="workloads")), known=Known()
            )
            assert isinstance(found, Decision)
            assert found.allowed is allowed


class TestErrors:
    """Neither true nor false is a fault, in words that mend it."""

    @pytest.mark.parametrize(
        ("cel", "said"),
        [
            ("object.spec.missing == 1", 'Key not found in map : "missing"'),
            ("1 / (object.spec.containers.size() - 1) == 1", "divide by zero"),
            ("object.metadata.name.matches(object.metadata.name + '(')", "invalid regular expression"),
        ],
    )
    def test_an_error_refuses(self, cel: str, said: str) -> None:
        """Never a silent skip."""
        [fault] = judged(pod(GOOD), custom(cel)).denied
        assert fault.message.startswith(f"the rule's expression fails: {said}")
        assert fault.message.endswith(REMEDY)

    def test_what_costs_too_much_refuses(self) -> None:
        """A mebibyte of items, each compared with each."""
        big = {**pod(GOOD), "spec": {"items": ["x" * 40] * 25_000}}
        [fault] = judged(big, custom("object.spec.items.all(a, object.spec.items.all(b, a == b))")).denied
        assert "the object is too large for it" in fault.message

    def test_what_is_too_deep_refuses(self) -> None:
        """The JSON decoder's own limit, met in a part that nobody else decodes."""
        text = '{"a":' * 5_000 + "1" + "}" * 5_000
        body = asked(pod(GOOD))
        assert body.document is not None
        import msgspec  # noqa: PLC0415

        deep = msgspec.structs.replace(
            body, document=msgspec.structs.replace(body.document, content=msgspec.Raw(text.encode()))
        )
        found = decide(deep, policy(custom("true")), known=KNOWN)
        assert isinstance(found, Decision)
        assert [one.rule for one in found.denied] == ["mine"]


class TestUpdates:
    """As built-in rules: a change answers for what was not wrong before."""

    def test_what_was_wrong_before_passes(self) -> None:
        """So that it can be mended step by step."""
        before = pod(GOOD)
        assert judged(pod(GOOD, annotations={"a": "b"}), f"custom:{LIMITS}", before=before).allowed

    @pytest.mark.parametrize(
        "cel", ["!has(object.metadata.annotations)", "has(object.metadata.annotations) ? object.x : true"]
    )
    def test_what_the_change_brings_is_refused(self, cel: str) -> None:
        """False and errors alike."""
        cel = cel.replace("object.x", "object.x == 1")
        assert not judged(pod(GOOD, annotations={"a": "b"}), custom(cel), before=pod(GOOD)).allowed

    def test_a_changed_template_answers_for_all(self) -> None:
        """It makes new Pods."""
        changed = copy.deepcopy(deployment(GOOD))
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
        assert not judged(changed, f"custom:{LIMITS}", before=deployment(GOOD)).allowed
        scaled = {**deployment(GOOD), "spec": {**deployment(GOOD)["spec"], "replicas": 9}}
        assert judged(scaled, f"custom:{LIMITS}", before=deployment(GOOD)).allowed

    def test_a_rule_that_reads_the_old_object_is_about_the_change(self) -> None:
        """It has no meaning for the old object alone."""
        cel = "oldObject == null || object.metadata.labels.role == oldObject.metadata.labels.role"
        changed = pod({"app": "web", "role": "data"})
        assert not judged(changed, custom(cel), before=pod(GOOD)).allowed
        assert judged(pod(GOOD, annotations={"a": "b"}), custom(cel), before=pod(GOOD)).allowed

    @pytest.mark.parametrize("loop", ["object.spec.containers.all(c, {})", "{} || object.spec.containers[1] == 1"])
    def test_an_error_that_was_there_before_excuses_no_change(self, loop: str) -> None:
        """Nobody knows what was wrong before: a padded object would pass whatever its image."""
        cel = loop.format("object.spec.containers[0].image.startsWith('registry.example/')")
        padding = {f"a{number}": "x" * 240 for number in range(2_000)}
        before, after = pod(GOOD, annotations={"a": "b"}), pod(GOOD, annotations=padding)
        before["spec"] = {"containers": [{"name": "main", "image": "registry.example/a"}]}
        after["spec"] = {"containers": [{"name": "main", "image": "evil.example/a"}]}
        assert not judged(after, custom(f"{cel} && object.metadata.annotations.all(k, k != '')"), before=before).allowed
        assert not judged(after, custom(cel), before={**after, "spec": before["spec"]}).allowed

    def test_an_error_is_told_where_nothing_that_the_rule_reads_changes(self) -> None:
        """What runs stays manageable: the rule says of it what it said before."""
        standing = deployment(GOOD)
        scaled = {**standing, "spec": {**standing["spec"], "replicas": 9}}
        found = judged(scaled, custom("object.spec.template.spec.x == 1", resources="deployments"), before=standing)
        assert found.allowed
        [fault] = found.warned
        assert fault.message.startswith("the rule's expression fails: Key not found in map")
        audited = custom("object.spec.template.spec.x == 1", resources="deployments", head="mode: audit")
        assert [one.rule for one in judged(scaled, audited, before=standing).audited] == ["mine"]
        whole = custom("object == 1 || object.spec.template.spec.x == 1", resources="deployments")
        assert not judged(scaled, whole, before=standing).allowed

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
        """The old object was somebody else's."""
        assert not judged(pod(GOOD, annotations={"a": "b"}), custom(cel), before=pod(GOOD)).allowed

    @pytest.mark.parametrize("cel", ["request.namespace == 'x'", "request.kind.kind + request.name == 'x'"])
    def test_a_rule_that_reads_the_objects_name_is_not(self, cel: str) -> None:
        """It is the old object's as well."""
        assert judged(pod(GOOD, annotations={"a": "b"}), custom(cel), before=pod(GOOD)).allowed

    def test_the_old_object_counts_only_where_it_is_read(self) -> None:
        """One that was large may become small."""
        padding = {f"a{number}": "x" * 240 for number in range(4_000)}
        cel = "object.metadata.labels.all(a, object.metadata.labels.all(b, a != '' && b != ''))"
        padded = pod(GOOD, annotations=padding)
        assert judged(pod(GOOD), custom(cel), before=padded).allowed
        assert not judged(pod(GOOD), custom(f"oldObject == null || {cel}"), before=padded).allowed


class TestOffline:
    """Manifests, without a cluster."""

    def test_the_whole_document_is_judged(self) -> None:
        """As JSON would have it: keys are texts."""
        document = {**pod(GOOD), "extra": {1: {"a": True}}}
        manifest = read(document, default_namespace="shop")
        for cel, allowed in (("object.extra['1'].a == true", True), ("object.extra['1'].a == false", False)):
            found = decide(creation(manifest), policy(custom(cel)), known=OFFLINE_DEFAULTS)
            assert isinstance(found, Decision)
            assert found.allowed is allowed

    @pytest.mark.parametrize(
        "odd",
        [{None: 1}, {(1, 2): 1}, ["\ud83d"], [16**4000]],
        ids=["null as a key", "a list as a key", "half a character", "a long number"],
    )
    def test_what_no_object_has_is_a_fault(self, odd: object) -> None:
        """And not the end of the command."""
        manifest = read({**pod(GOOD), "extra": odd}, default_namespace="shop")
        found = decide(creation(manifest), policy(custom("true")), known=OFFLINE_DEFAULTS)
        assert isinstance(found, Decision)
        [fault] = found.denied
        assert fault.message.startswith("the rule's expression fails: ")

    def test_what_needs_the_cluster_is_told(self) -> None:
        """Not passed over in silence."""
        manifest = read(pod(GOOD), default_namespace="shop")
        text = custom("namespaceObject.metadata.name == 'shop'")
        found = decide(creation(manifest), policy(text), known=OFFLINE_DEFAULTS)
        assert isinstance(found, Decision)
        assert (found.allowed, [one.rule for one in found.unchecked]) == (True, ["mine"])

    def test_the_namespace_is_what_the_object_is_created_in(self) -> None:
        """As the API server writes it down before anybody is asked."""
        manifest = read({**pod(GOOD), "metadata": {"name": "web", "labels": GOOD}}, default_namespace="prod")
        for cel, allowed in (("object.metadata.namespace != 'prod'", False), ("request.namespace == 'prod'", True)):
            assert offline(manifest, cel).allowed is allowed

    def test_a_pod_has_the_labels_that_are_written_onto_it(self) -> None:
        """As the server's validating phase sees it."""
        manifest = read(pod({"app.kubernetes.io/name": "web", "role": "frontend"}), default_namespace="shop")
        text = policy(custom("object.metadata.labels.app == 'web'"))
        found = decide(after_mutation(creation(manifest), text), text, known=OFFLINE_DEFAULTS)
        assert isinstance(found, Decision)
        assert found.allowed, found.message

    @pytest.mark.parametrize("cel", ["'admins' in request.userInfo.groups", "request.uid == ''", "request == 1"])
    def test_who_asks_is_not_known_before(self, cel: str) -> None:
        """A made-up user would be refused, or let pass, in somebody's place; what would be done is known."""
        manifest = read(pod(GOOD), default_namespace="shop")
        [left_out] = offline(manifest, cel).unchecked
        assert "and nobody has asked yet" in left_out.why
        assert not offline(manifest, "request.operation == 'UPDATE'").unchecked

    @pytest.mark.parametrize("stands", [True, False])
    def test_what_the_api_server_fills_in_is_no_fault_of_a_manifest(self, *, stands: bool) -> None:
        """It is told instead; what a cluster has is filled in."""
        cel = "object.spec.terminationGracePeriodSeconds > 30"
        document = pod(GOOD)
        document["metadata"] |= {"uid": "1"} if stands else {}
        found = offline(read(document, default_namespace="shop"), cel)
        assert found.allowed is not stands
        assert [one.why for one in found.unchecked] == (
            [] if stands else ["it reads terminationGracePeriodSeconds, which the API server fills in"]
        )

    def test_what_a_manifest_says_itself_is_judged(self) -> None:
        """And what is true without it."""
        document = {**pod(GOOD), "spec": {"terminationGracePeriodSeconds": 5, "containers": []}}
        assert not offline(
            read(document, default_namespace="shop"), "object.spec.terminationGracePeriodSeconds > 30"
        ).allowed
        found = offline(read(pod(GOOD), default_namespace="shop"), "object.spec.?priority.orValue(0) == 0")
        assert (found.allowed, found.unchecked) == (True, ())


def offline(manifest: Manifest, cel: str) -> Decision:
    """The decision without a cluster."""
    found = decide(creation(manifest), policy(custom(cel)), known=OFFLINE_DEFAULTS)
    assert isinstance(found, Decision)
    return found


@pytest.mark.parametrize("rules", ["", f"custom:{LIMITS}"], ids=["no rule", "a rule about workloads"])
def test_a_network_policy_is_judged_whatever_the_custom_rules_are_about(rules: str) -> None:
    """None of them can be about it."""
    opening: Json = {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}
    policy_object = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open"},
        "spec": opening,
    }
    known = replace(KNOWN, guarded=True)
    found = judged(policy_object, f"rules: {{no-open-policy: enforce}}\n{rules}", known=known)
    assert [one.rule for one in found.denied] == ["no-open-policy"]


class TestBudget:
    """What all rules may cost for one request."""

    def test_a_rule_is_asked_once_however_often_the_decision_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each answer of the cluster begins it again."""
        asked_of: list[str] = []
        passes = judging.passes

        def counted(rule: CustomRule, seen: Seen) -> bool:
            asked_of.append(rule.id)
            return passes(rule, seen)

        monkeypatch.setattr(judging, "passes", counted)
        under = policy(f"custom:{LIMITS}\nnamespaces: {{overrides: [{{labels: {{a: b}}, mode: warn}}]}}")
        request, known = asked(pod(GOOD)), Known(findings=Findings())
        assert isinstance(decide(request, under, known=known), LabelsWanted)
        decision = decide(request, under, known=replace(known, namespace_labels={}, old_owners=()))
        assert isinstance(decision, Decision)
        assert [one.rule for one in decision.denied] == ["limits-set"]
        assert asked_of == ["limits-set"]

    def test_rules_that_take_too_long_together_fail_like_one_that_does(self) -> None:
        """Each is within its own budget; those that are beyond what is left do what their modes say."""
        dear = "object.spec.containers.all(c, object.spec.containers.exists(d, d.name == c.name))"
        source = limited(pod(GOOD, annotations={f"a-{number}": "x" * 100 for number in range(50)}))
        request = asked(source)
        each = price_of_all(request, policy(custom(dear)))
        assert BUDGET // 10 < each < BUDGET
        count = ALL_TOGETHER // each + 3
        rules = ",".join(f"{{id: {'x' * number}, resources: [pods], cel: {dear!r}}}" for number in range(1, count + 1))
        found = judged(source, f"custom: [{rules}]").denied
        assert [one.rule for one in found] == ["x" * number for number in range(count - 2, count + 1)]
        assert {one.message.partition(";")[0] for one in found} == {
            "the rule's expression fails: all rules together would take too long over an object of this size"
        }

    def test_an_object_that_cannot_be_stored_is_not_even_decoded(self) -> None:
        """It is larger than etcd takes."""
        [found] = judged(pod(GOOD, annotations={"a": "x" * LARGEST_OBJECT}), custom("true")).denied
        assert f"and {LARGEST_OBJECT} are the most" in found.message

    def test_what_a_rule_says_is_not_longer_than_a_person_reads(self) -> None:
        """An expression may have 10,000 characters."""
        [found] = judged(pod(GOOD), custom(" || ".join(["object.kind == 'x'"] * 200))).denied
        assert len(found.message) <= 1_000
