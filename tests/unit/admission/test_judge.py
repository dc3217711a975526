"""Violations of an object, and those that a change adds."""

import copy
from typing import Any

import pytest

from tests.reviews import GOOD, Json, deployment, pod
from tests.unit.samples import asked, policy, workload
from webhook.admission.judge import MAX_LABELS, judge, judge_request
from webhook.model.abbreviation import MOST_LISTED
from webhook.model.workload import Workload
from webhook.rules import RULES


def rules_of(request: Json, before: Json | None = None, **options: Any) -> list[str]:
    """Return the rules that a request breaks under the default policy."""
    return [fault.rule for fault in judge_request(asked(request, before=before, **options), policy())]


def scaled(source: Json, replicas: int = 5) -> Json:
    """Return the same Deployment with another number of replicas."""
    return {**source, "spec": {**source["spec"], "replicas": replicas}}


def reimaged(source: Json) -> Json:
    """Return the same Deployment with another image in its template."""
    changed = copy.deepcopy(source)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    return changed


class TestJudge:
    """One workload under one policy."""

    def test_faults_come_in_the_order_of_the_rules(self) -> None:
        """So that one object gets one message, always."""
        wanting = policy("workloads: {require: [{label: team, oneOf: [a]}]}")
        assert [fault.rule for fault in judge(workload({"role": "fronted"}), wanting)] == [
            "known-role",
            "require-app",
            "require-label",
        ]

    def test_a_rule_that_is_off_says_nothing(self) -> None:
        """Neither by its own mode nor by the file's."""
        assert [fault.rule for fault in judge(workload(), policy("rules: {require-app: off}"))] == ["require-role"]
        assert judge(workload(), policy("mode: off")) == ()

    def test_a_rule_that_only_warns_is_asked(self) -> None:
        """What becomes of its faults is decided later."""
        assert [fault.rule for fault in judge(workload(), policy("mode: audit"))] == ["require-app", "require-role"]


class TestCreation:
    """A new object answers for all its faults."""

    @pytest.mark.parametrize("make", [pod, deployment], ids=["Pod", "Deployment"])
    def test_every_fault_counts(self, make: Any) -> None:
        """Whether it is a Pod or makes Pods."""
        assert rules_of(make()) == ["require-app", "require-role"]
        assert rules_of(make(GOOD)) == []


class TestChangedTemplate:
    """A changed template makes new Pods, whose refusal a user would not notice."""

    def test_an_old_fault_counts_again(self) -> None:
        """Although the change has nothing to do with it."""
        assert rules_of(reimaged(deployment()), before=deployment()) == ["require-app", "require-role"]

    def test_mending_one_of_two_faults_is_not_enough(self) -> None:
        """The Pods of that template would still be refused."""
        assert rules_of(deployment({"app": "web"}), before=deployment()) == ["require-role"]

    def test_a_good_template_may_change(self) -> None:
        """Nothing is wrong with it."""
        assert rules_of(reimaged(deployment(GOOD)), before=deployment(GOOD)) == []

    def test_the_order_of_keys_is_no_change(self) -> None:
        """The values decide, not the bytes."""
        turned = dict(reversed(deployment().items()))
        template = turned["spec"]["template"]
        turned["spec"] = {**turned["spec"], "template": dict(reversed(template.items()))}
        assert rules_of(turned, before=deployment()) == []


class TestOtherChanges:
    """What is faulty already can be scaled, finalized and mended step by step."""

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param(deployment(), id="nothing at all"),
            pytest.param(scaled(deployment()), id="the number of replicas"),
            pytest.param(scaled(deployment(), 0), id="down to none"),
            pytest.param(deployment(annotations={"a": "b"}), id="an annotation"),
            pytest.param(deployment(finalizers=["example.com/wait"]), id="a finalizer more"),
            pytest.param(deployment(deletionTimestamp="2026-01-01T00:00:00Z"), id="an object that goes"),
        ],
    )
    def test_a_faulty_deployment_can_be_changed_outside_its_template(self, changed: Json) -> None:
        """Its faults were there before."""
        assert rules_of(changed, before=deployment()) == []

    @pytest.mark.parametrize(
        ("labels", "before", "brought"),
        [
            pytest.param({}, {}, [], id="unchanged"),
            pytest.param({"x": "y"}, {}, [], id="a label that no rule is about"),
            pytest.param({"app": "web"}, {}, [], id="one fault of two mended"),
            pytest.param(GOOD, {}, [], id="all mended"),
            pytest.param({"app": "web"}, GOOD, ["keep-role", "require-role"], id="the role taken away"),
            pytest.param({"app": "web", "role": "x"}, GOOD, ["keep-role", "known-role"], id="another role, unknown"),
            pytest.param({"app": "web", "role": "data"}, GOOD, ["keep-role"], id="another role"),
            pytest.param({"app": "web", "role": "x"}, {"app": "web"}, ["known-role"], id="one fault for another"),
            pytest.param(
                {"app": "web", "role": "y"}, {"app": "web", "role": "x"}, ["known-role"], id="another unknown role"
            ),
            pytest.param({"app": "web", "role": ""}, {"app": "web"}, ["require-role"], id="empty instead of missing"),
            pytest.param({"role": "x"}, {"app": "web", "role": "x"}, ["require-app"], id="a fault more"),
        ],
    )
    def test_a_pod_answers_for_the_faults_that_the_change_brings(
        self, labels: dict[str, str], before: dict[str, str], brought: list[str]
    ) -> None:
        """A Pod has no template; its labels are what changes."""
        assert rules_of(pod(labels), before=pod(before)) == brought

    def test_an_object_that_goes_is_judged_like_any_other(self) -> None:
        """A finalizer would otherwise keep a relabelled Pod running, unseen by the rules."""
        going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/wait"]}
        assert rules_of(pod({"app": "web"}, **going), before=pod(GOOD, **going)) == ["keep-role", "require-role"]


def claiming(count: int, value: str = "v") -> Json:
    """Return a Pod with its labels and so many others that no Pod may have."""
    return pod({**GOOD, **{f"pcns.key-{number:06}": value for number in range(count)}})


class TestBounds:
    """What there may be without end: labels, and faults."""

    def test_the_first_faults_of_a_rule_are_listed_and_the_others_counted(self) -> None:
        """So that a message stays readable."""
        found = judge_request(asked(claiming(200)), policy())
        assert [one.path for one in found[:2]] == [f"metadata.labels['pcns.key-00000{number}']" for number in (0, 1)]
        assert (len(found), found[-1].message) == (MOST_LISTED + 1, "and 190 more violations of this rule")
        assert sum(one.count for one in found) == 200

    @pytest.mark.parametrize("count", [MAX_LABELS - 1, 100_000])
    def test_a_pod_with_more_labels_than_are_judged_breaks_each_rule_by_their_number(self, count: int) -> None:
        """Each rule's mode decides what that means."""
        found = judge_request(asked(claiming(count)), policy("rules: {require-app: off}"))
        about_workloads = {rule.id for rule in RULES.values() if rule.about is Workload}
        assert {one.rule for one in found} == about_workloads - {"require-app"}
        [(path, message)] = {(one.path, one.message) for one in found}
        assert (path, message) == (
            "metadata.labels",
            (f"the object has {count + 2} labels, and the limit is {MAX_LABELS}; remove labels that no selector uses"),
        )

    @pytest.mark.parametrize("where", ["template", "object"])
    def test_each_place_counts_by_itself(self, where: str) -> None:
        """The object's own labels, and those of its template."""
        many = {f"key-{number}": "v" for number in range(MAX_LABELS + 1)}
        made = deployment({**GOOD, **many}) if where == "template" else deployment(GOOD, labels=many)
        [path] = {one.path for one in judge_request(asked(made), policy())}
        assert path == ("spec.template.metadata.labels" if where == "template" else "metadata.labels")
        fits = dict.fromkeys(list(many)[: MAX_LABELS - len(GOOD)], "v")
        assert not rules_of(deployment({**GOOD, **fits}, labels={**fits}))

    def test_an_old_pod_with_too_many_labels_is_finalized_and_mended(self) -> None:
        """What is as it was brings no fault, and fewer labels are judged."""
        old = claiming(MAX_LABELS)
        assert rules_of({**old, "metadata": {**old["metadata"], "finalizers": []}}, before=old) == []
        assert rules_of(claiming(0), before=old) == []

    def test_a_change_of_what_is_too_large_is_refused_though_it_was_so_before(self) -> None:
        """The old object was not checked, so the violation may be new."""
        assert "keep-role" not in rules_of(claiming(MAX_LABELS, "other"), before=claiming(MAX_LABELS))
        assert "no-reserved-label" in rules_of(claiming(MAX_LABELS, "other"), before=claiming(MAX_LABELS))

    def test_faults_behind_those_that_are_listed_are_compared_too(self) -> None:
        """One more behind the tenth is new, though as many as before are listed."""
        before = claiming(100)
        labels = {**before["metadata"]["labels"], "pcns.new": "v"}
        del labels["pcns.key-000050"]
        [found] = judge_request(asked(pod(labels), before=before), policy())
        assert found.path == "metadata.labels['pcns.new']"

    def test_long_values_are_abbreviated_and_still_distinguished(self) -> None:
        """By all of it, not by what of it can be read."""
        long, other = ("x" * 500 + middle + "x" * 500_000 for middle in "ab")
        before, after = (pod({**GOOD, f"pcns.{long}": value}) for value in (long, other))
        [found] = judge_request(asked(after, before=before), policy())
        assert len(found.message) <= 1_000
        assert len(found.path) <= 500
        assert "characters more" in found.message
        assert found.message.endswith("; remove this label")
