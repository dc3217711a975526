"""Logs as collectors, editors and accidents leave them: each verb reads them or says why not, and never ends in a traceback."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from tests.unit.audit.logs import two_chains
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


def prefixed(prefix: bytes) -> Callable[[Lines], bytes]:
    """A collector that puts something before each line."""
    return lambda lines: b"".join(prefix + line for line in lines)


def with_line(line: bytes) -> Callable[[Lines], bytes]:
    """A line in the middle that is no record."""
    return lambda lines: b"".join([*lines[:2], line, b"\n", *lines[2:]])


# By how it was changed: the log, and whether `--lenient` takes it for sound.
COPIES: Final[dict[str, tuple[Callable[[Lines], bytes], bool]]] = {
    "docker compose": (prefixed(b"catflap-1  | "), True),
    "journald": (prefixed(b"Jan 31 12:00:00 node-1 catflap[123]: "), True),
    "the kubelet": (prefixed(b"2026-01-31T12:00:00.1Z stdout F "), True),
    "a byte order mark": (lambda lines: b"\xef\xbb\xbf" + b"".join(lines), True),
    "line ends of Windows": (lambda lines: b"".join(lines).replace(b"\n", b"\r\n"), True),
    "spaces": (lambda lines: b"".join(json.dumps(json.loads(line)).encode() + b"\n" for line in lines), True),
    "UTF-16": (lambda lines: b"".join(lines).decode().encode("utf-16"), False),
    "binary": (with_line(bytes(range(256)).replace(b"\n", b"") * 9), False),
    "a very long line": (with_line(b"x" * LONGEST + b"x"), False),
    "a very long record": (with_line(LONG), False),
    "no JSON": (with_line(b"panic: something broke"), False),
    "other JSON": (with_line(b'{"level":"info","msg":"catflap serves"}'), False),
    "deep JSON": (with_line(b"[" * 100_000), False),
    "a cut line": (lambda lines: b"".join(lines)[:-100], False),
}


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    """A sound log of two chains."""
    return two_chains(tmp_path / "genuine.log")


@pytest.fixture(autouse=True)
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test need not write the 16 MiB of a line that is too long."""
    monkeypatch.setattr("webhook.audit.reading.LONGEST_LINE", LONGEST)


def run(verb: str, path: Path, *options: str) -> Result:
    """One verb on one file; nothing but its status ends it."""
    done = CliRunner().invoke(main, [*VERBS[verb], str(path), *options], prog_name="catflap")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_reads_what_there_is_to_read(tmp_path: Path, lines: Lines, how: str, verb: str) -> None:
    """Damage is status 1 of `verify` and `report`; the other two tell what they passed over."""
    path, (change, is_copy) = tmp_path / "copy.log", COPIES[how]
    path.write_bytes(change(lines))
    done = run(verb, path)
    is_read = how not in {"spaces", "UTF-16"}
    if verb in {"verify", "report"}:
        assert done.exit_code == 1
    else:
        assert done.exit_code == (0 if is_read else 2)
        assert done.stderr
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
    ],
)
def test_what_cannot_be_read_is_said_in_words(
    tmp_path: Path, lines: Lines, verb: str, content: Callable[[Lines], bytes]
) -> None:
    """Status 2, and the file's name."""
    path = tmp_path / "copy.log"
    path.write_bytes(content(lines))
    done = run(verb, path)
    assert done.exit_code == 2
    assert done.stderr.startswith("catflap: ")
    assert str(path) in done.stderr


def test_a_prefix_is_said_to_be_one(tmp_path: Path, lines: Lines) -> None:
    """With the remedy."""
    path = tmp_path / "copy.log"
    path.write_bytes(prefixed(b"catflap-1  | ")(lines))
    assert "docker compose put it there: --lenient takes that" in run("verify", path).stdout


def test_a_line_that_is_too_long_is_one_finding(tmp_path: Path, lines: Lines) -> None:
    """By its place; the rest of the file is looked at as ever."""
    path = tmp_path / "copy.log"
    path.write_bytes(b"".join([*lines[:2], b"x" * LONGEST, b"y\n", *lines[2:]]))
    report = json.loads(run("verify", path, "-o", "json").stdout)
    assert [(one["line"], one["damage"]) for one in report["findings"]] == [(3, "edited")]
    assert report["findings"][0]["message"].startswith("a line of 131074 bytes")
