"""The audit log of a server process after each kind of end."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.audit_logs import assert_sound, verify_logs
from tests.ports import free_port
from tests.programs import serve
from tests.reviews import GOOD, encoded, pod
from tests.server.steady_load import SteadyLoad, worker
from webhook.audit.keys import read_public, write_pair

STANDALONE: Final = ("--standalone", "--policy")


def test_two_processes_may_share_a_file(policy: Path, tmp_path: Path) -> None:
    """Each process has its own chain."""
    shared = ("--audit-log", str(tmp_path / "audit.log"))
    with (
        serve(tmp_path / "one", *STANDALONE, str(policy), *shared) as one,
        serve(tmp_path / "other", *STANDALONE, str(policy), *shared, "--worker", "gthread") as other,
    ):
        loads = [SteadyLoad(one), SteadyLoad(other)]
        with loads[0].sending(), loads[1].sending():
            for load in loads:
                load.wait_for(20)
    assert_sound(tmp_path / "audit.log")
    report = verify_logs(tmp_path / "audit.log", closed=True)
    assert report.findings == ()
    assert len(report.chains) == 2
    assert report.records >= 44


def test_a_temporarily_full_disk_leaves_a_partial_line_that_is_reported(policy: Path, tmp_path: Path) -> None:
    """Meanwhile no review is admitted; after that, the server continues."""
    with serve(tmp_path, *STANDALONE, str(policy)) as server:
        assert server.post("/validate", encoded(pod(GOOD))).response["allowed"]
        room = server.audit_log.stat().st_size + 100
        resource.prlimit(worker(server), resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        for _ in range(3):
            assert server.post("/validate", encoded(pod(GOOD))).response["status"]["code"] == 503
        resource.prlimit(worker(server), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert server.post("/validate", encoded(pod(GOOD))).response["allowed"]
        assert [fragment["bytes"] for fragment in server.records()[-1]["torn"]] == [100]
    assert verify_logs(server.audit_log, closed=True).findings == ()


def test_an_audit_key_signs_the_chain(policy: Path, tmp_path: Path) -> None:
    """The key is the one that `catflap audit keygen` creates."""
    private, public = write_pair(str(tmp_path / "root"))
    with serve(tmp_path, *STANDALONE, str(policy), "--audit-key", str(private)):
        pass
    assert verify_logs(tmp_path / "audit.log", roots=[read_public(public)], closed=True).findings == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(None, "no such file", id="nothing"),
        pytest.param("no key", "audit.key", id="garbage"),
        pytest.param("public", "audit.key", id="the public half"),
    ],
)
@pytest.mark.parametrize("verb", ["serve", "controller"])
def test_a_bad_audit_key_ends_it_with_the_remedy(
    policy: Path, tmp_path: Path, verb: str, text: str | None, says: str
) -> None:
    """The status is 2, before the server listens."""
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
    assert "create a pair with: catflap audit keygen" in ended.stderr
