"""Test `catflap report`: it writes the page, or says why it does not."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evidence_logs import POLICY, write_week
from tests.long_logs import write_long_log
from tests.unit.report.pages import Page, report
from webhook.audit.keys import write_pair

SHORT, LONG = 20_000, 200_000
# A tenth of the memory that the longer log's records alone would need.
ROOM_KIB = 8 * 1024
PEAK = """
import resource, sys
from webhook.cli import main
try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a week's log."""
    write_week(tmp_path / "audit.log")
    return tmp_path / "audit.log"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Return the path of the page."""
    return tmp_path / "report.html"


def page(path: Path) -> Page:
    """Return the page that was written."""
    return Page(path.read_text(encoding="utf-8"))


def test_sound_log_is_reported_as_sound(log: Path, output: Path) -> None:
    """The page also says what the result rests on."""
    assert report(log, "-o", output).exit_code == 0
    assert "The log is sound." in page(output).text
    assert "No trusted root key was given" in page(output).text
    assert report(log, "-o", "-").stdout.startswith("<!DOCTYPE html>")


def test_damage_is_reported_first(log: Path, output: Path, tmp_path: Path) -> None:
    """The page has every finding; the status is 1, as for `audit verify`."""
    edited = tmp_path / "edited.log"
    edited.write_bytes(log.read_bytes().replace(b'"carol"', b'"karol"'))
    assert report(edited, "-o", output).exit_code == 1
    found = page(output)
    assert found.text.index("The log is damaged.") < found.text.index("Requests decided")
    assert ["edited"] in [[row[2]] for row in found.tables["Findings"][1:]]
    assert "The log is sound." not in found.text


def test_chain_without_a_trusted_root_key_is_a_finding(log: Path, output: Path, tmp_path: Path) -> None:
    """The option `--trust` works as for `audit verify`."""
    _, public = write_pair(str(tmp_path / "root"))
    assert report(log, "--trust", public, "-o", output).exit_code == 1
    assert "forged" in {row[2] for row in page(output).tables["Findings"][1:]}


def test_the_api_servers_log_is_compared(log: Path, output: Path, tmp_path: Path) -> None:
    """The option `--against` works as for `audit verify`."""
    kept, changed = tmp_path / "api.log", tmp_path / "other.log"
    kept.write_text(anchor(log, "hash"))
    changed.write_text(anchor(log, "prev"))
    assert report(log, "--against", kept, "-o", output).exit_code == 0
    assert f"audit log of the API server: {kept}" in page(output).text
    assert report(log, "--against", changed, "-o", output).exit_code == 1
    assert {row[2] for row in page(output).tables["Findings"][1:]} == {"forged"}


def anchor(log: Path, hashed: str) -> str:
    """Return the API server's event of a recorded decision, with the record's hash or with another one."""
    records = map(json.loads, log.read_text().splitlines())
    record = next(one for one in records if one["type"] == "decision" and one["phase"] == "validate")
    said = {"chain": record["chain"], "seq": str(record["seq"]), "hash": record[hashed]}
    event = {
        "apiVersion": "audit.k8s.io/v1", "kind": "Event", "stage": "ResponseComplete", "verb": "create", "auditID": "1",
        "requestReceivedTimestamp": record["time"], "objectRef": record["objectRef"], "responseStatus": {"code": 201},
        "annotations": {f"pods.catflap.dev/record-{key}": value for key, value in said.items()},
    }  # fmt: skip
    return json.dumps(event) + "\n"


def test_open_chain_is_a_finding_with_closed(log: Path, output: Path) -> None:
    """The option `--closed` works as for `audit verify`."""
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    assert report(log, "-o", output).exit_code == 0
    assert report(log, "--closed", "-o", output).exit_code == 1


def test_period_counts_its_records_and_verifies_all(log: Path, output: Path) -> None:
    """The page says how many other records it leaves out."""
    assert report(log, "--from", "2026-01-28", "--to", "2026-01-29", "-o", output).exit_code == 0
    rows = page(output).figures("Kinds of records")
    assert rows["decision"] == 53
    assert rows["All"] == sum(rows.values()) / 2
    assert "start" not in rows
    assert "outside of it (verified, and not counted below)" in page(output).text


def test_exclusions_of_the_policy_file_are_listed(log: Path, output: Path, tmp_path: Path) -> None:
    """The page has exempt namespaces, modes and match conditions."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    assert report(log, "-c", tmp_path / "policy.yaml", "-o", output).exit_code == 0
    text = page(output).text
    for said in (
        "calico-system",
        "platform-team",
        "sandbox-*",
        "rule no-host-network",
        "pods.catflap.dev",
        "labels-changed",
    ):
        assert said in text
    assert "was never in force in this period" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--from", "2026-02-01", "--to", "2026-01-01"],
            "--from 2026-02-01T00:00:00.000000Z is not before --to 2026-01-01T00:00:00.000000Z",
        ),
        (["--trust", "{log}"], "{log}"),
        (["--kubeconfig", "{log}"], ""),
        (["-c", "{log}"], "{log}:2:1: not YAML"),
    ],
)
def test_unusable_input_is_rejected(log: Path, output: Path, arguments: list[str], says: str) -> None:
    """The status is 2, the message names the file, and there is no page."""
    done = report(log, *(one.format(log=log) for one in arguments), "-o", output)
    assert done.exit_code == 2
    assert says.format(log=log) in done.stderr
    assert not output.exists()


@pytest.mark.parametrize("spelling", ["the same", "another path", "a link"])
def test_no_file_that_is_read_is_written_over(log: Path, tmp_path: Path, spelling: str) -> None:
    """Any other name of the same file is refused too."""
    before, link = log.read_bytes(), tmp_path / "link.html"
    link.symlink_to(log)
    names = {"the same": log, "another path": log.parent / ".." / log.parent.name / log.name, "a link": link}
    done = report(log, "-o", names[spelling])
    assert (done.exit_code, "choose another --output" in done.stderr) == (2, True)
    assert log.read_bytes() == before


def test_file_that_is_no_log_makes_no_page(log: Path, output: Path) -> None:
    """An existing file at that path stays unchanged."""
    empty = log.with_name("empty.log")
    empty.write_bytes(b"")
    output.write_text("before")
    assert report(empty, "-o", output).exit_code == 2
    assert output.read_text() == "before"


def test_unwritable_page_is_reported(log: Path, tmp_path: Path) -> None:
    """The message names the file; the status is 2."""
    done = report(log, "-o", tmp_path / "nowhere" / "report.html")
    assert (done.exit_code, str(tmp_path / "nowhere" / "report.html") in done.stderr) == (2, True)


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Ten times the records need no more memory."""
    peaks = []
    for count in (SHORT, LONG):
        write_long_log(tmp_path / "log", count)
        command = [sys.executable, "-c", PEAK, "report", str(tmp_path / "log"), "-o", str(tmp_path / "page")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        peaks.append(int(done.stdout))
        assert page(tmp_path / "page").figures("Rejections by rule, in figures")["known-role"] == count / 10
    assert peaks[1] - peaks[0] < ROOM_KIB


@pytest.mark.parametrize(("stderr_is", "shown"), [("a terminal", True), ("a pipe", False)])
def test_progress_is_for_terminals(log: Path, output: Path, stderr_is: str, *, shown: bool) -> None:
    """The bar shows how much of the files was read, and their size."""
    ours, theirs = pty.openpty() if stderr_is == "a terminal" else os.pipe()
    command = [sys.executable, "-m", "webhook", "report", str(log), "-o", str(output)]
    with subprocess.Popen(command, stderr=theirs, env=os.environ | {"TERM": "xterm"}) as running:
        os.close(theirs)
        said = b""
        while part := readable(ours):
            said += part
        assert running.wait() == 0
    os.close(ours)
    assert (b"reading" in said) is shown


def readable(descriptor: int) -> bytes:
    """Return the next bytes, or none at the end, which a terminal reports as an error."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""
