"""Test each kind of rule with each resource in each mode offline: the effect is the mode's, without a traceback.

The objects and the expectations are in tests/matrix.py.
"""

from datetime import UTC, datetime
from functools import cache

import pytest

from tests.matrix import (
    EFFECTS,
    HARMLESS,
    HEAD,
    OBJECTS,
    RESOURCES,
    Json,
    cases,
    expected_of_case,
    expected_of_custom,
    group_and_kind,
    is_judged_at_creation,
    never_true,
    policy_text,
    possible,
)
from webhook.admission.preview import Effect, PreviewContext, preview
from webhook.cli.check import decide_offline
from webhook.config.parse import parse
from webhook.model.custom_rule import ALL_WORKLOADS
from webhook.model.decision import Decision
from webhook.model.kinds import POD_MAKERS, POLICY_KINDS
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.request import PolicyObject
from webhook.review.existing_objects import as_existing
from webhook.review.manifests import read
from webhook.rules import RULES


@cache
def policy_of(text: str) -> GuardPolicy:
    """Return the policy of a file, which is read once."""
    return parse(text).policy


def policy_with(file: Json, mode: Mode, rule: str, *custom: Json) -> GuardPolicy:
    """Return a policy file with a rule in a mode, and with custom rules."""
    return policy_of(policy_text(file, {rule: mode}, custom))


def decision(manifest: Json, policy: GuardPolicy) -> Decision:
    """Return the decision of `catflap check` on one object."""
    found = read(manifest, default_namespace="shop", extra=policy.workloads.extra_by_kind)
    return decide_offline(found, policy, own_namespace="catflap-system")


def effects(decided: Decision, rule: str) -> set[Effect]:
    """Return the effects of a rule's violations."""
    by_effect = {
        Effect.REFUSED: decided.denied,
        Effect.WARNED: decided.warned,
        Effect.RECORDED: decided.audited,
    }
    return {effect for effect, found in by_effect.items() if any(one.rule == rule for one in found)}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("rule", RULES)
def test_built_in_rule_follows_its_mode(rule: str, mode: Mode) -> None:
    """The test has each kind that the rule is about; a custom rule about all workloads changes nothing."""
    for kind, (file, manifest) in cases(rule).items():
        for custom in ((), (HARMLESS,)):
            decided = decision(manifest, policy_with(file, mode, rule, *custom))
            assert effects(decided, rule) == expected_of_case(rule, mode), (kind, custom)
            assert not effects(decided, HARMLESS["id"])


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("rule", RULES)
def test_a_built_in_rule_has_no_other_effect_on_anything(rule: str, mode: Mode) -> None:
    """On any kind the rule has its mode's effect or none, and it has none on other kinds."""
    policy = policy_with(HEAD, mode, rule, HARMLESS)
    for manifest in OBJECTS:
        assert effects(decision(manifest, policy), rule) <= possible(rule, mode, manifest), group_and_kind(manifest)


@pytest.mark.parametrize("rule", RULES)
def test_matrix_has_each_built_in_rule_with_each_of_its_kinds(rule: str) -> None:
    """The exceptions are Pods without the labels of a rule, and staged policies, which open nothing."""
    about, found = RULES[rule].about, cases(rule).keys()
    if about is PolicyObject:
        assert {kind for _, kind in found} == {one.kind for one in POLICY_KINDS if not one.staged}
    elif is_judged_at_creation(rule):
        makers = {(one.group, one.kind) for one in POD_MAKERS}
        assert makers - found <= {("", "Pod")}
    else:
        assert found == set()  # a change has two objects


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("resource", RESOURCES)
def test_custom_rule_follows_its_mode_for_its_resource_only(resource: str, mode: Mode) -> None:
    """Other objects in the same files make no difference: workloads, network policies, tiers, and unjudged objects."""
    rule = never_true(resource)
    policy = policy_with(HEAD, mode, rule["id"], rule)
    for manifest in OBJECTS:
        found = effects(decision(manifest, policy), rule["id"])
        assert found == expected_of_custom(resource, mode, manifest), group_and_kind(manifest)


@pytest.mark.parametrize("mode", Mode)
def test_a_preview_of_everything_has_the_same_effects(mode: Mode) -> None:
    """The preview is by owner; here each object is its own owner."""
    rule = never_true(ALL_WORKLOADS)
    policy = policy_with(HEAD, mode, rule["id"], rule)
    existing = []
    for manifest in OBJECTS:
        found = read(manifest, default_namespace="shop", extra=policy.workloads.extra_by_kind)
        existing.append(as_existing(found, manifest))
    [seen] = preview(existing, [policy], PreviewContext(at=datetime.now(UTC)))
    assert {row.effect for row in seen.rows if row.rule == rule["id"]} == {EFFECTS[mode]} - {None}
