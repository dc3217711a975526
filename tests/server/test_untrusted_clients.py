"""Valid reviews and the kubelet's probes are answered under any load of untrusted connections."""

import socket
import ssl
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tests.controlplane.waiting import wait_until
from tests.programs import JSON, Program, serve
from tests.reviews import GOOD, encoded, pod
from tests.server.conftest import WORKERS
from tests.server.steady_load import worker
from tests.server.trusted_clients import TrustedClients, ask, probe
from tests.server.untrusted_clients import ConnectionCounts, untrusted_clients
from webhook.model.timeouts import WEBHOOK_TIMEOUT_SECONDS
from webhook.server.limits import (
    BODY_SECONDS,
    CLOSING_SECONDS,
    HANDSHAKE_SECONDS,
    HEADERS_SECONDS,
)
from webhook.server.status_server import MAX_CONNECTIONS

STANDALONE = ("--standalone", "--policy")
HEADERS = b"POST /validate HTTP/1.1\r\nHost: catflap\r\nContent-Type: application/json\r\n"
LATE_SECONDS = 3.0  # on a busy machine


@pytest.mark.parametrize("worker_class", WORKERS)
def test_trusted_clients_are_answered_under_load_of_untrusted_ones(
    policy: Path, tmp_path: Path, worker_class: str
) -> None:
    """The load exceeds the limits; benchmarks.strangers opens ten times as many connections and measures times."""
    with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server:
        clients, pid = TrustedClients(server), worker(server)
        with untrusted_clients(
            server.port, server.status_port, ConnectionCounts(idle=900, slow=60, half_open=60, status=300)
        ) as load:
            assert load.stdout is not None
            load.stdout.readline()  # some connections are open now
            with clients.calling():
                time.sleep(4)
        assert clients.failures == []
        assert min(len(clients.kept), len(clients.new), len(clients.probes)) > 0
        assert worker(server) == pid
        assert dropped_connections(server) > 0


def test_probes_are_answered_with_2000_idle_connections(policy: Path, tmp_path: Path) -> None:
    """On the status port, the oldest connections are dropped, and incomplete requests occupy no thread."""
    with serve(tmp_path, *STANDALONE, str(policy)) as server, ExitStack() as stack:
        held = []
        for number in range(2000):
            idle = stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.status_port), timeout=10)))
            if number % 2:
                idle.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n")
            held.append(idle)
            if number % 400 == 0:
                probe(server, "/readyz")
        for path in ("/healthz", "/readyz", "/metrics"):
            probe(server, path)
        assert sum(is_open(idle) for idle in held) <= MAX_CONNECTIONS


def dropped_connections(server: Program) -> float:
    """Return how many connections the server has dropped."""
    lines = server.status("/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("catflap_connections_dropped_total"))


def is_open(connection: socket.socket) -> bool:
    """Return whether the server has not closed the connection."""
    connection.settimeout(0)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_the_status_port_refuses_a_large_body_or_header(server: Program) -> None:
    """It stores neither on disk or in memory."""
    for head in (
        b"POST /healthz HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nA: " + b"x" * 40_000,
    ):
        with closing(socket.create_connection(("127.0.0.1", server.status_port), timeout=10)) as connection:
            connection.sendall(head)
            assert connection.recv(100).startswith((b"HTTP/1.1 413", b"HTTP/1.0 413", b"HTTP/1.0 431", b"HTTP/1.1 431"))


def tls_connection(server: Program) -> ssl.SSLSocket:
    """Return a connection after its handshake."""
    context = ssl.create_default_context(cafile=str(server.authority))
    raw = socket.create_connection(
        ("localhost", server.port), timeout=WEBHOOK_TIMEOUT_SECONDS + CLOSING_SECONDS + LATE_SECONDS
    )
    return context.wrap_socket(raw, server_hostname="localhost")


def test_an_endless_body_is_refused_after_seconds(server: Program) -> None:
    """The answer is 408, so an API server that is as slow follows the failurePolicy."""
    with closing(tls_connection(server)) as connection:
        connection.sendall(HEADERS + b"Content-Length: 1000000\r\n\r\n{")
        began = time.monotonic()
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert BODY_SECONDS - 0.1 <= time.monotonic() - began <= BODY_SECONDS + LATE_SECONDS


def test_a_connection_with_endless_headers_is_closed_after_seconds(server: Program) -> None:
    """Headers that arrive slowly do not extend the limit."""
    with closing(tls_connection(server)) as connection:
        began, latest = time.monotonic(), HEADERS_SECONDS + LATE_SECONDS
        connection.sendall(HEADERS)
        with suppress(OSError):
            while time.monotonic() - began < latest:
                connection.sendall(b"X: y\r\n")
                time.sleep(0.1)
        assert HEADERS_SECONDS - 0.1 <= time.monotonic() - began < latest


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01"], ids=["that never begins", "that begins"])
def test_a_connection_without_a_handshake_is_closed_after_seconds(server: Program, hello: bytes) -> None:
    """The limit is the API server's timeout."""
    with closing(
        socket.create_connection(("127.0.0.1", server.port), timeout=2 * HANDSHAKE_SECONDS + LATE_SECONDS)
    ) as connection:
        connection.sendall(hello)
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_untrusted_bodies_are_bounded_and_small_reviews_are_answered(policy: Path, tmp_path: Path) -> None:
    """40 endless bodies of 2 MiB exceed the budget of untrusted connections; each dropped one gets a 503."""
    with serve(tmp_path, *STANDALONE, str(policy)) as server, ExitStack() as stack:
        slow = [stack.enter_context(closing(tls_connection(server))) for _ in range(40)]
        for connection in slow:
            connection.settimeout(WEBHOOK_TIMEOUT_SECONDS)
            try:
                connection.sendall(HEADERS + b"Content-Length: 8000000\r\n\r\n" + b" " * (2 << 20))
            except OSError:
                continue  # it got the answer before it had sent everything
        with closing(server.connect()) as good:
            ask(good)
        answers = [answer(connection) for connection in slow]
        assert answers.count(b"HTTP/1.1 503") + answers.count(b"") >= 28  # the budget holds 12
        assert b"HTTP/1.1 503" in answers
        assert b'catflap_bad_reviews_total{status="503"}' in server.status("/metrics").body


def answer(connection: ssl.SSLSocket) -> bytes:
    """Return the beginning of the answer; empty where the connection was reset before."""
    try:
        return connection.recv(4096)[:12]
    except OSError:
        return b""


def test_the_worker_raises_its_limit_of_open_files(policy: Path, tmp_path: Path) -> None:
    """The soft limit is often 1024."""
    with serve(tmp_path, *STANDALONE, str(policy)) as server:
        wait_until(lambda: server.status("/readyz").status == 200, what="readiness")
        limits = Path(f"/proc/{worker(server)}/limits").read_text(encoding="ascii")
    soft, hard = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3:5]
    assert soft == hard


def test_a_trusted_connection_stays_open_among_untrusted_ones(server: Program) -> None:
    """A connection with one valid review stays open while untrusted ones open and close."""
    with closing(server.connect()) as kept, ExitStack() as stack:
        ask(kept)
        for _ in range(50):
            stack.enter_context(closing(tls_connection(server)))
        kept.request("POST", "/validate", encoded(pod(GOOD)), JSON)
        assert kept.getresponse().status == 200
