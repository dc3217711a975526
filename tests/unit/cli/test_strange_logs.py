"""Test logs that collectors, editors or accidents changed: each verb reads them or says why it does not."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from tests.unit.audit.logs import write_two_chains
from webhook.audit import collector_copies
from webhook.cli import main

VERBS: Final = {
    "verify": ["audit", "verify"],
    "query": ["audit", "query"],
    "csv": ["audit", "export", "--format", "csv"],
    "ocsf": ["audit", "export", "--format", "ocsf"],
    "report": ["report", "-o", "-"],
}
LONGEST: Final = 1 << 17  # of a line, in these tests
LONG: Final = b'{"catflap":"0","chain":"%b","x":"' % (b"a" * 32) + b"x" * LONGEST + b'","seq":1}'

Lines = list[bytes]


def with_prefix(prefix: bytes) -> Callable[[Lines], bytes]:
    """Return a collector that puts a prefix before each line."""
    return lambda lines: b"".join(prefix + line for line in lines)


def in_object(key: str, *, ending: str, before: str = "") -> Callable[[Lines], bytes]:
    """Return a collector that puts each line into its own object."""

    def wrapped(line: bytes) -> dict[str, str]:
        text = f"{before}{line.decode().rstrip()}{ending}"
        return {key: text, "stream": "stdout", "time": "2026-01-31T12:00:00Z"}

    return lambda lines: b"".join(json.dumps(wrapped(line)).encode() + b"\n" for line in lines)


def join_lines(lines: Lines) -> bytes:
    """Put each second record after the one before it, on one line."""
    return b"".join(first.replace(b"\n", b" ") + second for first, second in zip(lines[::2], lines[1::2], strict=True))


def with_line(line: bytes) -> Callable[[Lines], bytes]:
    """Return a change that puts a line without a record into the middle."""
    return lambda lines: b"".join([*lines[:2], line, b"\n", *lines[2:]])


# By kind of change: the log, and whether `--lenient` accepts it as sound.
COPIES: Final[dict[str, tuple[Callable[[Lines], bytes], bool]]] = {
    "docker compose": (with_prefix(b"catflap-1  | "), True),
    "journald": (with_prefix(b"Jan 31 12:00:00 node-1 catflap[123]: "), True),
    "the kubelet": (with_prefix(b"2026-01-31T12:00:00.1Z stdout F "), True),
    "docker compose in colours": (with_prefix(b"\x1b[36mcatflap-1  | \x1b[0m"), True),
    "kubectl logs --prefix": (with_prefix(b"[pod/catflap-7d9f8-abcde/server] "), True),
    "kubectl logs --timestamps": (with_prefix(b"2026-01-31T12:00:00.123456789Z "), True),
    "stern": (with_prefix(b"catflap-7d9f8-abcde server "), True),
    "syslog": (with_prefix(b'<134>1 2026-01-31T12:00:00Z node-1 catflap 123 - [meta id="1"] '), True),
    "labels in braces": (with_prefix(b'2026-01-31 {app="catflap", role="server"} '), True),
    "a prefix in JSON": (with_prefix(b'{"stream":"stdout"} '), True),
    "a prefix in no encoding": (with_prefix(b"\xe9t\xe9 | "), True),
    "tabs": (with_prefix(b"\t\t"), True),
    "text behind each line": (lambda lines: b"".join(line[:-1] + b"\x1b[0m\n" for line in lines), True),
    "two records on a line": (join_lines, True),
    "Docker's json-file": (in_object("log", ending="\n"), True),
    "journalctl -o json": (in_object("MESSAGE", ending=""), True),
    "a line of the kubelet in an object": (
        in_object("message", ending="", before="2026-01-31T12:00:00Z stdout F "),
        True,
    ),
    "a byte order mark": (lambda lines: b"\xef\xbb\xbf" + b"".join(lines), True),
    "line ends of Windows": (lambda lines: b"".join(lines).replace(b"\n", b"\r\n"), True),
    "spaces": (lambda lines: b"".join(json.dumps(json.loads(line)).encode() + b"\n" for line in lines), True),
    "binary": (with_line(bytes(range(256)).replace(b"\n", b"") * 9), False),
    "a very long line": (with_line(b"x" * LONGEST + b"x"), False),
    "a very long record": (with_line(LONG), False),
    "no JSON": (with_line(b"panic: something broke"), False),
    "other JSON": (with_line(b'{"level":"info","msg":"catflap serves"}'), False),
    "deep JSON": (with_line(b"[" * 100_000), False),
    "a cut line": (lambda lines: b"".join(lines)[:-100], False),
}
# Copies without any record in its original bytes.
REWRITTEN: Final = {"spaces", "Docker's json-file", "journalctl -o json", "a line of the kubelet in an object"}


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    """Return a sound log of two chains."""
    return write_two_chains(tmp_path / "genuine.log")


@pytest.fixture(autouse=True)
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a low limit, so that a test need not write the 16 MiB of a line that is too long."""
    monkeypatch.setattr("webhook.audit.log_lines.LONGEST_LINE", LONGEST)


def run(verb: str, path: Path, *options: str) -> Result:
    """Run one verb on one file; a verb ends only by its status."""
    done = CliRunner().invoke(main, [*VERBS[verb], str(path), *options], prog_name="catflap")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_reads_the_readable_records(tmp_path: Path, lines: Lines, how: str, verb: str) -> None:
    """`verify` and `report` end damage with status 1; the other two verbs report what they skipped."""
    path, (change, is_copy) = tmp_path / "copy.log", COPIES[how]
    path.write_bytes(change(lines))
    done = run(verb, path)
    is_read = how not in REWRITTEN
    if verb in {"verify", "report"}:
        assert done.exit_code == 1
    else:
        assert done.exit_code == (0 if is_read else 2)
        assert done.stderr
        assert ("--lenient" in done.stderr) is not is_read
    if verb == "verify" and is_read:
        records = 7 if how == "a cut line" else 8
        assert f" in {records} records in 2 chains" in done.stdout
    lenient = run(verb, path, "--lenient")
    assert lenient.exit_code == (0 if is_copy or (verb not in {"verify", "report"}) else 1)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda lines: gzip.compress(b"".join(lines)) + b"garbage", id="garbage behind a compressed file"),
        pytest.param(lambda lines: gzip.compress(b"".join(lines))[:-9], id="half a compressed file"),
        pytest.param(lambda _: b"", id="nothing"),
        *(
            pytest.param(lambda lines, encoding=encoding: b"".join(lines).decode().encode(encoding), id=encoding)
            for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
        ),
    ],
)
def test_unreadable_file_has_a_message(
    tmp_path: Path, lines: Lines, verb: str, content: Callable[[Lines], bytes]
) -> None:
    """The status is 2, and the message names the file."""
    path = tmp_path / "copy.log"
    path.write_bytes(content(lines))
    done = run(verb, path)
    assert done.exit_code == 2
    assert done.stderr.startswith("catflap: ")
    assert str(path) in done.stderr


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\n \n", id="empty lines"),
        pytest.param(b"hello\n", id="a word"),
        pytest.param(b"hello", id="a word without a line end"),
        pytest.param(b'{"level":"info","msg":"catflap serves"}\n', id="other JSON"),
        pytest.param(
            b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a"}\n', id="an event of the API server"
        ),
        pytest.param(b"apiVersion: v1\nkind: Pod\nmetadata: {labels: {app: catflap}}\n", id="a manifest"),
        pytest.param(b"\x7fELF" + bytes(range(256)) * 9, id="a program"),
        pytest.param(gzip.compress(b"hello\n"), id="a compressed word"),
        pytest.param(b"x" * LONGEST + b"x", id="a long line"),
    ],
)
def test_each_verb_rejects_a_file_that_is_no_audit_log(tmp_path: Path, verb: str, content: bytes) -> None:
    """The status is 2 with one message, lenient or not; text that was never a log is not called damaged."""
    path = tmp_path / "other"
    path.write_bytes(content)
    for options in ((), ("--lenient",)):
        done = run(verb, path, *options)
        assert (done.exit_code, done.stderr) == (2, f"catflap: no record in {path}; expected an audit log\n")
        assert verb not in {"verify", "report"} or not done.stdout


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda lines: b"".join(line.replace(b'"time":"2', b'"time":"1') for line in lines), id="edited"),
        pytest.param(lambda lines: b"".join(line[:90] + b"\n" for line in lines), id="cut off"),
        pytest.param(lambda lines: lines[0][:12], id="the beginning of one record"),
        pytest.param(lambda lines: in_object("log", ending="")([line[:-9] for line in lines]), id="cut off in Docker's json-file"),
        pytest.param(lambda lines: lines[0][:90] + b"x" * LONGEST, id="one line that is too long"),
    ],
)  # fmt: skip
def test_a_log_without_a_sound_record_is_damaged(
    tmp_path: Path, lines: Lines, verb: str, change: Callable[[Lines], bytes]
) -> None:
    """Verbs that look for damage end with status 1; the others say that there is nothing to print."""
    path = tmp_path / "damaged"
    path.write_bytes(change(lines))
    done = run(verb, path)
    assert done.exit_code == (1 if verb in {"verify", "report"} else 2)
    assert verb in {"verify", "report"} or f"{path} contains no valid record" in done.stderr


def test_prefix_of_a_collector_is_named(tmp_path: Path, lines: Lines) -> None:
    """The message has the remedy."""
    path = tmp_path / "copy.log"
    path.write_bytes(with_prefix(b"catflap-1  | ")(lines))
    assert "docker compose add it: use --lenient" in run("verify", path).stdout


def test_too_long_line_is_one_finding(tmp_path: Path, lines: Lines) -> None:
    """The finding has the place; the rest of the file is verified as usual."""
    path = tmp_path / "copy.log"
    path.write_bytes(b"".join([*lines[:2], b"x" * LONGEST, b"y\n", *lines[2:]]))
    report = json.loads(run("verify", path, "-o", "json").stdout)
    assert [(one["line"], one["damage"]) for one in report["findings"]] == [(3, "edited")]
    assert report["findings"][0]["message"].startswith("the line has 131074 bytes")


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32LE", "UTF-32BE"])
@pytest.mark.parametrize("verb", VERBS)
def test_wide_characters_are_named_with_the_remedy(tmp_path: Path, lines: Lines, verb: str, encoding: str) -> None:
    """This also holds with `--lenient`, and for a compressed file. A file that is converted so can be read."""
    text = b"".join(lines).decode().encode(encoding)
    for name, content in (("plain", text), ("packed", gzip.compress(text))):
        (tmp_path / name).write_bytes(content)
        for options in ((), ("--lenient",)):
            done = run(verb, tmp_path / name, *options)
            assert (done.exit_code, f"`iconv -f {encoding} -t UTF-8`" in done.stderr) == (2, True)


@pytest.mark.parametrize("how", [name for name, (_, is_copy) in COPIES.items() if is_copy])
def test_a_lenient_reading_of_a_copy_gives_the_records_of_the_log(tmp_path: Path, lines: Lines, how: str) -> None:
    """The records are equal to the byte, whatever the collector changed."""
    genuine, copy = tmp_path / "genuine", tmp_path / "copy"
    genuine.write_bytes(b"".join(lines))
    copy.write_bytes(COPIES[how][0](lines))
    wanted = run("query", genuine, "-o", "json").stdout_bytes
    assert run("query", copy, "--lenient", "-o", "json").stdout_bytes == wanted


def test_a_line_of_many_braces_costs_no_more_than_a_bounded_number_of_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise any writer to the log could make each line expensive."""
    tried: list[bytes] = []

    def counting(text: bytes) -> tuple[dict[str, object], int]:
        tried.append(text)
        return {}, 1

    monkeypatch.setattr(collector_copies, "parse_object", counting)
    assert [piece.is_record for piece in collector_copies.split_copied_line(b"{" * 100_000)] == [False]
    assert len(tried) == collector_copies.MOST_CANDIDATES
