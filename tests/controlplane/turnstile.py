"""A door before the API server that lets so many writes through and not one more: a crash between any two of them, at will."""

import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tests.controlplane.cluster import Cluster

READS: Final = frozenset({"GET", "HEAD"})
ONE_LEG: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "host"}
)  # of one connection, not passed on
CHUNK: Final = 65536


class Passed(NamedTuple):
    """One request that went through, with the status of its answer."""

    method: str
    path: str
    status: int


class Turnstile:
    """Passes every request on, and counts the writes that `counts` speaks of.

    When the first write above the allowance comes, `on_end` is called instead, and nothing passes any more: what the API
    server has then are exactly so many writes, each of them answered.
    """

    def __init__(self, cluster: Cluster, *, counts: Callable[[str], bool]) -> None:
        self.passed: list[Passed] = []
        self.closed = False
        self._cluster = cluster
        self._counts = counts
        self._left: int | None = None
        self._on_end: Callable[[], object] = lambda: None
        self._one_write = Lock()

    def allow(self, writes: int | None, *, on_end: Callable[[], object] = lambda: None) -> None:
        """Open: for so many writes, or for all of them."""
        self.passed = []
        self._left, self._on_end, self.closed = writes, on_end, False

    def pass_on(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request with what the API server says, or not at all."""
        path = urlsplit(request.path).path
        if request.command not in READS and self._counts(path):
            with self._one_write:  # until it is answered, so that no second one is under way at the end
                if self._left == 0 and not self.closed:
                    self.closed = True
                    self._on_end()
                if self._left:
                    self._left -= 1
                self._ask(request, path)
            return
        self._ask(request, path)

    def _ask(self, request: BaseHTTPRequestHandler, path: str) -> None:
        if self.closed:
            request.close_connection = True
            return
        server = urlsplit(self._cluster.server)
        context = ssl.create_default_context(cafile=self._cluster.authority_file)
        assert server.hostname
        upstream = http.client.HTTPSConnection(server.hostname, server.port, context=context)
        try:
            body = request.rfile.read(int(request.headers.get("Content-Length", "0")))
            headers = {name: value for name, value in request.headers.items() if name.lower() not in ONE_LEG}
            upstream.request(request.command, request.path, body or None, headers)
            answer = upstream.getresponse()
            self.passed.append(Passed(request.command, path, answer.status))
            relay(answer, request)
        finally:
            upstream.close()


def relay(answer: http.client.HTTPResponse, request: BaseHTTPRequestHandler) -> None:
    """Send an answer on as it comes; its end is the end of the connection."""
    request.close_connection = True
    request.send_response_only(answer.status)
    for name, value in answer.getheaders():
        if name.lower() not in ONE_LEG:
            request.send_header(name, value)
    request.send_header("Connection", "close")
    request.end_headers()
    while chunk := answer.read1(CHUNK):
        request.wfile.write(chunk)
        request.wfile.flush()


@contextmanager
def turnstile(cluster: Cluster, *, counts: Callable[[str], bool]) -> Iterator[tuple[str, Turnstile]]:
    """Serve one on this machine; yields its address, without TLS."""
    door = Turnstile(cluster, counts=counts)

    class Request(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            """Whoever is killed leaves connections half used."""
            with suppress(OSError, http.client.HTTPException):
                super().handle_one_request()

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

        def __getattr__(self, name: str) -> Callable[[], None]:
            """Take every method alike."""
            if name.startswith("do_"):
                return lambda: door.pass_on(self)
            raise AttributeError(name)

    class Server(ThreadingHTTPServer):
        block_on_close = False  # a watch without events notices late that nobody listens
        daemon_threads = True

    with Server(("127.0.0.1", 0), Request) as server:
        thread = Thread(target=server.serve_forever, name="turnstile")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", door
        finally:
            server.shutdown()
            thread.join()
