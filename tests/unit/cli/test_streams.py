"""Test closed and full streams and readers that end early: each verb reports the fault and ends with its code."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.entries import DENIED, START, make_line
from tests.unit.samples import HEAD
from webhook.cli import _streams
from webhook.tls.certificate_authority import issue_authority

FULL: Final = Path("/dev/full")
CA: Final = issue_authority(datetime(2026, 1, 1, tzinfo=UTC)).certificate
POD: Final = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: a, role: data}}\nspec: {containers: []}\n"
# Each verb that prints and needs no cluster.
PRINTING: Final = (
    "--help",
    "--version",
    "audit --help",
    "check -c policy.yaml pod.yaml",
    "check -c policy.yaml -o json pod.yaml",
    "preview -c policy.yaml pod.yaml",
    "render -c policy.yaml -n shop",
    "config show",
    "config schema",
    "registration -c policy.yaml --url https://a --ca ca.crt",
    "audit verify log",
    "audit query log",
    "audit export -o ocsf log",
    "report -o - log",
)
# Each verb that reads standard input.
READING: Final = (
    "check -c policy.yaml -",
    "check -c - pod.yaml",
    "preview -c policy.yaml -",
    "preview -c policy.yaml --against -",
    "render -n shop -c -",
    "config check -",
    "config show -",
    "registration -c - --url https://a --ca ca.crt",
    "audit verify -",
    "audit query -",
    "audit export -o csv -",
    "report -o page.html -",
)
INCOMPLETE: Final = "; the output is incomplete\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a policy file, a Pod and an audit log, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(HEAD, encoding="utf-8")
    (tmp_path / "pod.yaml").write_text(POD, encoding="utf-8")
    (tmp_path / "ca.crt").write_bytes(CA)
    (tmp_path / "log").write_bytes(b"".join(make_line(record) + b"\n" for record in (START, DENIED)))
    return tmp_path


def shell(command: str, redirection: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a shell, as only a shell closes streams."""
    script = f"exec {shlex.quote(sys.executable)} -m webhook {command} {redirection}"
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def no_reader() -> Iterator[int]:
    """Yield a pipe whose reader has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


@pytest.mark.parametrize("command", PRINTING)
def test_a_full_disk_ends_every_verb_with_2(command: str) -> None:
    """The message has one line; the code distinguishes half a page from a whole one."""
    if not FULL.exists():
        pytest.skip("no /dev/full: a device that is always full")
    done = shell(command, f"> {FULL}")
    assert (done.returncode, done.stdout) == (2, "")
    expected = f"catflap: standard output cannot be written: no space left on the device{INCOMPLETE}"
    assert done.stderr.endswith(expected)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", PRINTING[1::3])
def test_a_closed_output_ends_every_verb_with_2(command: str) -> None:
    """Otherwise a job that lost its output would pass."""
    done = shell(command, ">&-")
    assert done.returncode == 2
    assert done.stderr.endswith(f"catflap: standard output cannot be written: it is closed{INCOMPLETE}")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", PRINTING[::3])
def test_reader_that_ends_early_causes_no_message(command: str) -> None:
    """An example is `head`: there is no message, and the code is the shell's code for SIGPIPE."""
    argv = [sys.executable, "-m", "webhook", *command.split()]
    with no_reader() as writer:
        done = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 141
    assert "catflap: standard output" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", READING)
def test_a_closed_input_ends_every_verb_with_2(command: str) -> None:
    """The message is that of any file that cannot be read."""
    done = shell(command, "<&-")
    assert done.returncode == 2
    assert "catflap: " in done.stderr
    assert "-: standard input is closed; expected " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "redirection", "status"),
    [
        pytest.param("check -c policy.yaml pod.yaml", "2>&-", 0, id="closed, nothing to say"),
        pytest.param("check -c policy.yaml nowhere.yaml", "2>&-", 2, id="closed, something to say"),
        pytest.param("check -c policy.yaml nowhere.yaml", "2>/dev/full", 2, id="full, something to say"),
        pytest.param("audit query --user nobody log", "2>/dev/full", 2, id="full, a note"),
        pytest.param("check", "2>/dev/full", 2, id="full, wrong usage"),
        pytest.param("check", "<&- >&- 2>&-", 2, id="all closed"),
    ],
)
def test_messages_that_cannot_be_written_keep_the_code(command: str, redirection: str, status: int) -> None:
    """The code is the only remaining report."""
    if "full" in redirection and not FULL.exists():
        pytest.skip("no /dev/full: a device that is always full")
    done = shell(command, redirection)
    assert (done.returncode, done.stderr) == (status, "")


def test_a_closed_stream_is_no_place_for_the_next_file(folder: Path) -> None:
    """A server's log would get the number of a closed standard output, and would receive tables."""
    done = shell("report -o page.html log", ">&- <&-")
    assert done.returncode == 1  # the log is damaged, as the page says
    assert (folder / "page.html").read_text(encoding="utf-8").startswith("<!")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_terminal_that_lacks_a_character_shows_its_code(encoding: str, folder: Path) -> None:
    """There is no traceback."""
    (folder / "pod.yaml").write_text(POD.replace("role: data", "role: dat\u0430"), encoding="utf-8")
    argv = [sys.executable, "-m", "webhook", "check", "-c", "policy.yaml", "pod.yaml"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"\\u0430" in done.stdout


@pytest.mark.parametrize(("status", "code"), [(None, 0), (0, 0), (3, 3), (True, 1)])
def test_a_status_is_an_exit_code(status: object, code: int) -> None:
    """The conversion is that of Python itself."""
    assert _streams.exit_code(status) == code


def test_text_status_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The code is 1, as in Python."""
    assert _streams.exit_code("no") == 1
    assert capsys.readouterr().err == "no\n"


def test_interrupt_and_lack_of_memory_have_separate_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """Code 1 would mean that something is refused."""

    def lacking(*, standalone_mode: bool) -> None:
        raise MemoryError(standalone_mode)

    assert _streams.run_command(lacking) == 2
    assert "reached its memory limit" in capsys.readouterr().err
