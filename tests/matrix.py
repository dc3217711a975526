"""The matrix of rules, resources and modes: the objects, and the expected effects of each rule.

The objects are those of the rules' own cases (tests/cases/rules), so a new rule, kind or mode is in the matrix by itself. `catflap check`
(tests/unit/cli/test_matrix.py) and the server (tests/server/test_matrix.py) share these expectations.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.reviews import namespace, pod
from webhook.admission.preview import Effect
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
# The effect of each mode on the violations of a rule.
EFFECTS: Final = {Mode.ENFORCE: Effect.REFUSED, Mode.WARN: Effect.WARNED, Mode.AUDIT: Effect.RECORDED, Mode.OFF: None}
# A custom rule for all workloads that is always true.
HARMLESS: Final[Json] = {"id": "always-true", "resources": [ALL_WORKLOADS], "cel": "object.kind != ''"}
UNJUDGED: Final = (
    namespace(),
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}},
    {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "a"}, "spec": {"template": {"metadata": {}}}},
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
)  # fmt: skip


def group_and_kind(manifest: Json) -> tuple[str, str]:
    """Return the group and the kind of an object."""
    return manifest["apiVersion"].rpartition("/")[0], manifest["kind"]


@cache
def cases(rule: str) -> Mapping[tuple[str, str], tuple[Json, Json]]:
    """Return one object of each kind that a rule refuses, with the policy file of its case."""
    found: dict[tuple[str, str], tuple[Json, Json]] = {}
    for case in sorted((FOLDER / rule / "deny").glob("*.yaml")):
        text = case.read_text(encoding="utf-8")
        objects = list(documents(text))
        file = objects.pop(0) if objects[0]["kind"] == HEAD["kind"] else HEAD
        if len(objects) in {1, text.count(f"# {rule}: ")}:  # other files may have objects without violations
            for manifest in objects:
                found.setdefault(group_and_kind(manifest), (file, manifest))
    if example := found.get(("apps", "Deployment")):
        for maker in filter(lambda one: one.template, POD_MAKERS):
            found.setdefault((maker.group, maker.kind), (example[0], as_kind(maker, example[1])))
    return found


def as_kind(maker: PodMaker, deployment: Json) -> Json:
    """Return an object of another kind with the pod template of a Deployment."""
    template = deployment["spec"]["template"]
    if maker.pod_metadata:
        template = {maker.pod_metadata: template.get("metadata", {}), **template.get("spec", {})}
    content = template
    for key in reversed(maker.template.split(".")):
        content = {key: content}
    return {**deployment, "apiVersion": f"{maker.group}/v1".lstrip("/"), "kind": maker.kind, "spec": {}, **content}


def policy_text(file: Json, modes: Mapping[str, Mode], custom: Iterable[Json] = ()) -> str:
    """Return the text of a policy file with these modes and custom rules."""
    rules = {**file.get("rules", {}), **{rule: str(mode) for rule, mode in modes.items()}}
    return yaml.safe_dump({**file, "rules": rules, "custom": list(custom)})


def never_true(resource: str, number: int = 0) -> Json:
    """Return a custom rule that refuses each object of a resource; the number makes its id unique."""
    return {"id": f"never-true-{'x' * (number + 1)}", "resources": [resource], "cel": "object.kind == ''"}


def is_judged_at_creation(rule: str) -> bool:
    """Return whether a rule is about objects, and not about changes of objects."""
    return RULES[rule].about in {Workload, PolicyObject}


def expected_of_case(rule: str, mode: Mode) -> set[Effect]:
    """Return the expected effects of a rule on an object of its cases."""
    effect = EFFECTS[mode]
    return {effect} if effect and is_judged_at_creation(rule) else set()


def possible(rule: str, mode: Mode, manifest: Json) -> set[Effect]:
    """Return the possible effects of a rule on any object; empty for kinds that the rule is not about."""
    subject = read(manifest, default_namespace="shop").subject
    return expected_of_case(rule, mode) if isinstance(subject, RULES[rule].about) else set()


def expected_of_custom(resource: str, mode: Mode, manifest: Json) -> set[Effect]:
    """Return the expected effects of a custom rule that is never true."""
    effect = EFFECTS[mode]
    return {effect} if effect and group_and_kind(manifest) in makers(resource) else set()


def makers(resource: str) -> set[tuple[str, str]]:
    """Return the kinds that a rule about a resource judges."""
    found: tuple[PodMaker, ...] = POD_MAKERS if resource == ALL_WORKLOADS else (NAMES[resource],)
    return {(one.group, one.kind) for one in found}


def every_object() -> Iterator[Json]:
    """Yield one object of each kind that is judged, and some of other kinds."""
    seen: dict[tuple[str, str], Json] = {}
    for rule in RULES:
        seen = {kind: manifest for kind, (_, manifest) in cases(rule).items()} | seen
    yield from (*seen.values(), pod({"app": "web", "role": "frontend"}), *UNJUDGED)


OBJECTS: Final = tuple(every_object())
NAMES: Final = {f"{one.resource}.{one.group}".removesuffix("."): one for one in POD_MAKERS}
RESOURCES: Final = (*NAMES, ALL_WORKLOADS)
