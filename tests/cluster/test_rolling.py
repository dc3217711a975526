"""Tests a rolling update of both Deployments: every request is answered, and ended processes close their chains."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

from click.testing import CliRunner

from tests.cluster.installation import run_controller, run_server
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.port_forwarder import port_forwarder
from tests.cluster.standalone_install import (
    NAME,
    PODS,
    assert_guarded,
    clean_cluster,
    install,
    issue,
    standalone_cluster,
)
from tests.cluster.test_shutdown import assert_ends
from tests.controlplane.client import Answer
from tests.controlplane.cluster import Cluster
from tests.ports import free_port
from tests.programs import Program
from webhook.cli import main

__all__ = ["clean_cluster", "standalone_cluster"]  # fixtures
PAUSE_SECONDS: Final = 0.02


@contextmanager
def load(cluster: Cluster, space: str) -> Iterator[list[Answer]]:
    """Create good Pods one after the other; yield the answers so far."""
    answers: list[Answer] = []
    ended = Event()

    def create() -> None:
        while not ended.wait(PAUSE_SECONDS):
            answers.append(cluster.call("POST", PODS.format(space) + "?dryRun=All", pod("any", space, GOOD)))

    thread = Thread(target=create, name="load")
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


def test_a_rolling_update_loses_nothing_and_leaves_closed_chains(
    clean_cluster: Cluster, tmp_path: Path, namespace_name: str
) -> None:
    """Each new process is ready before the old one gets SIGTERM; the API server keeps connections to the old server."""
    issue(tmp_path / "old", NAME, "localhost")
    shutil.copytree(tmp_path / "old" / "tls", tmp_path / "new" / "tls")
    clean_cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    with port_forwarder() as service, ExitStack() as stack:
        install(clean_cluster, tmp_path / "old", service.port)
        programs: dict[str, Program] = {}

        def begin(which: str) -> None:
            port = free_port()
            server = stack.enter_context(run_server(clean_cluster, tmp_path / which, port, ready=False))
            service.target = port if not programs else service.target
            programs[f"{which} server"] = server
            programs[f"{which} controller"] = stack.enter_context(
                run_controller(clean_cluster, tmp_path / which, service.port, ready=False)
            )
            for program in (server, programs[f"{which} controller"]):
                program.wait_for()
            service.target = port

        begin("old")
        assert_guarded(clean_cluster, namespace_name)
        with load(clean_cluster, namespace_name) as answers:
            begin("new")
            assert_ends(programs["old server"])
            assert_ends(programs["old controller"])
            seen = len(answers)
            while len(answers) < seen + 50:
                assert [one.body for one in answers if one.status != 201] == []
        for which in ("server", "controller"):
            programs[f"new {which}"].process.send_signal(signal.SIGTERM)
            assert programs[f"new {which}"].process.wait(15) == 0
    assert [one.body for one in answers if one.status != 201] == []
    logs = [str(one.audit_log) for one in programs.values()]
    assert len(set(logs)) == len(logs)
    for log in logs:
        found = CliRunner().invoke(main, ["audit", "verify", "--closed", log])
        assert found.exit_code == 0, found.output
