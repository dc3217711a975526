"""The policy file's text to a policy and its digest."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from msgspec import Struct
from msgspec.structs import replace
from pydantic import BaseModel, ValidationError

from webhook.config.contradictions import contradictions
from webhook.config.custom import custom_ids
from webhook.config.faults import BadPolicy, PolicyFault, suggestion, unknown_rule
from webhook.config.places import nearest, place, places
from webhook.model.policy import GuardPolicy
from webhook.rules import RULES

# Far above any policy in use, and a ConfigMap holds 1 MiB at most.
LARGEST = 1 << 20
DIGEST_LENGTH = 16
# PyYAML raises whatever Python does for a tag that its value does not fit.
UNREADABLE = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError)
BOOLEAN = "tag:yaml.org,2002:bool"


class Loaded(Struct, frozen=True):
    """A policy with the digest of the text that it was read from."""

    policy: GuardPolicy
    digest: str


class PolicyLoader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is a fault, and `off`, `on`, `yes` and `no` are words (YAML 1.2)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002 (PyYAML's signature)
        """A mapping; raises yaml.constructor.ConstructorError for a key that stands twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


PolicyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOLEAN or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str) -> Loaded:
    """The policy that `text` says; raises BadPolicy with every fault, each with its place in the text."""
    if len(text) > LARGEST:
        raise BadPolicy([PolicyFault("", f"the file has {len(text)} characters, {LARGEST} are the most")])
    try:
        content = yaml.load(text, PolicyLoader)  # noqa: S506 (a SafeLoader)
    except UNREADABLE as bad:
        mark = getattr(bad, "problem_mark", None)
        why = f"not YAML: {' '.join(str(bad).split())}"
        raise BadPolicy([PolicyFault("", why, place(mark) if mark else None)]) from None
    if not isinstance(content, dict):
        raise BadPolicy([PolicyFault("", f"expected a mapping with apiVersion and kind, got {type(content).__name__}")])
    try:
        return Loaded(policy=validated(content), digest=digest(text))
    except BadPolicy as bad:
        known = places(yaml.compose(text, PolicyLoader))
        raise BadPolicy([replace(fault, place=nearest(fault.path, known)) for fault in bad.faults]) from None


def validated(content: dict[Any, Any]) -> GuardPolicy:
    """The policy of a parsed file; raises BadPolicy with every fault."""
    found = list(unknown_rules(content))
    try:
        policy = GuardPolicy.model_validate(content)
    except ValidationError as bad:
        raise BadPolicy(sorted({*faults(bad, content), *found}, key=str)) from None
    except RecursionError:
        raise BadPolicy([PolicyFault("", "nested too deeply")]) from None
    found += contradictions(policy)
    if found:
        raise BadPolicy(found)
    return policy


def unknown_rules(content: dict[Any, Any]) -> Iterator[PolicyFault]:
    """The ids under `rules` that no rule has; the model does not know the rules, and faults are told all at once."""
    known = list(dict.fromkeys([*RULES, *custom_ids(content)]))
    said = [("rules", content.get("rules"))]
    namespaces = content.get("namespaces")
    overrides = namespaces.get("overrides") if isinstance(namespaces, dict) else None
    for number, one in enumerate(overrides if isinstance(overrides, list) else ()):
        said.append((f"namespaces.overrides[{number}].rules", one.get("rules") if isinstance(one, dict) else None))
    for path, rules in said:
        for id_ in map(str, rules if isinstance(rules, dict) else ()):
            if id_ not in known:
                yield unknown_rule(f"{path}.{id_}", id_, known)


def digest(text: str) -> str:
    """What names one version of the file in records, annotations and metrics: the first 64 bits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def faults(bad: ValidationError, content: Any) -> Iterator[PolicyFault]:
    """Each of pydantic's complaints with a path as the file writes it."""
    for error in bad.errors(include_url=False):
        if error["type"] == "too_short" and error["input"]:
            continue  # an item of it is at fault, which is told by itself
        path = list(steps(error["loc"], content))
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "tuple_type":
            message = "Input should be a list"
        elif error["type"] == "too_short":
            message = "Input should have at least 1 item"
        elif error["type"] in {"model_type", "dict_type"}:
            message = "Input should be a mapping"
        elif error["type"] == "extra_forbidden":
            message = f"unknown key{suggestion(str(path[-1]), keys_at(path[:-1]))}"
        yield PolicyFault(written(path), message)


def steps(loc: Iterable[str | int], content: Any) -> Iterator[str | int]:
    """The steps of a location that are keys of the file; the others name members of a union, or a wrapper."""
    for step in loc:
        inside = isinstance(content, dict) and step in content
        if not inside and isinstance(step, str) and any(mark in step for mark in "[("):
            continue
        if inside or (isinstance(content, list) and isinstance(step, int) and step < len(content)):
            content = content[step]
        yield step


def written(path: Iterable[str | int]) -> str:
    """A path as a person writes it: `workloads.require[0].label`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def keys_at(path: Iterable[str | int]) -> list[str]:
    """The keys that the policy has at a path, for suggestions."""
    model: Any = GuardPolicy
    for step in path:
        if isinstance(step, int):
            continue
        field = next((f for f in model.model_fields.values() if f.alias == step), None)
        model = field and next((m for m in nodes(field.annotation)), None)
        if model is None:
            return []
    return [field.alias or "" for field in model.model_fields.values()]


def nodes(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `tuple[Requirement, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from nodes(inner)
