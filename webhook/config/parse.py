"""The policy file's text to a policy and its digest."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from msgspec import Struct
from pydantic import ValidationError

from webhook.config.contradictions import CHECKS, contradictions
from webhook.config.custom import custom_ids
from webhook.config.faults import BadPolicy, PolicyFault, readable, unknown_rule
from webhook.config.places import Step, written
from webhook.config.reading import Written, read
from webhook.config.sound import Gaps, gaps, judged, unknown_key
from webhook.config.wording import OR_LIST, Refused, worded
from webhook.model.abbreviation import shortened
from webhook.model.policy import GuardPolicy
from webhook.rules import RULES
from webhook.syntax.values import ANY, kind_of

DIGEST_LENGTH = 16
GROUP, KIND = "catflap.dev", "GuardPolicy"
MOST_TOLD = 50  # faults of one file
COMMENT = "; YAML has no comments with // or /*, but with #"


class Loaded(Struct, frozen=True):
    """A policy with the digest of the text that it was read from."""

    policy: GuardPolicy
    digest: str


def parse(text: str, first: int = 1) -> Loaded:
    """The policy that `text` says; raises BadPolicy with every fault, each with its place in the text.

    `first` is the number of the text's first line in its file, for messages that name lines.
    """
    said = read(text, first)
    if not isinstance(said.content, dict):
        advice = COMMENT if isinstance(said.content, str) and text.lstrip().startswith(("//", "/*")) else ""
        expected = PolicyFault("", f"expected a mapping with apiVersion and kind, got {kind_of(said.content)}{advice}")
        raise BadPolicy(told([] if said.faults else [expected], said))
    if other := another_object(said.content):
        raise BadPolicy(told([PolicyFault("kind", other)], said))
    refused: list[PolicyFault] = []
    broken = set(said.broken)
    try:
        policy = GuardPolicy.model_validate(said.content)
    except ValidationError as bad:
        refused = list(faults(bad, said))
        broken |= set(broken_by(bad, said.content))
    found = gaps(broken)
    whole = judged(said.content, found, CHECKS) if broken else contradictions(policy)
    if wrong := told(chain(refused, unknown_rules(said.content, found), whole), said):
        raise BadPolicy(wrong)
    return Loaded(policy=policy, digest=digest(text))


def broken_by(bad: ValidationError, content: Any) -> Iterator[tuple[Step, ...]]:
    """Each path of a file at which the model refuses something."""
    for error in bad.errors(include_url=False, include_context=False, include_input=False):
        path = tuple(steps(error["loc"], content))
        yield from unknown_key(path) if error["type"] == "extra_forbidden" else [path]


def another_object(content: dict[Any, Any]) -> str:
    """Return the sentence for a manifest of another kind; empty for what is meant as a policy file."""
    kind, version = content.get("kind"), content.get("apiVersion")
    if not (isinstance(kind, str) and isinstance(version, str)) or kind == KIND or version.partition("/")[0] == GROUP:
        return ""
    return (
        f"this is a {shortened(version)} {shortened(kind)}; a policy file has apiVersion: {GROUP}/v1 and kind: {KIND}"
    )


def told(found: Iterable[PolicyFault], said: Written) -> list[PolicyFault]:
    """What is wrong as people read it, with what was wrong when it was read: in the order of the text, each once, and no endless list."""
    unread = {written(step for step in path if step != ANY) for path in said.broken} | {
        fault.path for fault in said.faults
    }
    first: dict[PolicyFault, None] = {}
    for fault in chain(said.faults, (one for one in found if one.path not in unread)):
        place = fault.place or said.place(fault.path)
        first[PolicyFault(readable(fault.path), readable(fault.message), place)] = None
        if len(first) > MOST_TOLD:
            break
    listed = sorted(first, key=lambda one: (one.place or (0, 0), str(one)))
    more = [PolicyFault("", f"there is more to mend than these {MOST_TOLD} faults")] if len(listed) > MOST_TOLD else []
    return listed[:MOST_TOLD] + more


def unknown_rules(content: dict[Any, Any], found: Gaps) -> Iterator[PolicyFault]:
    """The ids under `rules` that no rule has; the model does not know the rules, and faults are told all at once."""
    known = dict.fromkeys([*RULES, *custom_ids(content)])
    if any(path[:1] == ("custom",) and path[2:] in {(), ("id",)} for path in found.paths) or (ANY,) in found.paths:
        return  # a custom rule whose id cannot be read may have any
    said = [("rules", content.get("rules"))]
    namespaces = content.get("namespaces")
    overrides = namespaces.get("overrides") if isinstance(namespaces, dict) else None
    for number, one in enumerate(overrides if isinstance(overrides, list) else ()):
        said.append((f"namespaces.overrides[{number}].rules", one.get("rules") if isinstance(one, dict) else None))
    for path, rules in said:
        for id_ in rules if isinstance(rules, dict) else ():
            if id_ not in known:
                yield unknown_rule(f"{path}.{id_}", id_, known)


def digest(text: str) -> str:
    """What names one version of the file in records, annotations and metrics: the first 64 bits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def faults(bad: ValidationError, said: Written) -> Iterator[PolicyFault]:
    """Each of pydantic's complaints with a path as the file writes it, in the file's words."""
    for error in bad.errors(include_url=False):
        kind, value = error["type"], error["input"]
        if kind == "too_short" and value:
            continue  # an item of it is at fault, which is told by itself
        path, last = tuple(steps(error["loc"], said.content)), error["loc"][-1:]
        is_union = any(map(is_member, last)) and path[-1:] != last
        if is_union and is_of_other(kind, value):
            continue  # a word or a list are asked for, and the other member of the union says what is wrong
        refused = Refused(path, value, said.written(path), {**error.get("ctx", {}), OR_LIST: is_union}, error["msg"])
        yield PolicyFault(written(path), worded(kind, refused))


def is_of_other(kind: str, value: Any) -> bool:
    """Whether the complaint of one member of a union of words and a list is left to the other one."""
    return isinstance(value, list) if kind == "literal_error" else kind == "tuple_type"


def steps(loc: Iterable[Step], content: Any) -> Iterator[Step]:
    """The steps of a location that are keys of the file; the others name members of a union, or a wrapper."""
    for step in loc:
        inside = isinstance(content, dict) and step in content
        if not inside and is_member(step):
            continue
        if inside or (isinstance(content, list) and isinstance(step, int) and step < len(content)):
            content = content[step]
        yield step


def is_member(step: Step) -> bool:
    """Whether a step names a member of a union, or a wrapper, such as `literal['none','all']`."""
    return isinstance(step, str) and any(mark in step for mark in "[(")
