"""Each kind of rule, about each resource, in each mode, offline: the level that the mode says, and never a traceback.

The objects are those of the rules' own cases (tests/cases/rules), so a new rule, kind or mode is in the matrix by itself.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.reviews import namespace, pod
from webhook.cli.check import judged
from webhook.config.parse import parse
from webhook.guard.preview import Effect, Setting, preview
from webhook.model.custom import WORKLOADS
from webhook.model.decision import Decision
from webhook.model.kinds import POD_MAKERS, POLICY_KINDS, PodMaker
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.request import PolicyObject
from webhook.model.workload import Workload
from webhook.review.manifests import documents, read, standing
from webhook.rules import RULES

Json = dict[str, Any]

FOLDER: Final = Path(__file__).parents[2] / "cases" / "rules"
HEAD: Final = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy"}
# What a mode does with the faults of a rule.
EFFECTS: Final = {Mode.ENFORCE: Effect.REFUSED, Mode.WARN: Effect.WARNED, Mode.AUDIT: Effect.RECORDED, Mode.OFF: None}
# A custom rule about everything that it can be about, and that is always true.
HARMLESS: Final[Json] = {"id": "always-true", "resources": [WORKLOADS], "cel": "object.kind != ''"}
UNJUDGED: Final = (
    namespace(),
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}},
    {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "a"}, "spec": {"template": {"metadata": {}}}},
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
)  # fmt: skip


def group_and_kind(manifest: Json) -> tuple[str, str]:
    """What names a kind, whatever its version."""
    return manifest["apiVersion"].rpartition("/")[0], manifest["kind"]


@cache
def cases(rule: str) -> dict[tuple[str, str], tuple[Json, Json]]:
    """One object of each kind that a rule refuses, with the policy file of its case."""
    found: dict[tuple[str, str], tuple[Json, Json]] = {}
    for case in sorted((FOLDER / rule / "deny").glob("*.yaml")):
        text = case.read_text(encoding="utf-8")
        objects = list(documents(text))
        file = objects.pop(0) if objects[0]["kind"] == HEAD["kind"] else HEAD
        if len(objects) in {1, text.count(f"# {rule}: ")}:  # of others one may be fine
            for manifest in objects:
                found.setdefault(group_and_kind(manifest), (file, manifest))
    return found


@cache
def policy_of(text: str) -> GuardPolicy:
    """The policy of a file, read once."""
    return parse(text).policy


def policy_with(file: Json, mode: Mode, rule: str, *custom: Json) -> GuardPolicy:
    """A policy file with a rule in a mode, and with custom rules."""
    rules = {**file.get("rules", {}), rule: str(mode)}
    return policy_of(yaml.safe_dump({**file, "rules": rules, "custom": list(custom)}))


def decision(manifest: Json, policy: GuardPolicy) -> Decision:
    """The decision of `catflap check` on one object."""
    found = read(manifest, default_namespace="shop", extra=policy.workloads.extra_by_kind)
    return judged(found, policy, own_namespace="catflap-system")


def effects(decided: Decision, rule: str) -> set[Effect]:
    """What came of a rule's faults."""
    by_effect = {
        Effect.REFUSED: decided.denied,
        Effect.WARNED: decided.warned,
        Effect.RECORDED: decided.audited,
    }
    return {effect for effect, found in by_effect.items() if any(one.rule == rule for one in found)}


def is_judged_at_creation(rule: str) -> bool:
    """Whether a rule is about objects, and not about a change of one."""
    return RULES[rule].about in {Workload, PolicyObject}


def every_object() -> Iterator[Json]:
    """One object of each kind that is judged, and some that are not."""
    seen: dict[tuple[str, str], Json] = {}
    for rule in RULES:
        seen = {kind: manifest for kind, (_, manifest) in cases(rule).items()} | seen
    yield from (*seen.values(), pod({"app": "web", "role": "frontend"}), *UNJUDGED)


OBJECTS: Final = tuple(every_object())
NAMES: Final = {f"{one.resource}.{one.group}".removesuffix("."): one for one in POD_MAKERS}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("rule", RULES)
def test_a_built_in_rule_does_what_its_mode_says(rule: str, mode: Mode) -> None:
    """To each kind that it is about; a custom rule about all workloads changes nothing."""
    expected = {EFFECTS[mode]} - {None} if is_judged_at_creation(rule) else set()
    for kind, (file, manifest) in cases(rule).items():
        for custom in ((), (HARMLESS,)):
            decided = decision(manifest, policy_with(file, mode, rule, *custom))
            assert effects(decided, rule) == expected, (kind, custom)
            assert not effects(decided, HARMLESS["id"])


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("rule", RULES)
def test_a_built_in_rule_has_no_other_effect_on_anything(rule: str, mode: Mode) -> None:
    """On whatever kind: what its mode says or nothing, and nothing on what it is not about."""
    policy = policy_with(HEAD, mode, rule, HARMLESS)
    for manifest in OBJECTS:
        found = read(manifest, default_namespace="shop", extra=policy.workloads.extra_by_kind)
        is_about = is_judged_at_creation(rule) and isinstance(found.subject, RULES[rule].about)
        possible = {EFFECTS[mode]} - {None} if is_about else set()
        assert effects(decision(manifest, policy), rule) <= possible, group_and_kind(manifest)


@pytest.mark.parametrize("rule", RULES)
def test_a_built_in_rule_is_in_the_matrix_with_every_kind_that_it_is_about(rule: str) -> None:
    """But those that a Pod alone has no such labels for, and the staged policies that open nothing."""
    about, found = RULES[rule].about, cases(rule).keys()
    if about is PolicyObject:
        assert {kind for _, kind in found} == {one.kind for one in POLICY_KINDS if not one.staged}
    elif is_judged_at_creation(rule):
        makers = {(one.group, one.kind) for one in POD_MAKERS}
        assert makers - found <= {("", "Pod")}
    else:
        assert found == set()  # a change has two objects


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("resource", [*NAMES, WORKLOADS])
def test_a_custom_rule_does_what_its_mode_says_to_its_own_resource_alone(resource: str, mode: Mode) -> None:
    """Whatever else is in the same files: other workloads, network policies, tiers, and what is not judged at all."""
    rule: Json = {"id": "never-true", "resources": [resource], "cel": "object.kind == ''"}
    policy = policy_with(HEAD, mode, rule["id"], rule)
    about = makers(resource)
    for manifest in OBJECTS:
        expected = {EFFECTS[mode]} - {None} if group_and_kind(manifest) in about else set()
        assert effects(decision(manifest, policy), rule["id"]) == expected, group_and_kind(manifest)


def makers(resource: str) -> set[tuple[str, str]]:
    """The kinds that a rule about a resource judges."""
    found: tuple[PodMaker, ...] = POD_MAKERS if resource == WORKLOADS else (NAMES[resource],)
    return {(one.group, one.kind) for one in found}


@pytest.mark.parametrize("mode", Mode)
def test_a_preview_of_everything_has_the_same_effects(mode: Mode) -> None:
    """By owner; an object of each kind stands by itself here."""
    rule: Json = {"id": "never-true", "resources": [WORKLOADS], "cel": "object.kind == ''"}
    policy = policy_with(HEAD, mode, rule["id"], rule)
    existing = []
    for manifest in OBJECTS:
        found = read(manifest, default_namespace="shop", extra=policy.workloads.extra_by_kind)
        existing.append(standing(found, manifest))
    [seen] = preview(existing, [policy], Setting(at=datetime.now(UTC)))
    assert {row.effect for row in seen.rows if row.rule == rule["id"]} == {EFFECTS[mode]} - {None}
