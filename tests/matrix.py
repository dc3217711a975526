"""Each kind of rule, about each resource, in each mode: the objects, and what each rule does to them.

The objects are those of the rules' own cases (tests/cases/rules), so a new rule, kind or mode is in the matrix by itself. `catflap check`
(tests/unit/cli/test_matrix.py) and the server (tests/server/test_matrix.py) are held to the same expectations.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.reviews import namespace, pod
from webhook.guard.preview import Effect
from webhook.model.custom_rule import ALL_WORKLOADS
from webhook.model.kinds import POD_MAKERS, PodMaker
from webhook.model.modes import Mode
from webhook.model.request import PolicyObject
from webhook.model.workload import Workload
from webhook.review.manifests import documents, read
from webhook.rules import RULES

Json = dict[str, Any]

FOLDER: Final = Path(__file__).parent / "cases" / "rules"
HEAD: Final = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy"}
# What a mode does with the faults of a rule.
EFFECTS: Final = {Mode.ENFORCE: Effect.REFUSED, Mode.WARN: Effect.WARNED, Mode.AUDIT: Effect.RECORDED, Mode.OFF: None}
# A custom rule about everything that it can be about, and that is always true.
HARMLESS: Final[Json] = {"id": "always-true", "resources": [ALL_WORKLOADS], "cel": "object.kind != ''"}
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
def cases(rule: str) -> Mapping[tuple[str, str], tuple[Json, Json]]:
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


def policy_text(file: Json, modes: Mapping[str, Mode], custom: Iterable[Json] = ()) -> str:
    """The text of a policy file with rules in these modes, and with custom rules."""
    rules = {**file.get("rules", {}), **{rule: str(mode) for rule, mode in modes.items()}}
    return yaml.safe_dump({**file, "rules": rules, "custom": list(custom)})


def never_true(resource: str, number: int = 0) -> Json:
    """A custom rule that refuses each object of a resource; the number tells several apart."""
    return {"id": f"never-true-{'x' * (number + 1)}", "resources": [resource], "cel": "object.kind == ''"}


def is_judged_at_creation(rule: str) -> bool:
    """Whether a rule is about objects, and not about a change of one."""
    return RULES[rule].about in {Workload, PolicyObject}


def expected_of_case(rule: str, mode: Mode) -> set[Effect]:
    """What a rule does to an object of its cases."""
    effect = EFFECTS[mode]
    return {effect} if effect and is_judged_at_creation(rule) else set()


def possible(rule: str, mode: Mode, manifest: Json) -> set[Effect]:
    """What a rule may do to any object: what its mode says or nothing, and nothing to what it is not about."""
    subject = read(manifest, default_namespace="shop").subject
    return expected_of_case(rule, mode) if isinstance(subject, RULES[rule].about) else set()


def expected_of_custom(resource: str, mode: Mode, manifest: Json) -> set[Effect]:
    """What a custom rule that is never true does to any object."""
    effect = EFFECTS[mode]
    return {effect} if effect and group_and_kind(manifest) in makers(resource) else set()


def makers(resource: str) -> set[tuple[str, str]]:
    """The kinds that a rule about a resource judges."""
    found: tuple[PodMaker, ...] = POD_MAKERS if resource == ALL_WORKLOADS else (NAMES[resource],)
    return {(one.group, one.kind) for one in found}


def every_object() -> Iterator[Json]:
    """One object of each kind that is judged, and some that are not."""
    seen: dict[tuple[str, str], Json] = {}
    for rule in RULES:
        seen = {kind: manifest for kind, (_, manifest) in cases(rule).items()} | seen
    yield from (*seen.values(), pod({"app": "web", "role": "frontend"}), *UNJUDGED)


OBJECTS: Final = tuple(every_object())
NAMES: Final = {f"{one.resource}.{one.group}".removesuffix("."): one for one in POD_MAKERS}
RESOURCES: Final = (*NAMES, ALL_WORKLOADS)
