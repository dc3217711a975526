"""Test that quotes in the troubleshooting pages exist in the code, and that files, links and headings exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from webhook.model.reason import ReasonCode

ROOT: Final = Path(__file__).parents[2]
TROUBLESHOOTING: Final = ROOT / "docs" / "troubleshooting.md"
PAGES: Final = (
    TROUBLESHOOTING,
    ROOT / "docs" / "faq.md",
    ROOT / "docs" / "versions.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
)
VARIES: Final = "…"
# The placeholders of logging, str.format and %.
PLACEHOLDER: Final = re.compile(r"%(?:\.\d+)?[sdrf]|\{[^{}\s]*\}")
MESSAGES: Final = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def trees() -> Iterator[ast.AST]:
    """Yield the syntax tree of each module of the product."""
    for path in sorted((ROOT / "webhook").rglob("*.py")):
        yield ast.parse(text(path))


def template(node: ast.expr) -> str:
    """Return a string of the code with `…` in place of each value, or an empty text for any other expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return PLACEHOLDER.sub(VARIES, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or VARIES for part in node.values)
    return ""


TEMPLATES: Final = frozenset(
    found for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.expr) and (found := template(node))
)


def takers_of_a_reason() -> set[str]:
    """Return the functions and methods that have a parameter for a reason, such as those that pass it to an Event."""
    made = [node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {
        one.name
        for one in made
        if any(each.arg in {"reason", "code"} for each in (*one.args.args, *one.args.kwonlyargs))
    }


def reasons() -> set[str]:
    """Return the reasons of Events: words in the first argument of `EventDetails`, or in a call that passes one."""
    calls = [node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    happened = [call.args[0] for call in calls if getattr(call.func, "id", "") == "EventDetails" and call.args]
    passing = takers_of_a_reason()
    alarms = [arg for call in calls if getattr(call.func, "attr", "") in passing for arg in call.args]
    variables = [
        node.value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "reason"
    ]
    parts = [part for one in (*happened, *alarms, *variables) for part in ast.walk(one)]
    words = {template(part) for part in parts if isinstance(part, ast.Constant)}
    attributes = [part for part in parts if isinstance(part, ast.Attribute)]
    words |= {str(ReasonCode[one.attr]) for one in attributes if getattr(one.value, "id", "") == "ReasonCode"}
    return {word for word in words if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", word)}


def conditions() -> set[str]:
    """Return the name of each check of readiness, as the status page prints it."""
    found: set[str] = set()
    for path in sorted((ROOT / "webhook" / "bootstrap").glob("*.py")):
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.Dict) and any(isinstance(value, ast.Lambda) for value in node.values):
                found |= {template(key) for key in node.keys if key is not None}
            if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "checks":
                found.add(template(node.slice))
    return found


def test_each_quoted_message_is_printed_by_the_product() -> None:
    """One line of a block is one string of the code, or a part of one."""
    quoted = [line for block in MESSAGES.findall(text(TROUBLESHOOTING)) for line in block.splitlines() if line]
    assert quoted
    missing = [line for line in quoted if not any(line in one for one in TEMPLATES)]
    assert missing == []


def test_each_message_in_a_table_is_printed_by_the_product() -> None:
    """The messages are in the first column of the tables of reasons."""
    page = text(TROUBLESHOOTING)
    tables = re.findall(r"^\| (?:reason|message contains) \|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    cells = [cell for table in tables for cell in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)]
    assert cells
    assert [cell for cell in cells if not any(cell in one for one in TEMPLATES)] == []


def test_each_event_of_the_product_is_explained() -> None:
    """No other Event is explained."""
    page = text(TROUBLESHOOTING)
    listed = set(re.findall(r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE))
    assert {*re.findall(r"Events? `([A-Z]\w+)`", page), *listed} == reasons()


def test_each_event_of_the_product_is_in_the_list_of_events() -> None:
    """The list has no other Event; a cell in the first column of the table may name several."""
    section = text(ROOT / "docs" / "reports.md").partition("\n## Events\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[A-Z][^|]*) \|", section, re.MULTILINE)
    listed = [word for row in rows for word in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(reasons())


def test_each_condition_of_readiness_is_explained() -> None:
    """No other condition is explained."""
    table = text(TROUBLESHOOTING).partition("<!-- conditions -->")[2].partition("<!-- conditions: end -->")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)) == conditions()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_metric_that_a_page_names_exists(page: Path) -> None:
    """The metric is in the table that another test compares with the programs."""
    known = set(re.findall(r"^\| `(catflap_\w+)`", text(ROOT / "docs" / "metrics.md"), re.MULTILINE))
    assert set(re.findall(r"catflap_\w+", text(page))) <= known


def test_each_target_that_the_guide_for_contributors_names_exists() -> None:
    """`make help` lists it."""
    named = set(re.findall(r"make ([a-z]+)`", text(ROOT / "CONTRIBUTING.md")))
    known = set(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))
    assert named
    assert named <= known


@pytest.mark.parametrize(("name", "longest"), [("CONTRIBUTING.md", 160), ("SECURITY.md", 80)])
def test_a_page_at_the_root_is_short(name: str, longest: int) -> None:
    """Users read all of it; engineers read one recipe of CONTRIBUTING.md at a time."""
    assert len(text(ROOT / name).splitlines()) < longest
