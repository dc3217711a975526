"""Parse the text of a policy file into a policy and its digest."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from msgspec import Struct
from pydantic import ValidationError

from webhook.config.contradictions import CHECKS, contradictions
from webhook.config.custom import custom_ids
from webhook.config.faults import BadPolicy, NoPolicy, PolicyFault, readable, unknown_rule
from webhook.config.places import Step, written
from webhook.config.reading import CONFIG_CHECK, Written, read
from webhook.config.renamed_keys import with_current_names
from webhook.config.sound import Gaps, gaps, judged
from webhook.config.unknown_keys import unknown_key
from webhook.config.wording import OR_LIST, Refused, worded
from webhook.model.abbreviation import shortened
from webhook.model.distinct_values import TWICE
from webhook.model.policy import GuardPolicy
from webhook.rules import RULES
from webhook.syntax.values import ANY, FileValue, describe_type

DIGEST_LENGTH = 16
GROUP, KIND = "catflap.dev", "GuardPolicy"
EMPTY = (
    f"the file is empty; the shortest valid policy file is apiVersion: {GROUP}/v1 and kind: {KIND}; catflap "
    "config show prints a policy file with every key"
)
UNREAD = Gaps(frozenset({()}), frozenset({()}))  # for a file without any part that can be read as a policy
HEAD = frozenset({"apiVersion", "kind"})
EVERY = frozenset({"*", "all", "default"})  # what users write for every rule
IN_VALUES = "policy"  # the key of the chart's values that has the policy file
MOST_TOLD = 50  # faults of one file
COMMENT = "; YAML comments start with #, not with // or /*"


class Loaded(Struct, frozen=True):
    """A policy with the digest of the text that it was read from, and warnings about keys of earlier releases."""

    policy: GuardPolicy
    digest: str
    warnings: tuple[PolicyFault, ...] = ()


class Examined(Struct, frozen=True):
    """What a text says and what is wrong with it; `policy` is None where something is broken, and `found` says where."""

    said: Written
    faults: tuple[PolicyFault, ...]
    found: Gaps
    policy: GuardPolicy | None = None


def parse(text: str, first: int = 1) -> Loaded:
    """Return the policy in `text`; raises BadPolicy with every fault, each with its place in the text.

    It raises NoPolicy, which is a BadPolicy, for a text without content. `first` is the number of the text's first line
    in its file; messages use it to name lines.
    """
    found = examined(text, first)
    if found.faults or found.policy is None:
        raise BadPolicy(found.faults)
    return Loaded(policy=found.policy, digest=digest(text), warnings=found.said.warnings)


def examined(text: str, first: int = 1) -> Examined:
    """Return the content of `text` as a policy file with every fault; raises NoPolicy for a text without content."""
    said = with_current_names(read(text, first), first)
    if said.content is None and not said.faults:
        raise NoPolicy([PolicyFault("", EMPTY)])
    if not isinstance(said.content, dict):
        expected = PolicyFault(
            "", f"expected a mapping with apiVersion and kind, got {describe_type(said.content)}{text_in(said.content)}"
        )
        return Examined(said, tuple(told([] if said.faults else [expected], said)), UNREAD)
    if other := another_object(said.content) or chart_values(said.content):
        return Examined(said, tuple(told([other], said)), UNREAD)
    refused: list[PolicyFault] = []
    broken, policy = set(said.broken), None
    try:
        policy = GuardPolicy.model_validate(said.content)
    except ValidationError as bad:
        refused = list(faults(bad, said))
        broken |= set(broken_by(bad, said.content))
    found = gaps(broken)
    whole = contradictions(policy) if policy and not broken else judged(said.content, found, CHECKS)
    known = {fault.path for fault in refused}
    others = (fault for fault in whole if fault.path not in known)
    wrong = told(chain(refused, unknown_rules(said.content, found), others), said)
    return Examined(said, tuple(wrong), found, None if broken else policy)


def broken_by(bad: ValidationError, content: Any) -> Iterator[tuple[Step, ...]]:
    """Yield each path of a file at which the model refuses a value."""
    for error in bad.errors(include_url=False, include_input=False):
        path = tuple(steps(error["loc"], content))
        if error["type"] == TWICE:
            yield from ((*path, number) for number in error["ctx"]["places"])
        else:
            yield from unknown_key(path) if error["type"] == "extra_forbidden" else [path]


def text_in(content: Any) -> str:
    """Return a text as the end of a sentence about it; empty for any other value.

    The reader sees which part of the file YAML takes as text.
    """
    if not isinstance(content, str):
        return ""
    return f": {FileValue(content).quoted}{COMMENT if content.startswith(('//', '/*')) else ''}"


def chart_values(content: dict[Any, Any]) -> PolicyFault | None:
    """Return the fault of a values file of the Helm chart; None for a text that is meant as a policy file."""
    if HEAD.isdisjoint(content) and isinstance(content.get(IN_VALUES), dict):
        message = (
            "this looks like values of the Helm chart; check the policy file that the chart renders from "
            f"them: helm template NAME CHART -f FILE | {CONFIG_CHECK}"
        )
        return PolicyFault(IN_VALUES, message)
    return None


def another_object(content: dict[Any, Any]) -> PolicyFault | None:
    """Return the fault of a manifest of another kind; None for a text that is meant as a policy file."""
    kind, version = content.get("kind"), content.get("apiVersion")
    if not (isinstance(kind, str) and isinstance(version, str)) or kind == KIND or version.partition("/")[0] == GROUP:
        return None
    what = f"{shortened(version)} {shortened(kind)}"
    return PolicyFault("kind", f"this is a {what}; a policy file has apiVersion: {GROUP}/v1 and kind: {KIND}")


def told(found: Iterable[PolicyFault], said: Written) -> list[PolicyFault]:
    """Return the faults of a file as users read them, together with the faults of reading.

    The list is in the order of the text, has each fault once, and has a maximum length.
    """
    unread = {written(step for step in path if step != ANY) for path in said.broken} | {
        fault.path for fault in said.faults
    }
    first: dict[PolicyFault, None] = {}
    for fault in chain(said.faults, (one for one in found if one.path not in unread)):
        place = fault.place or said.place(fault.path)
        path = said.as_in_text(fault.path)
        path = f'{path[:-1]}[""]' if path.endswith(".") else path  # the last key is empty
        first[PolicyFault(readable(path), readable(fault.message), place)] = None
        if len(first) > MOST_TOLD:
            break
    listed = sorted(first, key=lambda one: (one.place or (0, 0), str(one)))
    more = (
        [PolicyFault("", f"the file has more than {MOST_TOLD} errors; fix these first")]
        if len(listed) > MOST_TOLD
        else []
    )
    return listed[:MOST_TOLD] + more


def unknown_rules(content: dict[Any, Any], found: Gaps) -> Iterator[PolicyFault]:
    """Yield a fault for each id under `rules` that no rule has, because the model does not know the rules."""
    known = dict.fromkeys([*RULES, *custom_ids(content)])
    if any(path[:1] == ("custom",) and path[2:] in {(), ("id",)} for path in found.paths) or (ANY,) in found.paths:
        return  # a custom rule whose id cannot be read may have any id
    said = [("rules", content.get("rules"))]
    namespaces = content.get("namespaces")
    overrides = namespaces.get("overrides") if isinstance(namespaces, dict) else None
    for number, one in enumerate(overrides if isinstance(overrides, list) else ()):
        said.append((f"namespaces.overrides[{number}].rules", one.get("rules") if isinstance(one, dict) else None))
    for path, rules in said:
        for id_ in rules if isinstance(rules, dict) else ():
            if id_ not in known:
                every = PolicyFault(
                    f"{path}.{id_}", f"unknown rule {id_!r}; the mode of every rule is the key mode at the top level"
                )
                yield every if id_ in EVERY else unknown_rule(f"{path}.{id_}", id_, known)


def digest(text: str) -> str:
    """Return the first 64 bits of the text's SHA-256, which name its version in records, annotations and metrics."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def faults(bad: ValidationError, said: Written) -> Iterator[PolicyFault]:
    """Yield each of pydantic's complaints with the path and in the words of the file."""
    for error in bad.errors(include_url=False):
        kind, value = error["type"], error["input"]
        if kind == "too_short" and value:
            continue  # an item of the list has the fault, and has a complaint of its own
        path, last = tuple(steps(error["loc"], said.content)), error["loc"][-1:]
        is_union = any(map(is_member, last)) and path[-1:] != last
        if is_union and is_of_other(kind, value):
            # the union takes a word or a list, and the complaint of its other member describes the fault
            continue
        if kind == TWICE:
            yield from repeated(path, value, error["ctx"]["places"])
            continue
        refused = Refused(path, value, said.written(path), {**error.get("ctx", {}), OR_LIST: is_union}, error["msg"])
        yield PolicyFault(written(path), worded(kind, refused))


def repeated(path: tuple[Step, ...], values: Any, places: Mapping[int, int]) -> Iterator[PolicyFault]:
    """Yield a fault for each item that its list has already; `places` maps later positions to first positions."""
    for number, first in places.items():
        message = f"{FileValue(values[number]).quoted} is a duplicate of {path[-1]}[{first}]; remove one of the two"
        yield PolicyFault(written((*path, number)), message)


def is_of_other(kind: str, value: Any) -> bool:
    """Return whether the complaint of one member of a union of words and a list is left to the other member."""
    return isinstance(value, list) if kind == "literal_error" else kind == "tuple_type"


def steps(loc: Iterable[Step], content: Any) -> Iterator[Step]:
    """Yield the steps of a location that are keys of the file, without members of a union and wrappers."""
    for step in loc:
        inside = isinstance(content, dict) and step in content
        if not inside and is_member(step):
            continue
        if inside or (isinstance(content, list) and isinstance(step, int) and step < len(content)):
            content = content[step]
        yield step


def is_member(step: Step) -> bool:
    """Return whether a step names a member of a union or a wrapper, such as `literal['none','all']`."""
    return isinstance(step, str) and any(mark in step for mark in "[(")
