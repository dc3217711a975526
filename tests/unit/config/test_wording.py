"""The words for what the model refuses: whatever value is where another one is expected, the message is about the file."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.model.policy import GuardPolicy

# What pydantic, PyYAML, ANTLR and Python say, and nobody who writes a policy file.
FOREIGN: Final = re.compile(
    r"Input should|valid string|validation|Field required|Extra inputs|pydantic|_type\b|Tuple|tuple|\bdict\b|NoneType|<EOF>"
    r"|while (?:parsing|scanning)|Traceback|<class|Error:"
)
WRONG: Final[tuple[Any, ...]] = (
    None, True, False, 0, -5, 8080, 1.5, 10**30, "", "no", "Enforce", "x" * 400, "a b", [], [None], [True], [8080], ["a", "a"], [["a"]],
    [{}], {}, {"a": 1}, {"a": None}, {"a": {"b": []}}, ["x"] * 1100,
)  # fmt: skip


def keys(model: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Each path of the policy file that has a key; lists by their first item."""
    for field in model.model_fields.values():
        here = (*path, field.alias)
        yield here
        for inner, is_list in models(field.annotation):
            yield from keys(inner, (*here, 0) if is_list else here)


def models(annotation: Any, *, is_list: bool = False) -> Iterator[tuple[Any, bool]]:
    """The models inside an annotation, each with whether it is an item of a list."""
    if hasattr(annotation, "model_fields"):
        yield annotation, is_list
    origin = getattr(annotation, "__origin__", None)
    for inner in getattr(annotation, "__args__", ()) if origin is not dict else ():
        yield from models(inner, is_list=is_list or origin is tuple)


def placed(path: tuple[str | int, ...], value: Any) -> Any:
    """A value at a path, with nothing around it."""
    for step in reversed(path):
        value = [value] if isinstance(step, int) else {step: value}
    return value


PATHS: Final = tuple(keys(GuardPolicy))


def messages(content: Any) -> list[str]:
    """Each fault of a policy file."""
    try:
        parse(yaml.safe_dump({"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", **content}, sort_keys=False))
    except BadPolicy as bad:
        return [str(fault) for fault in bad.faults]
    return []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_no_wrong_value_is_answered_in_a_librarys_words(path: tuple[str | int, ...]) -> None:
    """At any key of the file."""
    answers = [messages(placed(path, value)) for value in WRONG]
    assert [answer for told in answers for answer in told if FOREIGN.search(answer)] == []
    assert any(answers), "no value is wrong here"


def test_the_paths_are_those_of_the_file() -> None:
    """Down to items of lists; what they lack would be tested by nothing."""
    assert {("mode",), ("network", "flows", 0, "ports"), ("namespaces", "overrides", 0, "rules")} <= set(PATHS)
    assert len(PATHS) > 60


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("network: {flows: [{from: frontend, to: backend, ports: 80}]}", "80 is a number; expected a list: write ports: [80/TCP]"),
        ("network: {flows: [{from: frontend, to: backend, ports: 80/TCP}]}", "'80/TCP' is text; expected a list: write ports: [80/TCP]"),
        ("network: {flows: [{from: frontend, to: backend, ports: [0x50]}]}", "0x50 is read as the number 80; a port has its protocol: write 80/TCP"),
        ("network: {flows: [{from: frontend, to: backend, ports: [80/tcp]}]}", "did you mean 80/TCP?"),
        ("network: {clusterCIDRs: [10.0.0.1/8]}", "'10.0.0.1/8' is an address inside a network; did you mean 10.0.0.0/8, or 10.0.0.1 for this address alone?"),
        ("network: {clusterCIDRs: [10.0.0]}", "'10.0.0' is no network: write 10.0.0.0/8 or fd00::/8"),
        ("twin: 'true'", "'true' is text; expected true or false: write true without quotes"),
        ("twin: on", "'on' is text; expected true or false: write true; in this file yes, no, on and off are text"),
        ("twin: 1", "1 is a number; expected true or false"),
        ("mode: no", "'no' is unknown; expected one of enforce, warn, audit, off; write off to turn it off"),
        ("mode: ENFORCE", "'ENFORCE' is unknown; expected one of enforce, warn, audit, off; did you mean 'enforce'?"),
        ("gate: {freshness: 5s}", "'5s' is text; expected a whole number"),
        ("gate: {freshness: '5'}", "'5' is text; expected a whole number: write 5 without quotes"),
        ("gate: {freshness: -1}", "-1 is too small; 0 is the least"),
        ("gate: {freshness: 99999}", "99999 is too large; 10000 is the most"),
        ("workloads:", "there is no value; expected a mapping with keys such as app, role, require"),
        ("workloads: {role: {oneOf: [a, ~]}}", "~ is no value; write one, or remove the empty item"),
        ("workloads: {role: {label: [role]}}", "this is a list; expected text, one value without brackets and without '- '"),
        ("Mode: warn", "unknown key; did you mean 'mode'?"),
    ],
)  # fmt: skip
def test_a_message_says_the_value_what_is_expected_and_how_to_write_it(lines: str, told: str) -> None:
    """As in the file."""
    with pytest.raises(BadPolicy) as bad:
        parse(f"apiVersion: catflap.dev/v1\nkind: GuardPolicy\n{lines}\n")
    [fault] = bad.value.faults
    assert told in fault.message


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("require-app: warn", "unknown key; a rule has its mode under rules: write rules: {require-app: MODE}"),
        ("flows: []", "unknown key here; the file has network.flows"),
        ("oneOf: [web]", "unknown key here; the file has workloads.role.oneOf and namespaces.environment.oneOf"),
        ("rules: {}\ncolour: red", "unknown key; the keys here are apiVersion, kind, mode"),
    ],
)
def test_a_key_in_the_wrong_place_is_told_its_place(lines: str, told: str) -> None:
    """A user moves it there."""
    [fault, *_] = messages(yaml.safe_load(lines))
    assert told in fault
