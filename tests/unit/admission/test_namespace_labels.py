"""Protection of namespace labels and names that grant privileges."""

import json
from typing import Any

import pytest

from tests.decisions import answered
from tests.reviews import namespace
from tests.unit.samples import asked, policy
from webhook.admission.decide import decide
from webhook.model.decision import Decision, Verdict
from webhook.model.reason import Reason, ReasonCode
from webhook.model.steps import complete

TEXT = """
namespaces:
  exempt: [vault]
  reserved: {prefixes: ["openshift-*"], groups: [platform]}
  labelledBy: [admins]
  overrides:
    - {names: ["lab-*"], mode: audit}
    - {labels: {tier: gold}, mode: warn}
roles:
  data: {claim: {namespaces: ["pay-*"], serviceAccounts: [pay-eu/db]}}
exempt: {serviceAccounts: [ci/robot]}
exceptions:
  - {rule: require-role, namespace: legacy, owner: team-a, reason: migration, until: 2026-01-31}
workloads: {role: {oneOf: [data]}}
"""


def decided(name: str, labels: Any = None, *, groups: Any = (), text: str = TEXT, **options: Any) -> Decision:
    """Return the decision on a namespace, by a user in these groups."""
    user = {"username": "ann", "groups": list(groups)}
    return answered(asked(namespace(name, labels), namespace=name, userInfo=user, **options), policy(text))


@pytest.mark.parametrize("name", ["vault", "openshift-x", "lab-7", "calico-system", "pay-us", "ci", "legacy"])
def test_a_name_that_gives_a_right_is_given_by_those_named(name: str) -> None:
    """Otherwise each user who may create namespaces could bypass rules, or get a role, by the choice of a name."""
    text = TEXT if name != "calico-system" else "namespaces: {reserved: {groups: [platform]}}"
    refused = decided(name, text=text)
    assert [(fault.rule, fault.path) for fault in refused.denied] == [("guard-labels", "metadata.name")]
    assert f"the namespace name {name} is reserved: only members of platform may create it" in refused.message
    assert decided(name, groups=["platform"], text=text) == Decision(
        Reason(ReasonCode.AUTHORIZED_GROUP, "member of platform")
    )
    assert decided(name, groups=["catflap:break-glass"], text=text).verdict is Verdict.EXEMPT


@pytest.mark.parametrize("name", ["vaults", "openshift", "a-openshift-x", "lab", "shop", "pay", "ci-2"])
def test_every_other_name_is_anybodys(name: str) -> None:
    """Prefixes match the beginning, names match exactly."""
    assert decided(name) == Decision(Reason(ReasonCode.NO_VIOLATION))


def test_an_older_one_of_that_name_may_be_changed() -> None:
    """Its name is what it was."""
    assert decided("openshift-x", {"a": "b"}, before=namespace("openshift-x")) == Decision(
        Reason(ReasonCode.NO_VIOLATION)
    )


@pytest.mark.parametrize(
    ("labels", "before"),
    [({"tier": "gold"}, None), ({"tier": "gold"}, {}), ({"tier": "tin"}, {"tier": "gold"}), ({}, {"tier": "gold"})],
)
def test_the_labels_of_overrides_are_guarded(labels: dict[str, str], before: dict[str, str] | None) -> None:
    """When set, changed and removed, because modes depend on them."""
    old = None if before is None else namespace("shop", before)
    refused = decided("shop", labels, before=old)
    assert [(fault.rule, fault.path) for fault in refused.denied] == [("guard-labels", "metadata.labels.tier")]
    assert decided("shop", labels, before=old, groups=["admins"]).reason == "member of admins"


def test_name_and_label_are_each_asked_about() -> None:
    """Who may do one may not therefore do the other."""
    labels = {"tier": "gold"}
    assert [fault.path for fault in decided("lab-1", labels).denied] == ["metadata.labels.tier", "metadata.name"]
    assert [fault.path for fault in decided("lab-1", labels, groups=["admins"]).denied] == ["metadata.name"]
    assert [fault.path for fault in decided("lab-1", labels, groups=["platform"]).denied] == ["metadata.labels.tier"]
    assert decided("lab-1", labels, groups=["admins", "platform"]).verdict is Verdict.EXEMPT


@pytest.mark.parametrize("text", ["namespaces: {exempt: [monitoring]}", "namespaces: {exempt: []}", ""])
@pytest.mark.parametrize("name", ["calico-apiserver", "calico-system", "tigera-operator"])
def test_a_name_that_decisions_trust_is_reserved_whatever_the_file_says(name: str, text: str) -> None:
    """An account in it may write policies, or make namespaces that are reserved."""
    assert [fault.path for fault in decided(name, text=text).denied] == ["metadata.name"]


@pytest.mark.parametrize(
    "text",
    [
        "breakGlass: {groups: ['system:serviceaccounts:ops']}",
        "exempt: {groups: ['system:serviceaccounts:ops']}",
        "exempt: {users: ['system:serviceaccount:ops:robot']}",
        "namespaces: {labelledBy: ['system:serviceaccounts:ops']}",
        "namespaces: {reserved: {groups: ['system:masters', 'system:serviceaccounts:ops']}}",
        "exempt: {serviceAccounts: [ops/robot]}",
    ],
)
def test_a_namespace_whose_accounts_the_file_names_is_reserved(text: str) -> None:
    """Who makes it makes such accounts."""
    assert decided("ops", text=text).verdict is Verdict.DENIED
    assert decided("ops", text="").verdict is Verdict.ALLOWED


@pytest.mark.parametrize(
    "principal",
    [
        "system:serviceaccounts:",
        "system:serviceaccount:UPPER:x",
        "system:serviceaccount:a'b:x",
        "system:serviceaccount:team*:x",
        "system:serviceaccountsx:ops",
        "my:system:serviceaccounts:ops",
    ],
)
def test_what_names_no_namespace_reserves_none(principal: str) -> None:
    """Nor does it become part of an expression."""
    assert (
        policy(f"exempt: {{groups: [{json.dumps(principal)}]}}").reserved_namespace_names
        == policy().reserved_namespace_names
    )


def test_the_namespace_of_catflap_itself_is_reserved() -> None:
    """If it does not exist yet, its creator would be exempt in it."""
    request = asked(namespace("guards"), namespace="guards", userInfo={"username": "ann", "groups": []})
    refused = complete(decide(request, policy(), own_namespace="guards"))
    assert [fault.path for fault in refused.denied] == ["metadata.name"]
