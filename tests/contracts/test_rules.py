"""Each rule is a file with a title, a release and cases."""

import re
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from tests.contracts.source import PACKAGE, ROOT
from webhook.model.rule import Rule
from webhook.rules import RULES

FILES: Final = sorted(path.stem for path in (PACKAGE / "rules").glob("*.py") if path.stem != "__init__")
RELEASE: Final = re.compile(r"[0-9]+\.[0-9]+")


def of(file: str) -> Rule:
    """Return the rule in a file."""
    return import_module(f"webhook.rules.{file}").RULE  # type: ignore[no-any-return]


def test_every_file_is_a_rule_and_every_rule_a_file() -> None:
    """Rules are discovered, and the id is the name of the file."""
    assert {file.replace("_", "-"): of(file) for file in FILES} == dict(RULES)


@pytest.mark.parametrize("file", FILES)
def test_a_rule_has_a_title_and_the_release_that_brought_it(file: str) -> None:
    """The title is one sentence, because lists show it."""
    rule = of(file)
    assert re.fullmatch(r"[A-Z][^.]*\.", rule.title)
    assert RELEASE.fullmatch(rule.since)
    assert rule.check.__module__ == f"webhook.rules.{file}"
    assert rule.check.__doc__


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_its_cases(rule: str) -> None:
    """Each rule has a folder of cases."""
    cases = ROOT / "tests" / "cases" / "rules" / rule
    assert {path.name for path in cases.iterdir()} == {"allow", "deny"}


def test_a_rule_is_added_by_one_file() -> None:
    """Nothing names the rules one by one: not the registry, nor anything else in the package."""
    others = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "rules"]
    naming = {(path.name, rule) for path in others for rule in RULES if spells(path, rule)}
    assert naming == set()


def spells(path: Path, rule: str) -> bool:
    """Return whether a file has the id of a rule as a word."""
    return re.search(rf"(?<![\w-]){rule}(?![\w-])", path.read_text(encoding="utf-8")) is not None
