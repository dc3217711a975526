"""The audit records of answers at 200 requests per second: after kills, on a full disk, and with a pipe without a reader."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final, Self

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.audit_logs import assert_valid, verify_logs
from tests.ports import free_port
from tests.programs import Answer, Program, serve, start_program
from tests.reviews import GOOD, encoded, pod
from tests.server.steady_load import SteadyLoad, worker
from webhook.audit.chain_verifier import Chain
from webhook.audit.log_lines import read_records
from webhook.audit.rotation import rotated_files

STANDALONE: Final = ("--standalone", "--policy")
KEPT: Final = ("written", "synced")  # these lose no record of an answer when a process is killed
ROOM: Final = "128k"


def recorded(*paths: Path) -> set[str]:
    """Return the uids of recorded reviews."""
    return {record["id"] for record in read_records(map(str, paths)) if record["type"] == "decision"}


def lost(path: Path) -> int:
    """Return how many records the log itself reports as lost."""
    found = [*read_records([str(path)])]
    for record in found:
        assert_valid(record)
    return sum(record.get("lost", 0) for record in found)


def remark(chain: Chain) -> str:
    """Return the remark about a chain that was never signed."""
    return f"chain {chain.name} has no signature: its {chain.records} records are protected only by hashes"


def metric(server: Program, name: str) -> float:
    """Return the value of a metric without labels."""
    families = text_string_to_metric_families(server.status("/metrics").body.decode())
    return next(sample.value for sample in chain(*(family.samples for family in families)) if sample.name == name)


@pytest.mark.parametrize("durability", KEPT)
def test_a_killed_worker_has_recorded_what_it_answered(policy: Path, tmp_path: Path, durability: str) -> None:
    """This includes rotated files; the next worker's chain refers to the last record."""
    log = tmp_path / "rotated.log"
    options = ("--audit-log", str(log), "--audit-durability", durability, "--audit-rotate-size", "50Ki")
    with serve(tmp_path, *STANDALONE, str(policy), *options) as server:
        load = SteadyLoad(server)
        with load.sending():
            load.wait_for(200)
            os.kill(worker(server), signal.SIGKILL)
            load.wait_for(100)
    files = [*rotated_files(str(log)), log]
    assert len(files) > 2
    assert load.allowed() <= recorded(*files)
    report = verify_logs(*files)
    assert report.findings == ()
    assert report.notes == (remark(report.chains[0]),)  # it was killed before it could sign
    assert [one.is_stopped for one in report.chains] == [False, True]


@pytest.mark.parametrize("durability", KEPT)
def test_a_killed_server_has_recorded_what_it_answered(policy: Path, tmp_path: Path, durability: str) -> None:
    """All processes are killed at once, as when a node fails; after a restart, the log is valid but not closed."""
    arguments = (*STANDALONE, str(policy), "--audit-durability", durability)
    with serve(tmp_path, *arguments) as server:
        load = SteadyLoad(server)
        with load.sending():
            load.wait_for(200)
            answering = worker(server)
            server.process.kill()
            os.kill(answering, signal.SIGKILL)
        server.process.wait()
        assert load.allowed() <= recorded(server.audit_log)
    with serve(tmp_path, *arguments) as server:
        assert server.post("/validate", encoded(pod(GOOD))).response["allowed"]
    report = verify_logs(server.audit_log)
    assert report.findings == ()
    [found] = verify_logs(server.audit_log, closed=True).findings
    assert found.chain == report.chains[0].name


Resize = Callable[[str], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Resize]]:
    """Return a small file system that is soon full, and a function that resizes it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "catflap-test", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs, to fill it")

    def resize(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    yield folder, resize
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("durability", KEPT)
def test_a_full_disk_refuses(policy: Path, tmp_path: Path, disk: tuple[Path, Resize], durability: str) -> None:
    """Admitted reviews are recorded before and after; refused ones may be retried."""
    log = disk[0] / "audit.log"
    options = ("--audit-log", str(log), "--audit-durability", durability)
    with serve(tmp_path, *STANDALONE, str(policy), *options) as server:
        load = SteadyLoad(server)
        with load.sending():
            load.wait_for(50, allowed=False)
            before = len(load.allowed())
            assert server.status("/readyz") == Answer(503, b"not ready: audit log\n")
            disk[1]("16m")
            load.wait_for(50)
        server.wait_for()
        assert before > 50
        assert metric(server, "catflap_audit_lost_total") == 0
        assert metric(server, "catflap_audit_failures_total") >= len(load.refused())
        assert {load.answers[uid]["status"]["code"] for uid in load.refused()} == {503}
    assert load.allowed() == recorded(log)
    assert lost(log) == 0
    assert verify_logs(log, closed=True).findings == ()
    assert server.log().count("requests are rejected meanwhile") < 10


def test_a_full_disk_admits_and_reports_losses_where_configured(
    policy: Path, tmp_path: Path, disk: tuple[Path, Resize]
) -> None:
    """The log and the metric both report the number of lost records exactly."""
    log = disk[0] / "audit.log"
    options = ("--audit-log", str(log), "--audit-failure", "admit")
    with serve(tmp_path, *STANDALONE, str(policy), *options) as server:
        load = SteadyLoad(server)
        with load.sending():
            load.wait_for(100)
            while not metric(server, "catflap_audit_lost_total"):
                load.wait_for(1)
            load.wait_for(50)
            disk[1]("16m")
            load.wait_for(50)
        missing = metric(server, "catflap_audit_lost_total")
    assert load.refused() == set()
    assert missing >= 50
    assert lost(log) == missing
    assert len(load.allowed() - recorded(log)) == missing
    assert verify_logs(log, closed=True).findings == ()
    assert "requests are admitted without a record" in server.log()


def test_best_effort_waits_for_a_full_disk(policy: Path, tmp_path: Path, disk: tuple[Path, Resize]) -> None:
    """The records wait in a queue that the metric shows; no review is refused, and all are recorded in the end."""
    log = disk[0] / "audit.log"
    options = ("--audit-log", str(log), "--audit-durability", "best-effort")
    with serve(tmp_path, *STANDALONE, str(policy), *options) as server:
        load = SteadyLoad(server)
        with load.sending():
            while metric(server, "catflap_audit_queue_bytes") < 50_000:
                load.wait_for(10)
            disk[1]("16m")
            load.wait_for(50)
    assert load.refused() == set()
    assert load.allowed() == recorded(log)
    report = verify_logs(log, closed=True)
    assert report.findings == ()


class PipedServer:
    """A server whose standard output is a small pipe that a test reads."""

    def __init__(self, policy: Path, folder: Path, *options: str) -> None:
        port, status_port = free_port(), free_port()
        own = ["--standalone", "--policy", str(policy), "--tls-dir", str(folder / "tls")]
        own += ["--listen", f"127.0.0.1:{port}", "--status-listen", f"127.0.0.1:{status_port}"]
        with (folder / "stderr.log").open("wb") as stderr:
            self.process = start_program("serve", *own, *options, output=subprocess.PIPE, errors=stderr)
        assert self.process.stdout is not None
        self.stdout = self.process.stdout
        fcntl.fcntl(self.stdout, fcntl.F_SETPIPE_SZ, 4096)
        self.server = Program(self.process, status_port, folder, port)

    def __enter__(self) -> Self:
        """Wait for the server; it is not ready while its output is not read."""
        self.server.wait_for("/healthz")
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the server and close its files."""
        self.process.kill()
        self.process.wait()
        self.stdout.close()

    def end(self) -> bytes:
        """Terminate the server and return its remaining output."""
        self.process.terminate()
        said = self.stdout.read()
        assert self.process.wait(15) == 0
        return said


def test_unread_standard_output_refuses_and_does_not_hang(policy: Path, tmp_path: Path) -> None:
    """As the main log, an unread pipe is like a full disk; the log is valid once it is read."""
    with PipedServer(policy, tmp_path) as piped_server:
        load = SteadyLoad(piped_server.server)
        with load.sending():
            load.wait_for(50, allowed=False)
            assert piped_server.server.status("/healthz").status == 200
            first = os.read(piped_server.stdout.fileno(), 1 << 16)
            load.wait_for(1)
        (tmp_path / "stdout.log").write_bytes(first + piped_server.end())
    assert load.allowed() <= recorded(tmp_path / "stdout.log")
    assert verify_logs(tmp_path / "stdout.log").findings == ()


def test_an_unread_copy_delays_no_review(policy: Path, tmp_path: Path) -> None:
    """The file is the main log; the copy that is read in the end is a valid log too."""
    log = tmp_path / "audit.log"
    with PipedServer(policy, tmp_path, "--audit-log", str(log), "--audit-stdout") as piped_server:
        load = SteadyLoad(piped_server.server)
        with load.sending():
            load.wait_for(200)
        copy = tmp_path / "stdout.log"
        copy.write_bytes(piped_server.end())
    assert load.refused() == set()
    assert load.allowed() == recorded(log)
    assert copy.read_bytes() == log.read_bytes()
    assert verify_logs(log, closed=True).findings == ()
