"""Modes of rules by namespace, and exemptions."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.decisions import outcome, without
from tests.reviews import GOOD, deployment, pod
from tests.unit.samples import asked, policy
from webhook.admission.decide import decide
from webhook.model.decision import Decision, Verdict
from webhook.model.reason import Reason, ReasonCode
from webhook.model.steps import OFFLINE_RESULTS, IsolationStatus, NamespaceData, NamespaceLookup, Results, complete

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BY_NAME = 'namespaces: {overrides: [{names: [shop, "lab-*"], mode: audit, rules: {require-app: warn}}]}'
BY_LABEL = "namespaces: {overrides: [{labels: {tier: gold}, mode: warn}, {names: [shop], mode: audit}]}"


def decided(text: str, manifest: Any = None, *, labels: Any = None, at: datetime = NOW, **request: Any) -> Decision:
    """Return the decision on a Pod without labels in `shop`, whose labels are known."""
    results: Results = {**OFFLINE_RESULTS, NamespaceLookup: NamespaceData(labels or {})}
    return complete(decide(asked(manifest or pod(), **request), policy(text), own_namespace="guards", at=at), results)


def by_mode(found: Decision) -> tuple[list[str], list[str], list[str]]:
    """Return the rules with refusing, warned and recorded violations."""
    denied, warned, audited = ([one.rule for one in kind] for kind in (found.denied, found.warned, found.audited))
    return denied, warned, audited


class TestOverrides:
    """Rules hold otherwise in some namespaces."""

    @pytest.mark.parametrize("space", ["shop", "lab-7"])
    def test_by_name_and_prefix(self, space: str) -> None:
        """A rule's own mode there goes before the mode for all there."""
        found = decided(BY_NAME, pod(namespace=space), namespace=space)
        assert found.verdict is Verdict.ALLOWED
        assert by_mode(found) == ([], ["require-app"], ["require-role"])

    @pytest.mark.parametrize("space", ["shops", "lab", "a-lab-7"])
    def test_no_other_name(self, space: str) -> None:
        """Names match exactly, and prefixes match the beginning."""
        assert by_mode(decided(BY_NAME, pod(namespace=space), namespace=space))[0] == ["require-app", "require-role"]

    def test_the_files_own_word_on_a_rule_yields_to_the_mode_there(self) -> None:
        """What is said of a namespace is said on purpose."""
        assert by_mode(decided(f"rules: {{require-app: enforce}}\n{BY_NAME}"))[0] == []

    def test_it_can_be_stricter(self) -> None:
        """A file that warns, with one namespace that refuses."""
        text = "mode: warn\nnamespaces: {overrides: [{names: [shop], mode: enforce}]}"
        assert by_mode(decided(text))[0] == ["require-app", "require-role"]

    def test_a_rule_that_is_off_elsewhere_may_hold_there(self) -> None:
        """So it is judged although the file says off."""
        text = 'mode: "off"\nnamespaces: {overrides: [{names: [shop], rules: {require-role: enforce}}]}'
        assert by_mode(decided(text)) == (["require-role"], [], [])
        assert decided(text, pod(namespace="web"), namespace="web") == Decision(
            Reason(ReasonCode.NO_VIOLATION), isolation=IsolationStatus.UNCHECKED
        )

    def test_by_label_the_labels_are_asked_for(self) -> None:
        """Only where there is a fault to weigh."""
        results = without(NamespaceLookup)
        assert outcome(decide(asked(pod()), policy(BY_LABEL), at=NOW), results) == NamespaceLookup("shop")
        assert isinstance(outcome(decide(asked(pod(GOOD)), policy(BY_LABEL), at=NOW), results), Decision)

    def test_by_name_nothing_is_asked_for(self) -> None:
        """The request says it all."""
        found = outcome(decide(asked(pod()), policy(BY_NAME), at=NOW), without(NamespaceLookup))
        assert isinstance(found, Decision)

    def test_the_first_that_fits_counts(self) -> None:
        """In the order of the file."""
        assert by_mode(decided(BY_LABEL, labels={"tier": "gold"}))[1] == ["require-app", "require-role"]
        assert by_mode(decided(BY_LABEL, labels={"tier": "tin"}))[2] == ["require-app", "require-role"]

    def test_names_and_labels_must_both_fit(self) -> None:
        """One alone is not what the file says."""
        text = "namespaces: {overrides: [{names: [shop], labels: {tier: gold}, mode: audit}]}"
        assert by_mode(decided(text))[0] == ["require-app", "require-role"]
        assert by_mode(decided(text, labels={"tier": "gold"}))[0] == []


class TestExempt:
    """Who passes every rule."""

    TEXT = "exempt: {users: [robot], groups: [installers], serviceAccounts: [flux/kustomize]}"

    @pytest.mark.parametrize(
        ("user", "groups", "reason"),
        [
            ("robot", [], "exempt: user robot"),
            ("ann", ["staff", "installers"], "exempt: member of installers"),
            ("system:serviceaccount:flux:kustomize", [], "exempt: ServiceAccount flux/kustomize"),
            ("ann", ["catflap:break-glass"], "break-glass: member of catflap:break-glass"),
        ],
    )
    def test_they_pass_and_are_recorded(self, user: str, groups: list[str], reason: str) -> None:
        """With what would have refused them."""
        found = decided(self.TEXT, userInfo={"username": user, "groups": groups})
        assert (found.verdict, found.reason) == (Verdict.EXEMPT, reason)
        assert by_mode(found) == ([], [], ["require-app", "require-role"])

    @pytest.mark.parametrize(
        ("user", "groups"),
        [("Robot", []), ("flux/kustomize", []), ("system:serviceaccount:flux:other", []), ("ann", ["installer"])],
    )
    def test_other_users_are_not_exempt(self, user: str, groups: list[str]) -> None:
        """Names are compared whole."""
        assert not decided(self.TEXT, userInfo={"username": user, "groups": groups}).allowed

    def test_their_namespaces_are_closed_all_the_same(self) -> None:
        """The gate is no rule."""
        assert decided(self.TEXT, userInfo={"username": "robot"}).isolation is IsolationStatus.UNCHECKED

    def test_what_has_no_fault_is_just_admitted(self) -> None:
        """No use is on record that was none."""
        found = decided(self.TEXT, pod(GOOD), userInfo={"username": "robot"})
        assert (found.verdict, found.reason) == (Verdict.ALLOWED, "")


class TestExceptions:
    """They end."""

    TEXT = """
exceptions:
  - {rule: require-app, namespace: shop, owner: team-a, reason: migration, until: 2026-11-30}
  - {rule: require-role, namespace: shop, owner: team-a, reason: migration, until: 2026-11-30}
"""

    @pytest.mark.parametrize(
        ("at", "allowed", "announced"),
        [
            (datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), True, 0),
            (datetime(2026, 11, 24, tzinfo=UTC), True, 2),
            (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), True, 2),
            (datetime(2026, 12, 1, tzinfo=UTC), False, 0),
        ],
    )
    def test_one_is_announced_in_its_last_week_and_ends_at_its_second(
        self, at: datetime, announced: int, *, allowed: bool
    ) -> None:
        """By a warning to its user."""
        found = decided(self.TEXT, at=at)
        assert (found.allowed, len(found.notices)) == (allowed, announced)
        assert all("until 2026-11-30, team-a: migration" in notice for notice in found.notices)


class TestFinalPods:
    """Flows select Pods by the role's own label."""

    FLOWS = "network: {flows: [{from: frontend, to: backend, ports: [80/TCP]}]}"
    ALIAS: Final = {"app": "web", "app.kubernetes.io/component": "backend"}

    def test_a_pod_needs_the_label_itself(self) -> None:
        """The mutating phase writes it; where that failed, the Pod must not be one that no policy means."""
        assert by_mode(decided(self.FLOWS, pod(self.ALIAS)))[0] == ["require-role"]
        assert decided("", pod(self.ALIAS)).allowed

    def test_a_template_may_leave_it_to_its_pods(self) -> None:
        """They are filled in when they are made."""
        assert decided(self.FLOWS, deployment(self.ALIAS)).allowed
