"""Test that the page about the audit log is correct."""

import hashlib
import json
import re
from pathlib import Path

from tests.unit.audit.logs import write_two_chains
from webhook.audit.findings import FindingKind

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")


def test_documented_hash_check_works(tmp_path: Path) -> None:
    """Two lines of Python check it without catflap's code."""
    [snippet] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    body, equation = snippet.strip().splitlines()
    for line in write_two_chains(tmp_path / "log"):
        known = {"line": line.decode(), "hashlib": hashlib, "json": json}
        exec(body, known)
        assert eval(equation, known)


def test_every_kind_of_damage_is_explained() -> None:
    """The page explains no other kind."""
    assert re.findall(r"^\| `([a-z]+)` \| [^|]* \|$", PAGE, re.MULTILINE) == [damage.value for damage in FindingKind]
