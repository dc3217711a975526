"""What a serving process leaves on record, however it ends."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest

from tests.audit_logs import assert_sound
from tests.programs import Program, free_port, serve
from tests.reviews import GOOD, encoded, pod
from webhook.audit.keys import read_public, write_pair
from webhook.audit.reading import read_lines
from webhook.audit.verify import Report, Verifier

THREADS: Final = 2
STANDALONE: Final = ("--standalone", "--policy")


def verified(*paths: Path, **options: Any) -> Report:
    """What is said of a log."""
    verifier = Verifier(**options)
    for line in read_lines(map(str, paths)):
        verifier.take(line)
    return verifier.finish()


def worker(server: Program) -> int:
    """The process that answers."""
    pid = server.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0])


class Load:
    """Reviews that are sent one after the other on several threads, and which of them were answered."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self._numbers = count()
        self._over = Event()
        self.answered: set[str] = set()

    def wait_for(self, answers: int) -> None:
        """Return once so many more have been answered."""
        wanted = len(self.answered) + answers
        while len(self.answered) < wanted:
            self._over.wait(0.001)

    @contextmanager
    def going(self) -> Iterator[None]:
        """Send from now on, until the end of the block."""
        with ThreadPoolExecutor(THREADS) as pool:
            senders = [pool.submit(self._send) for _ in range(THREADS)]
            try:
                yield
            finally:
                self._over.set()
        for sender in senders:
            sender.result()

    def _send(self) -> None:
        while not self._over.is_set():
            uid = f"{next(self._numbers):08}-0000-0000-0000-000000000000"
            try:
                answer = self._server.post("/validate", encoded(pod(GOOD), uid=uid))
            except (OSError, HTTPException):  # nobody listens, or somebody has stopped to
                continue
            if answer.response["allowed"]:
                self.answered.add(uid)


def recorded(server: Program) -> set[str]:
    """Which reviews are on record."""
    return {record["id"] for record in server.records() if "id" in record}


def test_a_killed_worker_has_recorded_what_it_answered(policy: Path, tmp_path: Path) -> None:
    """The next one's chain hangs on its last record."""
    with serve(tmp_path, *STANDALONE, str(policy)) as server:
        load = Load(server)
        with load.going():
            load.wait_for(20)
            os.kill(worker(server), signal.SIGKILL)
            load.wait_for(20)
        assert load.answered <= recorded(server)
    report = verified(server.audit_log)
    assert report.findings == ()
    assert [chain.stopped for chain in report.chains] == [False, True]


def test_a_killed_server_has_recorded_what_it_answered(policy: Path, tmp_path: Path) -> None:
    """All of it at once, as by a node that goes away; the chain is sound after a restart, but not closed."""
    with serve(tmp_path, *STANDALONE, str(policy)) as server:
        load = Load(server)
        with load.going():
            load.wait_for(20)
            answering = worker(server)
            server.process.kill()
            os.kill(answering, signal.SIGKILL)
        server.process.wait()
        assert load.answered <= recorded(server)
    with serve(tmp_path, *STANDALONE, str(policy)) as server:
        assert server.post("/validate", encoded(pod(GOOD))).response["allowed"]
    assert verified(server.audit_log).findings == ()
    [found] = verified(server.audit_log, closed=True).findings
    assert found.chain == verified(server.audit_log).chains[0].name


def test_two_processes_may_share_a_file(policy: Path, tmp_path: Path) -> None:
    """Each with its own chain."""
    shared = ("--audit-log", str(tmp_path / "audit.log"))
    with (
        serve(tmp_path / "one", *STANDALONE, str(policy), *shared) as one,
        serve(tmp_path / "other", *STANDALONE, str(policy), *shared, "--worker", "gthread") as other,
    ):
        loads = [Load(one), Load(other)]
        with loads[0].going(), loads[1].going():
            for load in loads:
                load.wait_for(20)
    assert_sound(tmp_path / "audit.log")
    report = verified(tmp_path / "audit.log", closed=True)
    assert report.findings == ()
    assert len(report.chains) == 2
    assert report.records >= 44


def test_a_disk_that_is_full_for_a_while_leaves_a_half_line_that_is_owned_up_to(policy: Path, tmp_path: Path) -> None:
    """Meanwhile nothing is admitted; then all goes on."""
    with serve(tmp_path, *STANDALONE, str(policy)) as server:
        assert server.post("/validate", encoded(pod(GOOD))).response["allowed"]
        room = server.audit_log.stat().st_size + 100
        resource.prlimit(worker(server), resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        for _ in range(3):
            assert server.post("/validate", encoded(pod(GOOD))).response["status"]["code"] == 503
        resource.prlimit(worker(server), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert server.post("/validate", encoded(pod(GOOD))).response["allowed"]
        assert [fragment["bytes"] for fragment in server.records()[-1]["torn"]] == [100]
    assert verified(server.audit_log, closed=True).findings == ()


def test_an_audit_key_vouches_for_the_chain(policy: Path, tmp_path: Path) -> None:
    """As `catflap audit keygen` makes it."""
    private, public = write_pair(str(tmp_path / "root"))
    with serve(tmp_path, *STANDALONE, str(policy), "--audit-key", str(private)):
        pass
    assert verified(tmp_path / "audit.log", roots=[read_public(public)], closed=True).findings == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(None, "No such file", id="nothing"),
        pytest.param("no key", "audit.key", id="garbage"),
        pytest.param("public", "audit.key", id="the public half"),
    ],
)
@pytest.mark.parametrize("verb", ["serve", "controller"])
def test_a_bad_audit_key_ends_it_with_the_remedy(
    policy: Path, tmp_path: Path, verb: str, text: str | None, says: str
) -> None:
    """Status 2, before anything is served."""
    key = tmp_path / "audit.key"
    if text == "public":
        write_pair(str(tmp_path / "other"))[1].rename(key)
    elif text is not None:
        key.write_text(text, encoding="utf-8")
    argv = [sys.executable, "-m", "webhook", verb, "--policy", str(policy), "--audit-key", str(key)]
    argv += ["--status-listen", f"127.0.0.1:{free_port()}"]
    if verb == "serve":
        argv += ["--standalone", "--listen", f"127.0.0.1:{free_port()}", "--tls-dir", str(tmp_path / "tls")]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "make a pair by: catflap audit keygen" in ended.stderr
