"""A proxy to the API server that passes a limited number of writes, to simulate a crash after any write."""

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
HOP_HEADERS: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "host"}
)  # hop-by-hop headers, which are not forwarded
CHUNK: Final = 65536


class ForwardedRequest(NamedTuple):
    """A forwarded request, with the status of its response."""

    method: str
    path: str
    status: int


class WriteLimitingProxy:
    """A proxy that forwards all requests and counts the writes to paths for which `counts` is true.

    At the first write above the limit it calls `on_end` and forwards nothing more. The API
    server then has exactly the allowed writes, all with responses.
    """

    def __init__(self, cluster: Cluster, *, counts: Callable[[str], bool]) -> None:
        self.passed: list[ForwardedRequest] = []
        self.closed = False
        self._cluster = cluster
        self._counts = counts
        self._left: int | None = None
        self._on_end: Callable[[], object] = lambda: None
        self._one_write = Lock()

    def allow(self, writes: int | None, *, on_end: Callable[[], object] = lambda: None) -> None:
        """Allow this many writes, or any number for None."""
        self.passed = []
        self._left, self._on_end, self.closed = writes, on_end, False

    def pass_on(self, request: BaseHTTPRequestHandler) -> None:
        """Forward one request and its response, or drop it after the limit."""
        path = urlsplit(request.path).path
        if request.command not in READS and self._counts(path):
            with self._one_write:  # until the response, so that no second write is in progress at the limit
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
            headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_HEADERS}
            upstream.request(request.command, request.path, body or None, headers)
            answer = upstream.getresponse()
            self.passed.append(ForwardedRequest(request.command, path, answer.status))
            relay(answer, request)
        finally:
            upstream.close()


def relay(answer: http.client.HTTPResponse, request: BaseHTTPRequestHandler) -> None:
    """Stream a response to the client, and close the connection at its end."""
    request.close_connection = True
    request.send_response_only(answer.status)
    for name, value in answer.getheaders():
        if name.lower() not in HOP_HEADERS:
            request.send_header(name, value)
    request.send_header("Connection", "close")
    request.end_headers()
    while chunk := answer.read1(CHUNK):
        request.wfile.write(chunk)
        request.wfile.flush()


@contextmanager
def write_limiting_proxy(
    cluster: Cluster, *, counts: Callable[[str], bool]
) -> Iterator[tuple[str, WriteLimitingProxy]]:
    """Serve a proxy on this machine; yield its URL, without TLS, and the proxy."""
    door = WriteLimitingProxy(cluster, counts=counts)

    class Request(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            """Ignore the half-used connections of killed clients."""
            with suppress(OSError, http.client.HTTPException):
                super().handle_one_request()

        def log_message(self, *_: object) -> None:
            """Log nothing to standard error."""

        def __getattr__(self, name: str) -> Callable[[], None]:
            """Forward all methods."""
            if name.startswith("do_"):
                return lambda: door.pass_on(self)
            raise AttributeError(name)

    class Server(ThreadingHTTPServer):
        block_on_close = False  # a watch without events notices late that its client is gone
        daemon_threads = True

    with Server(("127.0.0.1", 0), Request) as server:
        thread = Thread(target=server.serve_forever, name="turnstile")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", door
        finally:
            server.shutdown()
            thread.join()
