"""Test that every command reads a log of the last format without reason codes, alone and with newer records."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from tests.audit_logs import verify_logs
from tests.evidence_logs import LogWriter
from tests.unit.report.pages import Page, report
from webhook.cli import main
from webhook.model.reason import ReasonCode

OLD: Final = Path(__file__).parents[2] / "cases" / "audit" / "v1alpha3.jsonl"
RECORDS: Final = 26
WITH_REASON: Final = 23  # its decisions, writes, policy files and leaders


def audit(*arguments: str | Path) -> Result:
    """Run `catflap audit`."""
    return CliRunner().invoke(main, ["audit", *map(str, arguments)], prog_name="catflap")


@pytest.fixture
def mixed_log(tmp_path: Path) -> Path:
    """Return the old log, to which a process of this release appends."""
    path = tmp_path / "audit.log"
    shutil.copy(OLD, path)
    story = LogWriter(path)
    story.clock.advance(days=1)
    story.append_removal("shop", "carol")
    story.clock.advance(seconds=7)
    story.append_write("shop", ReasonCode.POLICY_RESTORED, "whatever the words are")
    story.log.stop()
    return path


def test_an_old_log_is_sound() -> None:
    """Its hashes and signatures cover the records in their original form."""
    found = verify_logs(OLD, closed=True)
    assert (found.findings, found.records) == ((), RECORDS)


def test_file_with_both_formats_is_sound(mixed_log: Path) -> None:
    """The new process names the last record of the old one; an edit of a record in either format shows."""
    assert verify_logs(mixed_log, closed=True).findings == ()
    for before, after in ((b'"carol"', b'"karol"'), (b"require-role until", b"require-rolf until")):
        whole = mixed_log.read_bytes()
        assert before in whole
        mixed_log.write_bytes(whole.replace(before, after))
        assert verify_logs(mixed_log).findings
        mixed_log.write_bytes(whole)


def test_query_prints_each_record_unchanged() -> None:
    """JSON equals the record to the byte, and the table has its words."""
    assert audit("query", OLD, "-o", "json").stdout_bytes == OLD.read_bytes()
    table = audit("query", OLD, "--decision", "exempt")
    assert table.stdout.splitlines()[1].endswith("   break-glass: member of catflap:break-glass")
    assert table.stderr == ""


def test_query_by_code_counts_records_without_a_code(mixed_log: Path) -> None:
    """Such records may be among those that the query means."""
    done = audit("query", mixed_log, "--reason", "BreakGlass", "--reason", "*Restored", "-o", "json")
    assert [json.loads(text)["reasonCode"] for text in done.stdout.splitlines()] == ["BreakGlass", "PolicyRestored"]
    told = f"--reason cannot match {WITH_REASON} records without a reason code, which an earlier release wrote"
    assert done.stderr == f"catflap: {told}\n"
    assert done.exit_code == 0


def test_an_export_has_no_code_of_an_old_record(mixed_log: Path) -> None:
    """The words keep their field."""
    rows = list(csv.DictReader(io.StringIO(audit("export", mixed_log, "-o", "csv").stdout, newline="")))
    assert {row["reasonCode"] for row in rows[:RECORDS]} == {""}
    assert [row["reasonCode"] for row in rows[RECORDS:] if row["reason"]] == ["BreakGlass", "PolicyRestored"]
    events = [json.loads(text) for text in audit("export", mixed_log, "-o", "ocsf").stdout.splitlines()]
    assert [one.get("status_code") for one in events] == [None] * WITH_REASON + ["BreakGlass", "PolicyRestored"]


def test_report_names_what_an_earlier_format_lacks(tmp_path: Path) -> None:
    """The report has everything else: the exact gap, the exception, the deleted namespace."""
    done = report(OLD, "-o", tmp_path / "page.html")
    assert done.exit_code == 0, done.stderr
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert (
        f"{WITH_REASON} records of this period have no reason code, because an earlier release wrote them."
    ) in page.text
    rows = page.tables["Namespaces: open ones first, then by the time without the policy"]
    by_name = {row[0]: row for row in rows if row}
    assert by_name["payments"][4:] == ["1", "42 s", "isolated"]
    assert by_name["search"][4:] == ["0", "not known", "isolated"]
    assert by_name["old"][-1] == "deleted"
    assert "1 write of an earlier release may or may not be a restoration" in page.text
    assert "Break-glass, by user: not known, because an earlier release recorded exempt requests" in page.text
    assert page.figures("Used exceptions")


def test_a_report_on_both_formats_counts_the_codes_that_there_are(mixed_log: Path, tmp_path: Path) -> None:
    """The report says for how many records the code is unknown."""
    assert report(mixed_log, "-o", tmp_path / "page.html").exit_code == 0
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.figures("Break-glass, by user")["carol"] == 1
    assert "Break-glass: not known for 3 exempt requests that an earlier release recorded." in page.text
    rows = page.tables["Namespaces: open ones first, then by the time without the policy"]
    assert next(row for row in rows if row and row[0] == "shop")[4:6] == ["1", "7 s"]
