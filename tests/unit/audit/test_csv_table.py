"""Test CSV: each record is a row, and no cell is a formula to a spreadsheet."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.entries import (
    ACCEPTED_FILE,
    CERTIFICATE,
    DECISION,
    DENIED,
    LEADER,
    REFUSED_FILE,
    START,
    STOP,
    TIME,
    VIOLATION,
    WRITE,
    make_entry,
)
from webhook.audit.csv_table import COLUMNS, FORMULA_PREFIXES, encode_rows, escape_cell


def rows(*records: dict[str, Any]) -> list[dict[str, str]]:
    """Return the rows that a reader of CSV gets."""
    text = b"".join(encode_rows(iter([make_entry(record) for record in records]))).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def non_empty_cells(row: dict[str, str]) -> dict[str, str]:
    """Return the cells with content, without those that every record has."""
    return {
        key: text for key, text in row.items() if text and key not in {"version", "chain", "seq", "hash", "catflap"}
    }


def test_rejection_is_complete() -> None:
    """The row has the user, the object, the place and the reason."""
    [row] = rows(DENIED | {"patchedLabels": {"role": "backend", "app": "web"}, "warned": [VIOLATION, VIOLATION]})
    fault = "known-role at metadata.labels.role: unknown role 'fronted'"
    assert non_empty_cells(row) == {
        "time": TIME,
        "type": "decision",
        "decision": "denied",
        "phase": "validate",
        "user": "alice",
        "groups": "developers",
        "verb": "create",
        "apiGroup": "apps",
        "apiVersion": "v1",
        "resource": "deployments",
        "namespace": "shop",
        "name": "web",
        "dryRun": "false",
        "reasonCode": "RuleViolated",
        "rules": "known-role",
        "denied": fault,
        "warned": f"{fault} | {fault}",
        "patchedLabels": '{"app":"web","role":"backend"}',
        "policyDigest": "0123",
        "latencyMicroseconds": "250",
        "id": "0d1c3a52",
    }


def test_every_record_is_a_row() -> None:
    """Records about the chain are rows too; the order is the log's."""
    found = rows(START, DECISION, WRITE, ACCEPTED_FILE, REFUSED_FILE, CERTIFICATE, LEADER, STOP)
    types = ["start", "decision", "write", "configuration", "configuration", "certificate", "leader", "stop"]
    assert [row["type"] for row in found] == types
    assert found[0]["writer"] == '{"pid":7,"process":"serve"}'
    assert (found[2]["resource"], found[2]["reason"]) == ("NetworkPolicy", "created")
    assert [row["accepted"] for row in found[3:5]] == ["true", "false"]
    assert found[4]["faults"] == "mode: 'loud' is none of enforce, warn, audit, off"
    assert json.loads(found[5]["serving"]) == CERTIFICATE["serving"]
    assert (found[6]["candidate"], found[6]["leads"]) == (LEADER["candidate"], "true")


def test_the_first_line_names_the_columns() -> None:
    """This also holds without records; lines end as RFC 4180 requires."""
    assert b"".join(encode_rows(iter([]))) == (",".join(f'"{name}"' for name in COLUMNS) + "\r\n").encode()


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        " =1",
        "\t=1",
        "\r\n=1",
        "\u00a0=1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
        "'=1",
        '=HYPERLINK("x")',
    ],
)
def test_a_formula_is_text(text: str) -> None:
    """A user who may choose a name may choose this one."""
    [row] = rows(DECISION | {"user": {"username": text, "groups": [text]}})
    assert row["user"].startswith(("'", "\\"))
    assert row["groups"].startswith(("'", "\\"))


@given(st.text())
def test_cell_is_one_line_and_no_formula(text: str) -> None:
    """This holds for any text; without the mark, a reader has the printable part of the text."""
    found = escape_cell(text)
    assert found.isprintable()
    assert not found.lstrip().startswith(tuple(set(FORMULA_PREFIXES) - {"'"}))
    if text.isprintable():
        assert found.removeprefix("'") == (text[1:] if text.startswith("'") and found == text else text)


def test_a_value_cannot_leave_its_cell() -> None:
    """A quote, a comma or a new line does not end the cell."""
    [row] = rows(DECISION | {"user": {"username": 'a","=1\r\n","b', "groups": []}})
    assert row["user"] == 'a","=1\\r\\n","b'
    assert row["namespace"] == "shop"


def test_every_column_is_documented() -> None:
    """The columns are documented in their order."""
    page = (Path(__file__).parents[3] / "docs" / "evidence.md").read_text(encoding="utf-8")
    table = page.partition("| column | content |\n|---|---|\n")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert named == list(COLUMNS)
