"""What changes between two policy files."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from tests.unit.admission.test_preview import GOOD, ROLELESS, seen, stored
from tests.unit.samples import policy
from webhook.admission.policy_diff import OutcomeChange, RuleOutcome, outcome_changes, policy_differences
from webhook.admission.preview import Effect, PreviewContext, preview
from webhook.model.namespace import Namespace

INSTALLED: Final = datetime(2026, 6, 1, tzinfo=UTC)
OLD: Final = Namespace("old", "1", {}, INSTALLED - timedelta(days=1), terminating=False)
NEW: Final = Namespace("new", "2", {}, INSTALLED + timedelta(days=1), terminating=False)
SETTING: Final = PreviewContext(namespaces={"old": OLD, "new": NEW}, isolation_since=INSTALLED, installed=INSTALLED)
REFUSED: Final = RuleOutcome(Effect.REFUSED, keeps_running=False)
KEPT: Final = RuleOutcome(Effect.REFUSED, keeps_running=True)
WARNED: Final = RuleOutcome(Effect.WARNED, keeps_running=False)


def changed(after: str, before: str) -> list[OutcomeChange]:
    """Return the changes of another file for a valid Deployment and one without a role, both older than catflap."""
    objects = seen(stored("Deployment", "good", GOOD), stored("Deployment", "bad", ROLELESS))
    new, old = preview(objects, [policy(after), policy(before)], PreviewContext(installed=INSTALLED))
    return list(outcome_changes(new, old))


@pytest.mark.parametrize(
    ("after", "before", "states"),
    [
        pytest.param("", "", [], id="the same file"),
        pytest.param(
            "mode: warn", "mode: audit", [(RuleOutcome(Effect.RECORDED, keeps_running=False), WARNED)], id="warned"
        ),
        pytest.param("", "mode: off", [(None, KEPT)], id="newly refused"),
        pytest.param("mode: off", "", [(KEPT, None)], id="no longer refused"),
        pytest.param("", "mode: warn", [(WARNED, KEPT)], id="refused, was warned"),
        pytest.param("workloads: {existingWorkloads: judge}", "", [(KEPT, REFUSED)], id="keeps running no longer"),
        pytest.param("workloads: {role: {oneOf: [a, frontend]}}", "", [], id="the same in other words"),
    ],
)
def test_only_changes_are_listed(
    after: str, before: str, states: list[tuple[RuleOutcome | None, RuleOutcome | None]]
) -> None:
    """By owner and rule."""
    found = changed(after, before)
    assert [(one.before, one.after) for one in found] == states
    assert {(one.owner.name, one.rule) for one in found} <= {("bad", "require-role")}


@pytest.mark.parametrize(
    ("after", "before", "newly"),
    [("", "mode: warn", True), ("mode: warn", "", False), ("workloads: {existingWorkloads: judge}", "", False)],
)
def test_newly_refused_is_what_was_not(after: str, before: str, *, newly: bool) -> None:
    """Who lost the grace of age was refused before."""
    assert [one.is_newly_refused for one in changed(after, before)] == [newly]


ROLE_POLICIES: Final = "catflap-role-backend, catflap-role-frontend"
FLOW: Final = "{from: frontend, to: backend, ports: [8080/TCP]}"


@pytest.mark.parametrize(
    ("after", "before", "lines"),
    [
        pytest.param("", "", [], id="the same"),
        pytest.param("mode: warn", "", ["mode: warn, was enforce"], id="the mode"),
        pytest.param("rules: {require-app: off}", "", ["rules.require-app: off, was not set"], id="a rule's own"),
        pytest.param(
            "namespaces: {exempt: [new]}",
            "namespaces: {exempt: [a]}",
            ["namespaces.exempt: added new; removed a", "namespaces that will no longer be isolated: new"],
            id="exempt from now on",
        ),
        pytest.param(
            "namespaces: {includeExisting: all}",
            "",
            ["namespaces.includeExisting: all, was none", "namespaces that will be isolated: old"],
            id="included",
        ),
        pytest.param(
            "workloads: {role: {oneOf: [b, a]}}",
            "workloads: {role: {oneOf: [a, b]}}",
            ["workloads.role.oneOf: different order"],
            id="an order",
        ),
        pytest.param(
            f"network: {{flows: [{FLOW}]}}",
            "",
            [
                "network.flows: added {from: {role: frontend}, to: {role: backend}, ports: [8080/TCP]}",
                f"policies of a namespace: written {ROLE_POLICIES}",
            ],
            id="a flow",
        ),
        pytest.param(
            "network: {engine: calico, dns: none}",
            "network: {engine: calico}",
            ["network.dns: none, was auto", "policies of a namespace, by calico: removed catflap-allow-dns"],
            id="name servers",
        ),
        pytest.param(
            "network: {dns: kube-dns}",
            "",
            ["network.dns: kube-dns, was auto", "policies of a namespace: changed catflap-allow-dns"],
            id="fewer name servers",
        ),
        pytest.param(
            "network: {engine: none}",
            "network: {engine: kubernetes}",
            [
                "network.engine: none, was kubernetes",
                "namespaces that will no longer be isolated: new",
                "policies of a namespace, by kubernetes: removed catflap-allow-dns, catflap-default-deny",
            ],
            id="nothing is closed any more",
        ),
        pytest.param(
            "network: {engine: kubernetes, flows: [{from: {role: data, namespaces: [a]}, to: outside, ports: [443/TCP]}], "
            "clusterCIDRs: [10.0.0.0/8]}",
            "network: {engine: kubernetes}",
            [
                "network.flows: added {from: {role: data, namespaces: [a]}, to: {role: outside}, ports: [443/TCP]}",
                "network.clusterCIDRs: added 10.0.0.0/8",
                "policies of namespace a, by kubernetes: written catflap-role-data",
            ],
            id="a flow of one namespace",
        ),
    ],
)
def test_differences_are_sentences(after: str, before: str, lines: list[str]) -> None:
    """Each key that differs, its effect on existing namespaces, and their policies."""
    assert sorted(policy_differences(policy(after), policy(before), SETTING)) == sorted(lines)


def test_without_a_cluster_no_namespace_is_spoken_of() -> None:
    """No namespaces are known."""
    assert policy_differences(policy("namespaces: {includeExisting: all}"), policy(), PreviewContext()) == (
        "namespaces.includeExisting: all, was none",
    )
