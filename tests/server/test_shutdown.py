"""Processes shut down in order by themselves, with any open connections and with an API server that hangs."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.audit_logs import verify_logs
from tests.controlplane.kubeconfig import by_token, write_kubeconfig
from tests.controlplane.waiting import wait_until
from tests.programs import JSON, Program, control, serve, start_program, supervisor
from tests.reviews import GOOD, encoded, pod
from tests.server.conftest import WORKERS
from tests.server.steady_load import SteadyLoad, worker
from tests.server.trusted_clients import ask
from webhook.server.gunicorn_server import GRACEFUL_TIMEOUT_SECONDS
from webhook.server.shutdown import LINGER_SECONDS, UNUSED_SIGNALS

STANDALONE = ("--standalone", "--policy")
# benchmarks.stopping measures the promised two seconds. On a busy machine a test can only show that the process ends by itself, before
# gunicorn's own limit ends it.
SHUTDOWN_SECONDS = 0.8 * GRACEFUL_TIMEOUT_SECONDS
SHUTDOWN_SIGNALS = [signal.SIGTERM, signal.SIGINT]
ATTEMPTS = 5


@pytest.fixture(autouse=True)
def sigint_enabled() -> Iterator[None]:
    """Enable SIGINT for the processes of a test, also where the tests run as a background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def shutdown_seconds(server: Program, number: signal.Signals, *, pid: int | None = None) -> float:
    """Send a signal and return the seconds until the process has ended with status 0."""
    began = time.monotonic()
    os.kill(pid or server.process.pid, number)
    assert server.process.wait(15) == 0
    return time.monotonic() - began


def assert_closed(server: Program) -> None:
    """Assert that every chain of the log has its stop record."""
    assert verify_logs(server.audit_log, closed=True).findings == ()


@pytest.mark.parametrize("number", SHUTDOWN_SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("worker_class", WORKERS)
def test_idle_connections_do_not_delay_the_shutdown(
    policy: Path, tmp_path: Path, worker_class: str, number: signal.Signals
) -> None:
    """The connections are trusted, untrusted after their handshake and before it, and have incomplete requests."""
    with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server, ExitStack() as stack:
        for _ in range(10):
            ask(stack.enter_context(closing(server.connect())))
            stack.enter_context(closing(server.connect())).connect()
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
            half = stack.enter_context(closing(server.connect()))
            half.connect()
            half.sock.sendall(b"POST /validate HTTP/1.1\r\nHost:")
        assert shutdown_seconds(server, number) < SHUTDOWN_SECONDS
        assert_closed(server)


@pytest.mark.parametrize("worker_class", WORKERS)
def test_no_answer_is_lost_under_load(policy: Path, tmp_path: Path, worker_class: str) -> None:
    """Each request over a kept connection is answered; benchmarks.stopping repeats this 20 times."""
    with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server, ExitStack() as stack:
        for _ in range(10):
            ask(stack.enter_context(closing(server.connect())))
        load = SteadyLoad(server)
        with load.sending():
            load.wait_for(100)
            seconds = shutdown_seconds(server, signal.SIGTERM)
        assert load.lost == []
        assert load.refused() == set()
        assert "Traceback" not in server.log()
        assert seconds < SHUTDOWN_SECONDS
        assert_closed(server)


@pytest.mark.parametrize("worker_class", WORKERS)
def test_the_last_answer_of_a_kept_connection_announces_its_close(
    policy: Path, tmp_path: Path, worker_class: str
) -> None:
    """The API server does not retry a POST, so a recently used connection takes one more request."""
    for number in range(ATTEMPTS):
        with serve(tmp_path / str(number), *STANDALONE, str(policy), "--worker", worker_class) as server:
            with closing(server.connect()) as kept:
                began, sent = time.monotonic(), LINGER_SECONDS  # the server counts from the answer, which comes later
                ask(kept)
                os.kill(server.process.pid, signal.SIGTERM)
                time.sleep(LINGER_SECONDS / 3)
                try:
                    kept.request("POST", "/validate", encoded(pod(GOOD)), JSON)
                    sent = time.monotonic() - began
                    answer = kept.getresponse()
                except ConnectionError:
                    assert time.monotonic() - began > LINGER_SECONDS
                    assert sent > LINGER_SECONDS / 2  # the busy machine delayed this test; repeat
                    continue
                assert answer.status == 200
                assert (answer.headers["Connection"] or "").lower() == "close"
                answer.read()
            assert server.process.wait(15) == 0
            return
    pytest.fail("this machine is too busy to send a request within the time")


@pytest.mark.parametrize("worker_class", WORKERS)
def test_a_second_signal_changes_nothing(policy: Path, tmp_path: Path, worker_class: str) -> None:
    """The arbiter and the worker get it, as from a terminal or an impatient user."""
    with (
        serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server,
        closing(server.connect()) as idle,
    ):
        ask(idle)
        serving = worker(server)
        for pid in (server.process.pid, serving, server.process.pid):
            os.kill(pid, signal.SIGTERM)
        assert shutdown_seconds(server, signal.SIGTERM) < SHUTDOWN_SECONDS
        assert_closed(server)


@pytest.mark.parametrize("worker_class", WORKERS)
def test_a_worker_that_ends_alone_is_replaced(policy: Path, tmp_path: Path, worker_class: str) -> None:
    """Its chain is closed, and the next worker begins a new one."""
    with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server:
        with closing(server.connect()) as idle:
            ask(idle)
            first = worker(server)
            os.kill(first, signal.SIGTERM)
            wait_until(lambda: not Path(f"/proc/{first}").exists(), what="the worker to end", seconds=10)
        server.wait_for()
        assert server.post("/validate", encoded(pod(GOOD))).status == 200
        shutdown_seconds(server, signal.SIGTERM)
        assert len(verify_logs(server.audit_log, closed=True).chains) == 2
        assert_closed(server)


@pytest.mark.parametrize("worker_class", WORKERS)
@pytest.mark.parametrize("to", ["arbiter", "worker"])
def test_gunicorns_other_signals_change_nothing(policy: Path, tmp_path: Path, worker_class: str, to: str) -> None:
    """Gunicorn would add, reload or end processes."""
    with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server:
        first = worker(server)
        for number in UNUSED_SIGNALS:
            os.kill(server.process.pid if to == "arbiter" else first, number)
        time.sleep(1)
        assert server.post("/validate", encoded(pod(GOOD))).status == 200
        assert worker(server) == first
        shutdown_seconds(server, signal.SIGTERM)
        assert_closed(server)


@pytest.mark.parametrize("worker_class", WORKERS)
@pytest.mark.usefixtures("sighup_enabled")
def test_sighup_ends_the_server(policy: Path, tmp_path: Path, worker_class: str) -> None:
    """A closing terminal sends SIGHUP to all processes; the worker leaves the shutdown to the arbiter."""
    with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server:
        os.kill(worker(server), signal.SIGHUP)
        assert shutdown_seconds(server, signal.SIGHUP) < SHUTDOWN_SECONDS
        assert_closed(server)


@pytest.mark.parametrize("worker_class", WORKERS)
@pytest.mark.parametrize("moment", ["a worker is there", "the policy is in force", "the status port answers"])
def test_a_signal_before_readiness_is_not_lost(policy: Path, tmp_path: Path, worker_class: str, moment: str) -> None:
    """Uvloop loses signals that arrive before its loop runs."""
    with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class, ready=False) as server:
        moments = {
            "a worker is there": lambda: has_worker(server),
            "the policy is in force": lambda: "is in force" in server.log(),
            "the status port answers": server.is_up,
        }
        wait_for_moment(server, moments[moment])
        assert shutdown_seconds(server, signal.SIGTERM) < SHUTDOWN_SECONDS
        if server.audit_log.exists() and server.audit_log.stat().st_size:
            assert_closed(server)


def wait_for_moment(server: Program, has_come: "object") -> None:
    """Wait for a moment with a short interval, as a longer one would miss it."""
    deadline = time.monotonic() + 30
    while not has_come():  # type: ignore[operator]
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.001)


def has_worker(server: Program) -> bool:
    """Return whether the arbiter has started a worker."""
    pid = server.process.pid
    return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())


@pytest.mark.parametrize("worker_class", WORKERS)
def test_an_ignored_sigint_stays_ignored(policy: Path, tmp_path: Path, worker_class: str) -> None:
    """Shells start background jobs with SIGINT ignored, and ^C is not meant for them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server:
            for pid in (server.process.pid, worker(server)):
                os.kill(pid, signal.SIGINT)
            time.sleep(0.5)
            assert server.post("/validate", encoded(pod(GOOD))).status == 200
            assert shutdown_seconds(server, signal.SIGTERM) < SHUTDOWN_SECONDS
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def hanging_api_server(folder: Path) -> Iterator[Path]:
    """Return a kubeconfig of an API server that accepts connections and answers nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield write_kubeconfig(folder / "kubeconfig", server=server, authority=b"", user=by_token("none"))


@pytest.mark.parametrize("number", SHUTDOWN_SIGNALS, ids=lambda number: number.name)
def test_the_controller_ends_while_its_requests_hang(policy: Path, tmp_path: Path, number: signal.Signals) -> None:
    """Its chain is closed too."""
    with hanging_api_server(tmp_path) as kubeconfig:
        arguments = ("--policy", str(policy), "--kubeconfig", str(kubeconfig))
        with control(tmp_path / "controller", *arguments, ready=False) as controller:
            controller.wait_for("/healthz")
            assert shutdown_seconds(controller, number) < SHUTDOWN_SECONDS
            assert_closed(controller)


@pytest.mark.parametrize("worker_class", WORKERS)
def test_the_server_ends_while_its_requests_hang(policy: Path, tmp_path: Path, worker_class: str) -> None:
    """Reviews that wait for a lookup are refused or not answered, and never admitted."""
    with hanging_api_server(tmp_path) as kubeconfig:
        arguments = ("--policy", str(policy), "--kubeconfig", str(kubeconfig), "--worker", worker_class)
        with serve(tmp_path / "server", *arguments, ready=False) as server:
            wait_until(lambda: "not ready: server" not in status(server), what="the server to listen")
            with closing(server.connect()) as waiting:
                waiting.request("POST", "/validate", encoded(pod(GOOD)), JSON)
                time.sleep(0.2)
                assert shutdown_seconds(server, signal.SIGTERM) < SHUTDOWN_SECONDS
                assert b'"allowed":true' not in unread(waiting.sock)
            assert_closed(server)


def status(server: Program) -> str:
    """Return the text of /readyz; a closed port counts as a server that is not ready."""
    return server.status("/readyz").body.decode() if server.is_up() else "not ready: server"


def unread(connection: "ssl.SSLSocket | socket.socket") -> bytes:
    """Return the unread bytes."""
    try:
        return connection.recv(1 << 16)
    except OSError:
        return b""


def test_the_first_process_of_a_container_ends_during_its_start(policy: Path, tmp_path: Path) -> None:
    """The kernel drops a signal for which the first process has no handler."""
    unshare = ["unshare", "--fork", "--pid", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make a process namespace")
    verb = [sys.executable, "-c", SLOW_START, "serve", *STANDALONE, str(policy), "--tls-dir", str(tmp_path)]
    with supervisor().start([*unshare, *verb], output=subprocess.PIPE, errors=None, cwd=Path.cwd()) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == b"starts\n"
        [first] = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text(encoding="ascii").split()
        os.kill(int(first), signal.SIGTERM)
        assert outer.wait(10) == 128 + signal.SIGTERM


def test_a_demo_ends_its_server() -> None:
    """SIGTERM runs no `finally` block without a handler."""
    with start_program("demo", output=subprocess.DEVNULL) as demo:
        children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children")
        wait_until(lambda: bool(children.read_text(encoding="ascii").split()), what="the demo's server")
        [server] = children.read_text(encoding="ascii").split()
        demo.terminate()
        assert demo.wait(15) == 128 + signal.SIGTERM
    assert not Path(f"/proc/{server}").exists()


# A slow start, as on a busy node: the verb has not imported its modules yet.
SLOW_START = """
import time
from webhook import __main__, cli
def command(**_):
    print("starts", flush=True)
    time.sleep(60)
__main__.command = command
__main__.main()
"""
