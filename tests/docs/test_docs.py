"""Test that the documentation is correct: generated pages are fresh, and examples are real."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from docs.generate import pages
from webhook.config.parse import parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "charts").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE_BLOCK = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")


def blocks(language: str) -> list[tuple[Path, str]]:
    """Return every code block of a language, with its page."""
    return [
        (page, text)
        for page in PAGES
        for found, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if found == language
    ]


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub derives them."""
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted(pages()), ids=lambda page: str(page.relative_to(ROOT)))
def test_generated_pages_are_fresh(page: Path) -> None:
    """`make docs` writes them."""
    assert page.read_text(encoding="utf-8") == pages()[page], f"{page.name} is stale: run `make docs`"


def test_policies_in_the_documentation_are_policies() -> None:
    """Each policy parses."""
    found = [text for _, text in blocks("yaml") if "kind: GuardPolicy" in text and "---" not in text]
    assert found
    for text in found:
        parse(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    """The test has the links within the project."""
    for target in LINK.findall(CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not anchor or path.suffix != ".md" or anchor in anchors(path), target


def test_every_target_that_the_readme_names_is_there() -> None:
    """`make help` lists the target."""
    named = set(re.findall(r"(?:`|\$ )make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= known


def test_the_page_of_commands_lists_each_command() -> None:
    """The page lists no other command."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `catflap ([a-z]+)", text, re.MULTILINE)
    done = subprocess.run([sys.executable, "-m", "webhook", "--help"], capture_output=True, text=True, check=True)
    known = re.findall(r"^  ([a-z]+) ", done.stdout.partition("Commands:")[2], re.MULTILINE)
    assert set(listed) == set(known)


def test_flags_in_the_documentation_exist() -> None:
    """Each `catflap VERB … --flag` of a console block is a flag of that verb."""
    for _, text in blocks("console"):
        for verb, rest in re.findall(r"catflap ([a-z]+)([^|\n]*)", text):
            if not rest.strip().startswith("-"):
                continue
            command = [sys.executable, "-m", "webhook", verb, "--help"]
            known = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            for flag in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest):
                assert flag in known, (verb, flag)


PATH: Final = re.compile(r"`((?:[\w-]+/)+(?:\w+\.\w+)?)`")


@pytest.mark.parametrize(("page", "root"), [("CONTRIBUTING.md", ROOT), ("docs/architecture.md", ROOT / "webhook")])
def test_each_file_that_engineers_are_sent_to_exists(page: str, root: Path) -> None:
    """The recipes of CONTRIBUTING.md name files from the root, the page of the architecture modules of the package."""
    named = PATH.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [one for one in named if not ((root / one).exists() or (ROOT / one).exists())] == []
