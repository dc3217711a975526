"""Test `catflap audit` with logs alone."""

import gzip
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.audit.logs import write_two_chains
from webhook.cli import main

Verify = Callable[..., Result]


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    """Run the verb."""
    return CliRunner().invoke(main, ["audit", *map(str, arguments)], input=stdin)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a sound log."""
    path = tmp_path / "log"
    write_two_chains(path)
    return path


def test_a_sound_log_is_a_table_and_a_verdict(log: Path) -> None:
    """The status is 0, and the output names the key that certifies the log."""
    outcome = run("verify", log, "--closed")
    assert outcome.exit_code == 0
    head, first, second, note, verdict = outcome.stdout.splitlines()
    assert head.split() == ["CHAIN", "WRITER", "FROM", "TO", "RECORDS", "SIGNED", "KEY", "END"]
    assert first.split()[1] == second.split()[1] == "serve"
    assert first.split()[3:] == ["2026-01-31T12:00:00", "2026-02-01T12:00:00", "5", "to", "4", "-", "stop"]
    assert note.startswith("note: no trusted root key confirms the keys of the chains")
    assert verdict == "sound: 8 records in 2 chains"
    assert outcome.stderr == ""


def test_a_damaged_log_names_the_place(log: Path) -> None:
    """The status is 1, and editors can jump to the line."""
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:3] + lines[4:]))
    outcome = run("verify", log)
    chain = json.loads(lines[0])["chain"][:8]
    assert outcome.exit_code == 1
    assert f"{log}:4: chain {chain} record 3 missing: record 3 stood before this line" in outcome.stdout.splitlines()
    assert outcome.stdout.splitlines()[-1] == "damaged: 1 finding in 7 records in 2 chains"


def test_programs_get_json(log: Path) -> None:
    """JSON has all content of the table, with full names."""
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:3] + lines[4:]))
    outcome = run("verify", log, "-o", "json")
    said = json.loads(outcome.stdout)
    chain = json.loads(lines[0])["chain"]
    assert outcome.exit_code == 1
    assert (said["sound"], said["records"], said["untold"], said["notes"]) == (False, 7, 0, [])
    assert said["findings"] == [
        {
            "damage": "missing",
            "file": str(log),
            "line": 4,
            "chain": chain,
            "seq": 3,
            "message": "record 3 stood before this line",
        }
    ]
    first = said["chains"][0]
    assert (first["chain"], first["records"], first["lastSeq"], first["stopped"]) == (chain, 4, 4, True)
    assert first["writer"]["process"] == "serve"
    assert first["lastHash"] == json.loads(lines[4])["hash"]


def test_several_files_form_one_log(log: Path, tmp_path: Path) -> None:
    """The older files are compressed, and the newest is standard input."""
    lines = log.read_bytes().splitlines(keepends=True)
    older = tmp_path / "older.gz"
    older.write_bytes(gzip.compress(b"".join(lines[:3])))
    middle = tmp_path / "middle"
    middle.write_bytes(b"".join(lines[3:6]))
    (tmp_path / "newest").write_bytes(b"".join(lines[6:]))
    assert run("verify", older, middle, tmp_path / "newest", "--closed").exit_code == 0
    assert run("verify", middle, older).exit_code == 1


def test_the_root_key_is_made_and_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the owner can read the private half; neither file is overwritten."""
    monkeypatch.chdir(tmp_path)
    assert run("keygen").exit_code == 0
    assert stat.S_IMODE((tmp_path / "audit.key").stat().st_mode) == 0o600
    again = run("keygen")
    assert again.exit_code == 2
    assert "does not overwrite it" in again.stderr
    (tmp_path / "audit.pub").rename("kept.pub")
    assert run("keygen").exit_code == 2
    write_two_chains(tmp_path / "log", root=Path("audit.key"))
    trusted = run("verify", "log", "--trust", "kept.pub")
    assert trusted.exit_code == 0
    assert "key confirmed" in trusted.stdout
    assert "note:" not in trusted.stdout
    assert run("keygen", "other").exit_code == 0
    other = run("verify", "log", "--trust", "other.pub")
    assert other.exit_code == 1
    assert "forged: no trusted root key signed" in other.stdout


def test_unreadable_input_is_status_2(log: Path, tmp_path: Path) -> None:
    """A log without a record is included, so that it is not accepted as a sound one."""
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    nothing = run("verify", empty)
    assert (nothing.exit_code, nothing.stderr) == (2, f"catflap: no record in {empty}; expected an audit log\n")
    broken = tmp_path / "broken"
    broken.write_bytes(gzip.compress(log.read_bytes())[:-10])
    assert run("verify", broken).exit_code == 2
    assert run("verify", tmp_path / "none").exit_code == 2
    key = run("verify", log, "--trust", log)
    assert key.exit_code == 2
    assert "catflap audit keygen" in key.stderr
    other = run("verify", log, "--against", log)
    assert other.exit_code == 2
    assert f"{log}:1: not an audit event" in other.stderr


def test_the_api_servers_log_is_compared(log: Path, tmp_path: Path) -> None:
    """The results of the comparison are in the same report."""
    anchor = {"record-chain": "a" * 32, "record-seq": "1", "record-hash": "b" * 64}
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "stage": "ResponseComplete",
        "verb": "create",
        "requestReceivedTimestamp": "2026-01-31T12:00:00.000000Z",
        "objectRef": {"resource": "pods", "namespace": "shop", "name": "web"},
        "annotations": {f"pods.catflap.dev/{key}": value for key, value in anchor.items()},
    }
    api = tmp_path / "api.log"
    api.write_text(json.dumps(event) + "\n", encoding="utf-8")
    outcome = run("verify", log, "--against", api)
    assert outcome.exit_code == 1
    assert (
        f"{api}:1: chain aaaaaaaa record 1 missing: the log of the API server contains 1 decision of this chain,"
    ) in outcome.stdout
    assert "contains the hashes of 1 decision" in outcome.stdout
    log.write_bytes(b"")
    emptied = run("verify", log, "--against", api)
    assert (emptied.exit_code, f"{api}:1: chain aaaaaaaa record 1 missing" in emptied.stdout) == (1, True)


def test_collector_copy_is_accepted_with_lenient(log: Path) -> None:
    """By default every byte counts."""
    log.write_text("".join(f"{json.dumps(json.loads(line))}\n" for line in log.read_bytes().splitlines()), "utf-8")
    assert run("verify", log).exit_code == 1
    assert run("verify", log, "--lenient").exit_code == 0
