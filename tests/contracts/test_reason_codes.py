"""Reason codes: each is used, defined and published, and no program looks into the words of a reason."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest

from tests.contracts.source import ROOT, Module, modules
from webhook.audit.schema import RECORD_TYPES, TYPES_WITH_REASON, schema
from webhook.model.reason import ReasonCode

DEFINED_IN: Final = "webhook.model.reason"
# A condition's or an Event's `reason` in Kubernetes' API has this form.
FORM: Final = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")
# Whose `reason` is no prose of ours, by module: OpenSSL's own code of an error.
OTHERS: Final = {"webhook.tls.certificate_folder"}
WHY: Final = {"why", "reason"}  # what a Reason is called


@cache
def package() -> list[Module]:
    """Every module, parsed once."""
    return modules()


@cache
def referenced() -> dict[str, set[str]]:
    """Which modules name each code, by the name of the enum's member."""
    found: dict[str, set[str]] = {}
    for module in package():
        for node in ast.walk(module.tree) if module.name != DEFINED_IN else ():
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == ReasonCode.__name__:
                found.setdefault(node.attr, set()).add(module.name)
    return found


@pytest.mark.parametrize("code", ReasonCode)
def test_a_code_is_one_that_something_gives(code: ReasonCode) -> None:
    """The report and the command line read codes and give none."""
    givers = {
        name for name in referenced().get(code.name, ()) if not name.startswith(("webhook.report", "webhook.cli"))
    }
    assert givers


@pytest.mark.parametrize("code", ReasonCode)
def test_a_code_has_the_form_of_kubernetes_and_one_line_that_defines_it(code: ReasonCode) -> None:
    """It stands in a cell of a table."""
    assert FORM.fullmatch(code)
    assert re.fullmatch(r"[A-Zc`][^|\n]*\.", code.definition)


def test_no_two_codes_have_the_same_definition() -> None:
    """They would be one code."""
    assert len({code.definition for code in ReasonCode}) == len(ReasonCode)


def test_a_code_is_spelled_in_one_place() -> None:
    """An Event of the same name has the same meaning, so it is the same code."""
    spelled = [
        f"{module.name}: {node.value}"
        for module in package()
        if module.name != DEFINED_IN
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and node.value in set(map(str, ReasonCode))
    ]
    assert spelled == []


def test_the_schema_has_each_code_in_one_type_of_record() -> None:
    """In those that have a reason, and there it has to be."""
    parts = schema()["$defs"]
    by_type: dict[str, list[str]] = {}
    for kind in RECORD_TYPES:
        part = parts[kind.__name__]
        if found := part["properties"].get("reasonCode"):
            assert "reasonCode" in part["required"]
            by_type[part["properties"]["type"]["enum"][0]] = found["enum"]
    assert by_type.keys() == TYPES_WITH_REASON
    assert sorted(code for codes in by_type.values() for code in codes) == sorted(ReasonCode)


def test_the_page_defines_each_code() -> None:
    """In a row of its own."""
    page = (ROOT / "docs" / "reason-codes.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE) == list(ReasonCode)


def is_prose(node: ast.AST) -> bool:
    """Whether an expression is the words of a reason: as an attribute, or as a field of a record read back."""
    if isinstance(node, ast.Attribute):
        whose = getattr(node.value, "attr", getattr(node.value, "id", ""))
        return node.attr == "reason" or (node.attr == "words" and whose in WHY)
    key: Any = None
    if isinstance(node, ast.Subscript):
        key = node.slice
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get" and node.args:
        key = node.args[0]
    return isinstance(key, ast.Constant) and key.value == "reason"


def readings(tree: ast.AST, *, comparing: bool = True) -> Iterator[str]:
    """Where a program looks into the words of a reason: a method of a text, a part of it, a pattern; and, if `comparing`, a comparison."""
    for node in ast.walk(tree):
        looked_at: list[ast.AST] = []
        if isinstance(node, ast.Attribute | ast.Subscript):
            looked_at = [node.value]
        elif isinstance(node, ast.Call) and getattr(getattr(node.func, "value", None), "id", "") == "re":
            looked_at = [*node.args]
        elif comparing and isinstance(node, ast.Compare):
            looked_at = [node.left, *node.comparators]
        elif comparing and isinstance(node, ast.Match):
            looked_at = [node.subject]
        yield from (f"line {getattr(one, 'lineno', 0)}: {ast.unparse(node)}" for one in looked_at if is_prose(one))


def test_no_program_looks_into_the_words_of_a_reason() -> None:
    """Words are shown; what follows from a reason follows from its code."""
    found = {one.name: list(readings(one.tree)) for one in package() if one.name not in OTHERS}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_test_filters_by_the_words_of_a_reason() -> None:
    """A test may say what the words are; it finds records by their codes."""
    paths = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    found = {str(path.relative_to(ROOT)): list(readings(tree, comparing=False)) for path, tree in trees.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "text",
    [
        "entry.reason.startswith('restored')",
        "entry.reason.partition(':')[0]",
        "record['reason'].endswith('x')",
        "record.get('reason', '').endswith('x')",
        "decision.why.words[:3]",
        "re.match('a', entry.reason)",
        "'break-glass' in entry.reason",
        "entry.reason == 'created'",
        "entry.reason in {'created'}",
        "match entry.reason:\n    case 'created': pass",
    ],
)
def test_the_search_for_readings_finds_one(text: str) -> None:
    """It would be no use otherwise."""
    assert list(readings(ast.parse(text)))


@pytest.mark.parametrize("text", ["count(entry.reason)", "entry.reason_code == ReasonCode.X", "bool(entry.reason)"])
def test_the_search_for_readings_leaves_others_alone(text: str) -> None:
    """Words may be shown, and there may be none."""
    assert not list(readings(ast.parse(text)))
