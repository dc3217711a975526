"""Check that each refused value has a message in the words of the file."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.config.reading import read
from webhook.model.policy import GuardPolicy

# The words of pydantic, PyYAML, ANTLR and Python, which no author of a policy file uses.
FOREIGN: Final = re.compile(
    r"Input should|valid string|validation|Field required|Extra inputs|pydantic|_type\b|Tuple|tuple|\bdict\b|NoneType|<EOF>"
    r"|while (?:parsing|scanning)|Traceback|<class|Error:|Expected|\bstr\b|\bint\b|\bfloat\b|\bbool\b|\bNone\b|\bTrue\b|\bFalse\b|datetime"
    r"|\$\.|host bits|does not appear|out of range|codec|recursion"
)
WRONG: Final[tuple[Any, ...]] = (
    None, True, False, 0, -5, 8080, 1.5, 10**30, "", "no", "Enforce", "x" * 400, "a b", [], [None], [True], [8080], ["a", "a"], [["a"]],
    [{}], {}, {"a": 1}, {"a": None}, {"a": {"b": []}}, ["x"] * 1100,
)  # fmt: skip


def keys(model: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield each path of the policy file that has a key; lists by their first item."""
    for field in model.model_fields.values():
        here = (*path, field.alias)
        yield here
        for inner, is_list in models(field.annotation):
            yield from keys(inner, (*here, 0) if is_list else here)


def models(annotation: Any, *, is_list: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield the models inside an annotation; the flag says whether the model is an item of a list."""
    if hasattr(annotation, "model_fields"):
        yield annotation, is_list
    origin = getattr(annotation, "__origin__", None)
    for inner in getattr(annotation, "__args__", ()) if origin is not dict else ():
        yield from models(inner, is_list=is_list or origin is tuple)


def placed(path: tuple[str | int, ...], value: Any) -> Any:
    """Return a value at a path in an otherwise empty object."""
    for step in reversed(path):
        value = [value] if isinstance(step, int) else {step: value}
    return value


PATHS: Final = tuple(keys(GuardPolicy))


def messages(content: Any) -> list[str]:
    """Return each fault of a policy file."""
    try:
        parse(yaml.safe_dump({"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", **content}, sort_keys=False))
    except BadPolicy as bad:
        return [str(fault) for fault in bad.faults]
    return []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_no_wrong_value_is_answered_in_a_librarys_words(path: tuple[str | int, ...]) -> None:
    """The test tries each wrong value at each key of the file."""
    answers = [messages(placed(path, value)) for value in WRONG]
    assert [answer for told in answers for answer in told if FOREIGN.search(answer)] == []
    assert any(answers), "no value is wrong here"


def test_the_paths_are_those_of_the_file() -> None:
    """The paths include items of lists; without a path, no test would cover its key."""
    assert {("mode",), ("network", "flows", 0, "ports"), ("namespaces", "overrides", 0, "rules")} <= set(PATHS)
    assert len(PATHS) > 60


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("network: {flows: [{from: frontend, to: backend, ports: 80}]}", "80 is a number; expected a list: write ports: [80/TCP]"),
        ("network: {flows: [{from: frontend, to: backend, ports: 80/TCP}]}", "'80/TCP' is text; expected a list: write ports: [80/TCP]"),
        ("network: {flows: [{from: frontend, to: backend, ports: [0x50]}]}", ("0x50 is read as the number 80; a "
                                                                             "port needs a protocol: write 80/TCP")),
        ("network: {flows: [{from: frontend, to: backend, ports: [80/tcp]}]}", "did you mean 80/TCP?"),
        ("network: {clusterCIDRs: [10.0.0.1/8]}", ("'10.0.0.1/8' is an address inside a network; did you mean "
                                                  "10.0.0.0/8, or 10.0.0.1 for this single address?")),
        ("network: {clusterCIDRs: [10.0.0]}", "'10.0.0' is not a valid network: write 10.0.0.0/8 or fd00::/8"),
        ("validatingAdmissionPolicy: 'true'", "'true' is text; expected true or false: write true without quotes"),
        ("validatingAdmissionPolicy: on", ("'on' is text; expected true or false: write true; the words yes, no, on and off are text in "
                     "this file")),
        ("validatingAdmissionPolicy: 1", "1 is a number; expected true or false"),
        ("mode: no", "'no' is unknown; expected one of enforce, warn, audit, off; write off to turn it off (no is text in this file, and false where Helm or YAML 1.1 read it)"),
        ("mode: ENFORCE", "'ENFORCE' is unknown; expected one of enforce, warn, audit, off; did you mean 'enforce'?"),
        ("workloads:", "the value is missing; expected a mapping with keys such as app, role, require"),
        ("workloads: {role: {oneOf: [a, ~]}}", "~ is not a value; add a value, or remove the empty item"),
        ("workloads: {role: {label: [role]}}", ("this is a list; expected text; give one value without brackets "
                                               "and without '- '")),
        ("Mode: warn", "unknown key; did you mean 'mode'?"),
        ("roles: [frontend]", "this is a list; expected a mapping of keys and values (key: value): settings of single roles, by name"),
        ("roles: {data: {claims: {}}}", "unknown key; did you mean 'claim'?"),
        ("roles: {data: []}", "this is a list; expected a mapping with keys such as claim"),
    ],
)  # fmt: skip
def test_a_message_says_the_value_what_is_expected_and_how_to_write_it(lines: str, told: str) -> None:
    """The messages use the words of the file."""
    with pytest.raises(BadPolicy) as bad:
        parse(f"apiVersion: catflap.dev/v1\nkind: GuardPolicy\n{lines}\n")
    [fault] = bad.value.faults
    assert told in fault.message


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "require-app: warn",
            ("unknown key; the key rules contains the mode of a rule: write rules: {require-app: MODE}"),
        ),
        ("flows: []", "unknown key here; the policy file has this key at network.flows"),
        (
            "oneOf: [web]",
            ("unknown key here; the policy file has this key at workloads.role.oneOf and namespaces.environment.oneOf"),
        ),
        ("rules: {}\ncolour: red", "unknown key; the valid keys are apiVersion, kind, mode"),
    ],
)
def test_a_key_in_the_wrong_place_is_told_its_place(lines: str, told: str) -> None:
    """The user can move the key there."""
    [fault, *_] = messages(yaml.safe_load(lines))
    assert told in fault


# Wrong values, each at a path whose message proposes another value.
PORTS: Final = ("network", "flows", 0, "ports")
NEARLY: Final = [
    *((PORTS, one) for one in (99999, 0, -1, 80, 1.5, "99999/tcp", "80/tcp", "0/tcp", "90-80/tcp", "1-70000/tcp", "80", "http", "080/tcp")),
    *((PORTS, [one]) for one in (99999, 0, -1, 80, True, "99999/tcp", "80/tcp", "0/udp", "90-80/tcp", "80-90/udp", "65536/sctp")),
    *((("network", "clusterCIDRs"), [one]) for one in (
        "10.0.0.1/8", "10.1.2.3/33", "::ffff:10.0.0.0/104", "::ffff:10.0.0.1/104", "::ffff:1.2.3.4", "::ffff:0:0/96", "::ffff:0:0/95", "fd00::1/8",
        "0.0.0.1/0", "1", "::1/0", "10.0.0.1/255.0.0.0",
    )),
    *((("network", "clusterCIDRs"), one) for one in ("10.0.0.0/8", "a: b", "10.0.0.0/8, fd00::/8", 5)),
    *((("workloads", "role", "oneOf"), one) for one in ("frontend, backend", "a b", "a: b", "*x", "no", "[a", 5, True, "x, 5")),
    *((("workloads", "role", "oneOf"), [one]) for one in (5, 1.10, True, 10**30)),
    *((("namespaces", "reserved", "prefixes"), [one]) for one in ("team", "Team", "team-", "a_b", "x" * 63, "x" * 80, "-", "")),
    *((("mode",), one) for one in ("Enforce", "ENFORCE", "wran", "no", "yes", True, False, "of")),
    *((("validatingAdmissionPolicy",), one) for one in ("yes", "true", "TRUE", "off", "1", 1)),
    *((("network", "dns"), one) for one in ("kube-dn", "Auto", "no", "node_local")),
    *((("network", "presets"), one) for one in ("istio", "Istio", ["Istio"], ["kubelet-probe"])),
    *((("reports",), one) for one in ("Auto", "no", False, "on")),
]  # fmt: skip
PROPOSED: Final = re.compile(r"did you mean '?([^'?,; ]+)'?(?:, or (\S+) for this single address)?\?|write "
                             r"(\S+)/(TCP)(?=$)|write (?:\S+: )?(\[[^\]]*\])"
                             r'|write it in quotes: ("[^"]*")|write (true|false|off|\d+)(?= without|;|$)|as in (\S+)$')  # fmt: skip


@pytest.mark.parametrize(("path", "value"), NEARLY, ids=repr)
def test_each_value_that_a_message_proposes_is_valid(path: tuple[str | int, ...], value: Any) -> None:
    """The proposal leaves no fault at its place."""
    for fault in messages(placed(path, value)):
        for found in PROPOSED.finditer(fault):
            for text in filter(None, found.groups()):
                if text == "TCP":
                    continue
                proposed = read(f"{text}/TCP" if found[4] else text).content
                wanted = [proposed] if isinstance(value, list) and not isinstance(proposed, list) else proposed
                where = fault.partition(":")[0]
                left = [
                    one
                    for one in messages(placed(path, wanted))
                    if one.startswith(where.partition("[")[0]) and "key is missing" not in one
                ]
                assert left == [], (fault, text)


def test_proposals_are_found() -> None:
    """Otherwise the test above would check nothing."""
    told = [fault for path, value in NEARLY for fault in messages(placed(path, value)) if PROPOSED.search(fault)]
    assert len(told) > 40


def test_a_missing_key_with_one_value_is_told_as_it_is_written() -> None:
    """The key has only one value."""
    with pytest.raises(BadPolicy) as bad:
        parse("kind: GuardPolicy\n")
    assert str(bad.value) == "apiVersion: this key is missing; write apiVersion: catflap.dev/v1"
