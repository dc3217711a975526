"""Test command lines with wrong values: the verb ends with 2, names every fault, and nothing is written."""

import logging
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result
from kubernetes.client import ApiException

from tests.long_logs import write_long_log
from tests.unit.samples import HEAD
from webhook.cli import main
from webhook.kube.watch import is_unlogged

LONG: Final = "a" * 300  # more than the name of a file may have


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a policy file and an audit log, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(HEAD, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(f"{HEAD}mode: loud\n", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    write_long_log(tmp_path / "log", 3)
    return tmp_path


def run(line: str, *further: str) -> Result:
    """Run a command line that ends with 2 and prints nothing on standard output."""
    outcome = CliRunner().invoke(main, [*line.split(), *further])
    assert (outcome.exit_code, outcome.stdout) == (2, ""), outcome.output
    return outcome


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("line", "complaints"),
    [
        ("check -n BAD -o nope --own-namespace A_B good.yaml", ["'--policy'", "'BAD'", "'nope'", "'A_B'"]),
        ("preview -o nope -n BAD", ["'--policy'", "'BAD'", "'nope'"]),
        ("render --engine x", ["'--policy'", "'--namespace'", "'x' is not one of"]),
        ("serve --listen x --status-listen y", ["'--policy'", "'x': write HOST", "'y': write HOST", "'--tls-dir'"]),
        ("audit query --from x --to y", ["'FILE...'", "'x': write 2026", "'y': write 2026"]),
        ("report --from x", ["'FILE...'", "'x': write 2026", "'--output'"]),
    ],
)
def test_every_wrong_option_is_reported_at_once(line: str, complaints: list[str]) -> None:
    """A user repairs the command line in one step."""
    said = run(line).stderr
    assert [complaint in said for complaint in complaints] == [True] * len(complaints), said
    assert said.count("Error: ") == len(complaints)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("check -c bad.yaml absent good.yaml", ["bad.yaml:", "absent: no such file"]),
        ("check -c absent gone", ["absent: no such file", "gone: no such file"]),
        ("preview -c bad.yaml --against absent gone", ["bad.yaml:", "absent: no such file", "gone: no such file"]),
        ("audit verify absent folder", ["absent: no such file", "folder: this is a folder"]),
        ("audit verify log --trust absent --against gone", ["absent: no such file", "gone: no such file"]),
        ("audit query absent -c gone", ["gone: no such file", "absent: no such file"]),
        ("audit query absent gone", ["absent: no such file", "gone: no such file"]),
        ("audit export -o csv absent gone", ["absent: no such file", "gone: no such file"]),
        ("report absent -c gone -o page --trust folder", ["gone: no such", "folder: this is", "absent: no such"]),
    ],
)
def test_every_unreadable_file_is_reported_at_once(line: str, names: list[str]) -> None:
    """The first one does not hide the others."""
    lines = run(line).stderr.splitlines()
    assert len(lines) == len(names)
    assert all(one.startswith(f"catflap: {name}") for one, name in zip(lines, names, strict=True)), lines


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("line", ["audit query - -c -", "audit query - -", "audit export -o csv - -"])
def test_standard_input_is_named_once(line: str) -> None:
    """The second read would find nothing."""
    assert "standard input can be read only once" in run(line).stderr


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "line",
    [
        "check -c good.yaml -n a -n b good.yaml",
        "check -c good.yaml --own-namespace a --own-namespace b good.yaml",
        "render -c good.yaml -n a -n b",
        "selftest -c good.yaml -n a -n b",
        "uninstall -n a -n b",
        "registration --turn-on -n a -n b",
        "report log -o a -o b",
        "audit query log --from 2026-01-01 --from 2026-02-01",
    ],
)
def test_an_option_for_one_value_is_given_once(line: str) -> None:
    """The first of two values would be lost without a word."""
    assert "the option occurs 2 times" in run(line).stderr


SERVE: Final = "serve -c good.yaml --standalone --tls-dir tls"
CONTROLLER: Final = "controller -c good.yaml"


@pytest.mark.parametrize(
    ("line", "value", "complaint"),
    [
        (f"{SERVE} --audit-log", "", '"" is not a file name'),
        (f"{SERVE} --audit-log", "-", "records go to standard output without this option"),
        (f"{SERVE} --client-name", "", '"" is empty; if it comes from a shell variable'),
        (f"{SERVE} --tls-name", "", '"" is empty; if it comes from a shell variable'),
        (f"{SERVE} --tls-name", "a b", "'a b' is not a host name or an address"),
        (f"{SERVE} --tls-name", LONG, "is not a host name or an address"),
        (f"{SERVE} --status-listen", f"{LONG}:1", "write HOST:PORT"),
        (f"{CONTROLLER} --context", "", '"" is empty; if it comes from a shell variable'),
        (f"{CONTROLLER} --server-deployment", "", "--server-deployment '': write NAMESPACE/NAME:REPLICAS"),
        (f"{CONTROLLER} --registration-label", "a b=c", "--registration-label a b=c: 'a b' is not a valid label key"),
        (f"{CONTROLLER} --registration-label", f"a={LONG}", "is not a valid label value"),
        (f"{CONTROLLER} --registration-annotation", "\xe4=c", "'\xe4' is not a valid label key"),
        ("preview -c good.yaml --cluster --context", "", '"" is empty; if it comes from a shell variable'),
        ("registration --account", "", '"" is empty; if it comes from a shell variable'),
        ("audit query log --from", "9999-12-31T23:59:59-23:59", "write 2026-01-31"),
        ("audit query log --to", "0001-01-01T00:00:00+23:59", "write 2026-01-31"),
        ("audit keygen", "", '"" is not a file name'),
        ("audit keygen", "/", "/: this is a folder; expected the beginning of a file name"),
        ("audit keygen", "folder/", "folder/: this is a folder; expected the beginning of a file name"),
        ("report log -o", LONG, "the path is too long"),
        ("report log -o", "folder", "--output folder: this is a folder"),
        ("report log -o", "absent/page.html", "--output absent/page.html: its folder does not exist"),
        ("report log -o", "log/page.html", "--output log/page.html: a part of this path is a file"),
    ],
)
def test_a_wrong_value_is_named(folder: Path, line: str, value: str, complaint: str) -> None:
    """The message has the option, the value and the remedy, and no file appears."""
    before = sorted(folder.rglob("*"))
    assert complaint in run(line, value).stderr
    assert sorted(folder.rglob("*")) == before


def test_a_certificate_folder_with_a_long_name_is_named(folder: Path) -> None:
    """The system refuses even the question whether it exists."""
    outcome = run(f"serve -c {folder / 'good.yaml'} --standalone --tls-dir", LONG)
    assert outcome.stderr == f"catflap: --tls-dir {LONG}: the path is too long; expected a folder\n"


def test_a_certificate_folder_that_cannot_be_written_is_named_once(folder: Path) -> None:
    """The remedy is another folder, and not the two files."""
    (folder / "tls").write_text("", encoding="utf-8")
    outcome = run(f"serve -c {folder / 'good.yaml'} --standalone --tls-dir tls/inner")
    assert outcome.stderr == (
        "catflap: tls/inner: a part of this path is a file instead of a folder; catflap writes a new certificate to "
        "this folder, so choose a folder that this user may write\n"
    )


def test_an_api_server_that_does_not_answer_causes_no_traceback() -> None:
    """The watch logs it once; the informer would log a traceback for each kind when the process ends."""

    def record(error: Exception) -> logging.LogRecord:
        return logging.LogRecord("a", logging.ERROR, "a", 1, "a", None, (type(error), error, None))

    assert not is_unlogged(record(ApiException(status=0)))
    assert is_unlogged(record(ValueError()))
    assert is_unlogged(logging.LogRecord("a", logging.ERROR, "a", 1, "a", None, None))
