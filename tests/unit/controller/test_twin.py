"""What the API server is given to judge by itself; what it makes of it is tested with a real one."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.samples import policy
from webhook.controller.twin import changes_at, twin

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RULES = ["keep-role", "known-role", "no-alias-conflict", "no-reserved-label", "require-app", "require-role"]


def written(text: str = "", at: datetime = NOW) -> tuple[dict[str, Any], ...]:
    """Both objects under a file that asks for them."""
    return twin(policy(f"twin: true\n{text}"), own_namespace="guards", at=at)


def validations(text: str = "", at: datetime = NOW) -> list[str]:
    """The rules that the validations are of, in order."""
    [found, _] = written(text, at)
    return [one["message"].partition(":")[0] for one in found["spec"]["validations"]]


def variables(text: str = "", at: datetime = NOW) -> dict[str, str]:
    """Each variable's expression."""
    [found, _] = written(text, at)
    return {one["name"]: one["expression"] for one in found["spec"]["variables"]}


def test_nothing_is_written_that_was_not_asked_for() -> None:
    """It is opt-in; and a copy without rules would be an empty policy, which the API server refuses."""
    assert twin(policy(), own_namespace="guards", at=NOW) == ()
    assert written('mode: "off"') == written("mode: warn") == ()


def test_what_binds_it_refuses() -> None:
    """One policy, one binding, in this order."""
    found, binding = written()
    assert (found["kind"], found["spec"]["failurePolicy"]) == ("ValidatingAdmissionPolicy", "Fail")
    assert binding["spec"] == {"policyName": "catflap-labels", "validationActions": ["Deny"]}


def test_it_has_the_rules_that_refuse_and_can_be_said() -> None:
    """Those about labels; what only warns is left to us."""
    assert list(dict.fromkeys(validations())) == RULES
    assert "known-role" not in validations("rules: {known-role: warn}")
    further = (
        "workloads: {require: [{label: team, oneOf: [a]}, {label: stage, matches: b}]}\n"
        "roles: {data: {claim: {namespaces: [shop], serviceAccounts: [shop/store]}}}"
    )
    found = Counter(validations(further))
    assert found - Counter(validations()) == {"require-label": 2, "role-claim": 2}


def test_a_label_without_aliases_is_in_conflict_with_none() -> None:
    """An empty list would be of no type in CEL."""
    assert validations().count("no-alias-conflict") == 1
    assert validations("workloads: {role: {aliases: []}}").count("no-alias-conflict") == 0


def test_where_a_rule_refuses_is_said_before_what_it_asks() -> None:
    """By the number of the first override that fits; a rule that refuses nowhere else is in it for the one namespace."""
    overrides = "namespaces: {overrides: [{names: [a, 'b-*'], mode: warn}, {labels: {tier: gold}, mode: enforce}]}"
    found = variables(f"{overrides}\nmode: audit\nrules: {{known-role: enforce}}")
    assert found["named"] == (
        "[(request.namespace in ['a'] || ['b-'].exists(stem, request.namespace.startsWith(stem))), true]"
    )
    assert found["labelled"] == '[true, variables.labels[?"tier"] == optional.of("gold")]'
    assert found["override"].startswith("([0, 1].filter(")
    assert (found["require_app"], found["known_role"]) == ("variables.override in [1]", "variables.override in [1, 2]")
    [policy, _] = written(f"{overrides}\nmode: audit")
    assert all(one["expression"].startswith("!variables.") for one in policy["spec"]["validations"])


@pytest.mark.parametrize(
    ("at", "waived"),
    [(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), True), (datetime(2026, 12, 1, tzinfo=UTC), False)],
)
def test_an_exception_is_in_it_to_its_last_second(at: datetime, *, waived: bool) -> None:
    """And the controller knows when to write it anew."""
    text = "exceptions: [{rule: require-app, namespace: old, owner: a, reason: b, until: 2026-11-30}]"
    assert variables(text, at)["require_app"].endswith(' && !(request.namespace in ["old"])') is waived
    assert '"old"' not in variables(text, at)["require_role"]
    end = changes_at(policy(f"twin: true\n{text}"), at)
    assert end == (datetime(2026, 12, 1, tzinfo=UTC) if waived else None)


def test_without_a_copy_nothing_ends() -> None:
    """Nor where the last day is the last one there is."""
    text = "exceptions: [{rule: require-app, namespace: old, owner: a, reason: b, until: 9999-12-31}]"
    assert changes_at(policy(text), NOW) is None
    assert changes_at(policy(f"twin: true\n{text}"), NOW) is None


def test_whom_it_does_not_ask_about() -> None:
    """Exempt users and groups, our own accounts, and what controllers make where owners may be older."""
    text = "exempt: {users: [ann], groups: [robots], serviceAccounts: [flux/helm]}\nworkloads: {existing: judge}"
    [found, _] = written(text)
    said = {one["name"]: one["expression"] for one in found["spec"]["matchConditions"]}
    assert said["user"] == '!(request.userInfo.username in ["ann"])'
    assert '"system:serviceaccount:flux:helm"' in said["account"]
    assert '"system:serviceaccount:guards:catflap-controller"' in said["own"]
    assert '"robots"' in said["group"]
    assert '"catflap:break-glass"' in said["break-glass"]
    assert "existing" not in said
    assert "existing" in {one["name"] for one in written()[0]["spec"]["matchConditions"]}
