"""Names of modules, and texts that no file may contain."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.contracts.source import PACKAGE, ROOT, modules

# Names that do not describe the contents of a module.
EMPTY_WORDS: Final = {
    "base",
    "common",
    "core",
    "data",
    "helper",
    "helpers",
    "lib",
    "manager",
    "misc",
    "process",
    "util",
    "utils",
}
# Folders of a developer's machine. The pattern does not match this line itself.
MACHINE: Final = re.compile(r"(?<![\w.:/}~-])/(?:root|work|Users|home/(?!nonroot\b)[\w.]+)/")
# Where locked packages come from, so that no private index gets into the lock file.
PUBLIC_INDEXES: Final = {"https://pypi.org", "https://files.pythonhosted.org"}


def tracked() -> list[Path]:
    """Return the files that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout, so nothing tells which files are the project's")
    return [path for path in (ROOT / name for name in listed.stdout.split("\0") if name) if path.is_file()]


def test_no_module_has_a_name_that_says_nothing() -> None:
    """Names are meaningful, also as parts of longer names."""
    words = {(module.name, word) for module in modules() for word in re.split(r"[._]", module.name)}
    assert {(name, word) for name, word in words if word in EMPTY_WORDS} == set()


@pytest.mark.parametrize("top", [PACKAGE, ROOT / "tests"], ids=["webhook", "tests"])
def test_no_folder_shadows_the_standard_library(top: Path) -> None:
    """`import x` must be unambiguous."""
    folders = {path.parent.name for path in top.rglob("*.py")}
    assert folders & sys.stdlib_module_names == set()


def test_no_file_speaks_of_one_persons_machine() -> None:
    """Other machines do not have those folders."""
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        if (match := MACHINE.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["see /{}/a/b", "'/{}/x/'", "cd /{}/y/z", "=/{}/a/"])
@pytest.mark.parametrize("folder", ["root", "work", "Users", "home"])
def test_the_search_for_machines_finds_one(text: str, folder: str) -> None:
    """The pattern detects such folders."""
    assert MACHINE.search(text.format(folder))


def test_the_lock_file_names_public_indexes_only() -> None:
    """Every user can then install the locked packages."""
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^/\"]+", text)) <= PUBLIC_INDEXES
