"""Test `catflap audit query` and `export` with logs of any length."""

import csv
import gzip
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.entries import ACCEPTED_FILE, DECISION, DENIED, REFUSED_FILE, START, WRITE, make_line
from tests.long_logs import write_long_log
from tests.unit.samples import HEAD
from webhook.cli import main

RECORDS = (
    START,
    DENIED,
    DECISION | {"user": {"username": "bob\x1b[2J", "groups": []}},
    WRITE,
    ACCEPTED_FILE,
    REFUSED_FILE,
)
TABLE = """\
TIME                  WHAT            WHO                            VERB      OBJECT                                 WHY
2026-01-31T12:00:00   start           serve
2026-01-31T12:00:00   denied          alice                          create    deployments shop/web                   RuleViolated: known-role
2026-01-31T12:00:00   allowed         bob\\x1b[2J                     create    deployments shop/web                   NoViolation
2026-01-31T12:00:00   write                                          apply     NetworkPolicy shop/catflap-default-deny   PolicyCreated: created
2026-01-31T12:00:00   configuration                                                                                   PolicyFileAccepted
2026-01-31T12:00:00   configuration                                                                                   PolicyFileRefused: mode: 'loud' is none of enforce, warn, audit, off
"""
SHORT, LONG = 20_000, 200_000
# A tenth of the memory that the longer log's records alone would need.
ROOM_KIB = 8 * 1024


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of one record of each kind."""
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"".join(make_line(record) + b"\n" for record in RECORDS))
    return path


def run_audit(*arguments: str | Path) -> Result:
    """Run `catflap audit`."""
    return CliRunner().invoke(main, ["audit", *map(str, arguments)], prog_name="catflap")


def test_a_query_is_a_table(log: Path) -> None:
    """Each record has one line, without characters that act on a terminal."""
    done = run_audit("query", log)
    assert (done.exit_code, done.stdout, done.stderr) == (0, TABLE, "")


def test_json_is_the_unchanged_record(log: Path) -> None:
    """The record is equal to the byte, so that it still verifies."""
    done = run_audit("query", log, "-o", "json")
    assert done.stdout_bytes == log.read_bytes()


def test_options_filter_the_records(log: Path) -> None:
    """Each option reaches its filter."""
    for options, count in (
        (["--type", "write"], 1),
        (["--type", "write", "--type", "start"], 2),
        (["--decision", "denied"], 1),
        (["--user", "alice"], 1),
        (["--group", "dev*"], 1),
        (["--namespace", "shop"], 3),
        (["--resource", "deployments"], 2),
        (["--name", "catflap-*"], 1),
        (["--rule", "known-role"], 1),
        (["--from", "2026-02-01"], 0),
        (["--from", "2026-01-31", "--to", "2026-02-01T00:00Z"], 6),
        (["--to", "2026-01-31"], 0),
    ):
        assert len(run_audit("query", log, "-o", "json", *options).stdout.splitlines()) == count, options


@pytest.mark.parametrize(
    "options", [["--type", "x"], ["--decision", "x"], ["--from", "yesterday"], ["--format", "csv"]]
)
def test_a_question_that_makes_no_sense_is_refused(log: Path, options: list[str]) -> None:
    """The status is 2, as for any bad command line."""
    assert run_audit("query", log, *options).exit_code == 2


def test_an_export_is_read_by_others(log: Path) -> None:
    """CSV has a row for every record; OCSF has those that are activities."""
    table = csv.DictReader(io.StringIO(run_audit("export", log, "--format", "csv").stdout, newline=""))
    assert [row["type"] for row in table] == [
        "start",
        "decision",
        "decision",
        "write",
        "configuration",
        "configuration",
    ]
    events = [json.loads(text) for text in run_audit("export", log, "--format", "ocsf").stdout.splitlines()]
    assert [event["metadata"]["event_code"] for event in events] == ["decision", "decision", "write"] + [
        "configuration"
    ] * 2


def test_several_files_compressed_or_not_and_standard_input(log: Path, tmp_path: Path) -> None:
    """The order is the given one."""
    packed = tmp_path / "older.gz"
    packed.write_bytes(gzip.compress(make_line(DENIED) + b"\n"))
    command = [sys.executable, "-m", "webhook", "audit", "query", str(packed), "-", str(log), "-o", "json"]
    done = subprocess.run(command, input=make_line(WRITE) + b"\n", capture_output=True, check=True)
    assert done.stdout == b"\n".join([make_line(DENIED), make_line(WRITE), log.read_bytes()])


def test_text_that_is_no_record_is_skipped_and_counted(log: Path) -> None:
    """A record that does not match its hash is no evidence."""
    log.write_bytes(log.read_bytes().replace(b"alice", b"alicf") + b'{"half')
    for verb, *options in (["query"], ["export", "--format", "csv"]):
        done = run_audit(verb, log, *options)
        assert done.exit_code == 0
        assert "alicf" not in done.stdout
        assert (
            done.stderr == "catflap: 2 lines with other text than a valid record; catflap audit verify describes them\n"
        )


def test_collector_copy_is_read_with_lenient(log: Path) -> None:
    """The option works as for `verify --lenient`."""
    spaced = b"".join(json.dumps(json.loads(text)).encode() + b"\n" for text in log.read_bytes().splitlines())
    log.write_bytes(spaced)
    assert run_audit("query", log).exit_code == 2
    assert run_audit("query", log, "--lenient").stdout == TABLE


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"kind":"Event"}\n', gzip.compress(b"x" * 999, mtime=0)[:20]])
def test_file_that_is_no_log_is_rejected(log: Path, content: bytes) -> None:
    """The status is 2, and the message names the file."""
    log.write_bytes(content)
    for verb, *options in (["query"], ["export", "--format", "ocsf"]):
        done = run_audit(verb, log, *options)
        assert done.exit_code == 2
        assert str(log) in done.stderr


PEAK = """
import resource, sys
from webhook.cli import main
main(sys.argv[1:], standalone_mode=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a log, and one ten times as long."""
    folder = tmp_path_factory.mktemp("long")
    paths = folder / "short.jsonl", folder / "long.jsonl"
    for path, count in zip(paths, (SHORT, LONG), strict=True):
        write_long_log(path, count)
    return paths


@pytest.mark.parametrize(
    "arguments",
    [
        ["query", "--rule", "known-role"],
        ["query", "-o", "json"],
        ["export", "--format", "csv"],
        ["export", "--format", "ocsf"],
    ],
    ids=" ".join,
)
def test_memory_does_not_grow_with_the_log(lengths: tuple[Path, Path], arguments: list[str]) -> None:
    """Ten times the records need no more memory."""
    short, long = (peak_kib(path, arguments) for path in lengths)
    assert long - short < ROOM_KIB


def peak_kib(path: Path, arguments: list[str]) -> int:
    """Return the peak memory of a run of the verb."""
    command = [sys.executable, "-c", PEAK, "audit", arguments[0], str(path), *arguments[1:]]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    return int(done.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full: a device that is always full")
@pytest.mark.parametrize("verb", [("query",), ("export", "--format", "csv")])
def test_failed_output_is_status_2(log: Path, verb: tuple[str, ...]) -> None:
    """The status distinguishes half a page from a whole one."""
    argv = [sys.executable, "-m", "webhook", "audit", *verb, str(log)]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 (as a shell does)
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("catflap: standard output cannot be written: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("stderr_is", "shown"), [("a terminal", True), ("a pipe", False)])
def test_progress_is_for_terminals(lengths: tuple[Path, Path], stderr_is: str, *, shown: bool) -> None:
    """The bar shows how much of the file was read, and its size."""
    command = [sys.executable, "-m", "webhook", "audit", "export", str(lengths[1]), "--format", "csv"]
    ours, theirs = pty.openpty() if stderr_is == "a terminal" else os.pipe()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(theirs)
        said = read_all(ours)
        assert process.wait() == 0
    os.close(ours)
    assert (b"exporting" in said and b"/" in said) is shown


def read_all(descriptor: int) -> bytes:
    """Return what is written until the other side ends."""
    said = b""
    while True:
        try:
            part = os.read(descriptor, 1 << 16)
        except OSError:  # a terminal ends so
            return said
        if not part:
            return said
        said += part


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--rule", "requre-role"), ("--rule 'requre-role' is not a rule of catflap, and no record of 6 records "
                                    "contains it. Did you mean 'require-role'?")),
        (("--rule", "nothing-*"), "--rule 'nothing-*' is not a rule of catflap"),
        (("--from", "2026-02-01", "--to", "2026-01-31"), "--from 2026-02-01T00:00:00.000000Z is not before --to 2026-01-31T00:00:00.000000Z"),
        (("--from", "2026-02-01", "--to", "2026-02-01"), "is not before --to"),
        (("--decision", "denid"), "Did you mean 'denied'?"),
        (("--type", "decisions"), "Did you mean 'decision'?"),
        (("-o", "jsn"), "Did you mean 'json'?"),
        (("-n", "Shop"), "'Shop' is not a valid namespace name"),
        (("-n", ""), "'' is not a valid namespace name"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused(log: Path, arguments: tuple[str, ...], says: str) -> None:
    """An empty answer would look like a clean log."""
    done = run_audit("query", log, *arguments)
    assert (done.exit_code, says in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--user", "nobody"), ("-n", "sh*p-1"), ("--group", "g"), ("--rule", "guard-labels"), ("--from", "2030-01-01")],
)
def test_a_value_that_may_be_and_matches_nothing_is_noted(log: Path, arguments: tuple[str, ...]) -> None:
    """The note has the number of records, which distinguishes an empty log from a wrong query."""
    done = run_audit("query", log, *arguments, "-o", "json")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "catflap: no record matches; 6 records read\n"


def test_a_custom_rule_is_known_by_the_policy_file(log: Path, tmp_path: Path) -> None:
    """This also holds if no object has violated the rule yet."""
    rule = "custom: [{id: our-rule, resources: [pods], cel: 'true', message: m}]\n"
    (tmp_path / "policy.yaml").write_text(HEAD + rule, encoding="utf-8")
    assert run_audit("query", log, "--rule", "our-rule").exit_code == 2
    done = run_audit("query", log, "--rule", "our-rule", "-c", tmp_path / "policy.yaml")
    assert (done.exit_code, "no record matches" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize("verb", [("query",), ("export", "-o", "csv"), ("verify",)])
def test_standard_input_is_read_as_one_log(verb: tuple[str, ...]) -> None:
    """A second read would be empty."""
    done = run_audit(*verb, "-", "-")
    assert (done.exit_code, "standard input can be read only once" in done.stderr) == (2, True)
