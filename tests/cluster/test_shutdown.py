"""Tests that both processes end in order while the real API server holds connections, and while it hangs."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.audit_logs import verify_logs
from tests.cluster.installation import Installation, run_controller, run_server
from tests.cluster.manifests import GOOD, namespace, pod
from tests.programs import Program
from webhook.server.gunicorn_server import GRACEFUL_TIMEOUT_SECONDS

# benchmarks.stopping measures the promised two seconds; on a busy machine a test cannot.
END_SECONDS = 0.8 * GRACEFUL_TIMEOUT_SECONDS
ROUNDS = 3


@contextmanager
def frozen(catflap: Installation) -> Iterator[None]:
    """Let the API server accept connections and answer nothing, until the end of the block."""
    pid = catflap.cluster.apiserver.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def assert_ends(program: Program) -> None:
    """They end soon after SIGTERM, with status 0 and a closed chain."""
    began = time.monotonic()
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(15) == 0
    assert time.monotonic() - began < END_SECONDS
    assert verify_logs(program.audit_log).chains[-1].is_stopped


def test_the_server_ends_while_the_api_server_keeps_its_connections(catflap: Installation, namespace_name: str) -> None:
    """The API server keeps some connections. While the server is gone, no other process reports an error."""
    catflap.apply(namespace(namespace_name))
    for number in range(ROUNDS):
        catflap.apply(pod(f"before-{number}", namespace_name, GOOD))
        assert_ends(catflap.server)
        catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))
        assert catflap.apply(pod(f"after-{number}", namespace_name, GOOD)).returncode == 0


def test_the_controller_ends_while_the_api_server_hangs(catflap: Installation, namespace_name: str) -> None:
    """It does not matter what it was about to write, or how long a request would wait."""
    catflap.apply(namespace(namespace_name))
    with frozen(catflap):
        assert_ends(catflap.controller)
    catflap.controller = catflap.revived.enter_context(run_controller(catflap.cluster, catflap.folder))


def test_the_server_ends_while_the_api_server_hangs(catflap: Installation) -> None:
    """Neither its watches nor waiting reviews delay the end."""
    with frozen(catflap):
        assert_ends(catflap.server)
    catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))
