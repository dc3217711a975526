"""Tests of the ValidatingAdmissionPolicy that is rendered; its effect is tested with a real API server."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.samples import policy
from webhook.controller.admission_policy import admission_policy, next_expiry

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RULES = ["keep-role", "known-role", "no-alias-conflict", "no-reserved-label", "require-app", "require-role"]


def written(text: str = "", at: datetime = NOW) -> tuple[dict[str, Any], ...]:
    """Return both objects for a file that asks for them."""
    return admission_policy(policy(f"validatingAdmissionPolicy: true\n{text}"), own_namespace="guards", at=at)


def validations(text: str = "", at: datetime = NOW) -> list[str]:
    """Return the rules of the validations, in order."""
    [found, _] = written(text, at)
    return [one["message"].partition(":")[0] for one in found["spec"]["validations"]]


def variables(text: str = "", at: datetime = NOW) -> dict[str, str]:
    """Return the expression of each variable."""
    [found, _] = written(text, at)
    return {one["name"]: one["expression"] for one in found["spec"]["variables"]}


def test_nothing_is_written_that_was_not_asked_for() -> None:
    """The policy is opt-in, and the API server rejects a policy without validations."""
    assert admission_policy(policy(), own_namespace="guards", at=NOW) == ()
    assert written('mode: "off"') == written("mode: warn") == ()


def test_what_binds_it_refuses() -> None:
    """The policy comes before its binding."""
    found, binding = written()
    assert (found["kind"], found["spec"]["failurePolicy"]) == ("ValidatingAdmissionPolicy", "Fail")
    assert binding["spec"] == {"policyName": "catflap-labels", "validationActions": ["Deny"]}


def test_it_has_the_rules_that_refuse_and_can_be_said() -> None:
    """It has the label rules; rules that only warn are left to the server."""
    assert list(dict.fromkeys(validations())) == RULES
    assert "known-role" not in validations("rules: {known-role: warn}")
    further = (
        "workloads: {require: [{label: team, oneOf: [a]}, {label: stage, matches: b}]}\n"
        "roles: {data: {claim: {namespaces: [shop], serviceAccounts: [shop/store]}}}"
    )
    found = Counter(validations(further))
    assert found - Counter(validations()) == {"require-label": 2, "role-claim": 2}


def test_a_label_without_aliases_is_in_conflict_with_none() -> None:
    """An empty list would have no type in CEL."""
    assert validations().count("no-alias-conflict") == 1
    assert validations("workloads: {role: {aliases: []}}").count("no-alias-conflict") == 0


def test_where_a_rule_refuses_is_said_before_what_it_asks() -> None:
    """The number of the first matching override decides; a rule that enforces in one namespace only is listed for it."""
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
    """The controller knows when to write the policy again."""
    text = "exceptions: [{rule: require-app, namespace: old, owner: a, reason: b, until: 2026-11-30}]"
    assert variables(text, at)["require_app"].endswith(' && !(request.namespace in ["old"])') is waived
    assert '"old"' not in variables(text, at)["require_role"]
    end = next_expiry(policy(f"validatingAdmissionPolicy: true\n{text}"), at)
    assert end == (datetime(2026, 12, 1, tzinfo=UTC) if waived else None)


def test_without_a_copy_nothing_ends() -> None:
    """An exception without an end date never expires."""
    text = "exceptions: [{rule: require-app, namespace: old, owner: a, reason: b, until: 9999-12-31}]"
    assert next_expiry(policy(text), NOW) is None
    assert next_expiry(policy(f"validatingAdmissionPolicy: true\n{text}"), NOW) is None


def test_whom_it_does_not_ask_about() -> None:
    """It excludes exempt users and groups, catflap's accounts, and controllers whose owners may be older."""
    text = (
        "exempt: {users: [ann], groups: [robots], serviceAccounts: [flux/helm]}\nworkloads: {existingWorkloads: judge}"
    )
    [found, _] = written(text)
    said = {one["name"]: one["expression"] for one in found["spec"]["matchConditions"]}
    assert said["user"] == '!(request.userInfo.username in ["ann"])'
    assert '"system:serviceaccount:flux:helm"' in said["account"]
    assert '"system:serviceaccount:guards:catflap-controller"' in said["own"]
    assert '"robots"' in said["group"]
    assert '"catflap:break-glass"' in said["break-glass"]
    assert "existing" not in said
    assert "existing" in {one["name"] for one in written()[0]["spec"]["matchConditions"]}
