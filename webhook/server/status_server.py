"""The status server: health, readiness and metrics over plain HTTP on a separate port, for the kubelet and for Prometheus.

Everyone that reaches the Pod can connect to the port, and other connections must not block the kubelet's probes. Each probe is a new
connection that sends its request at once, so the server drops the oldest connections first.
"""

from collections.abc import Callable, Mapping
from threading import Lock, Thread
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

# A page costs less than a millisecond. More threads would leave less of the interpreter to the event loop.
THREADS: Final = 2
# A kubelet has one or two connections at a time, and each Prometheus keeps one.
MAX_CONNECTIONS: Final = 256
# Connections that are accepted before the open ones are served again.
ACCEPTS_PER_TURN: Final = 64
# Prometheus scrapes every 15 to 60 s over a connection that it keeps.
IDLE_SECONDS: Final = 75
CLEANUP_SECONDS: Final = 5
# All requests are GETs without a body.
MAX_BODY_BYTES: Final = 1024
MAX_HEADER_BYTES: Final = 16 * 1024
# Beyond this rate, the last page is sent again. A kubelet and a Prometheus send less than one request per second.
PAGES_PER_SECOND: Final = 20

Checks = Mapping[str, Callable[[], bool]]
Page = TypeVar("Page")


class RateLimited(Generic[Page]):
    """Calls `make` at most `per_second` times per second, and returns its last result beyond that; thread-safe."""

    def __init__(
        self, make: Callable[[], Page], *, per_second: int = PAGES_PER_SECOND, clock: Callable[[], float] = monotonic
    ) -> None:
        self._make = make
        self._per_second = per_second
        self._clock = clock
        self._lock = Lock()
        self._second = -1
        self._made = 0
        self._last: Page | None = None

    def __call__(self) -> Page:
        """Return the page."""
        with self._lock:
            second = int(self._clock())
            if second != self._second:
                self._second, self._made = second, 0
            if self._last is None or self._made < self._per_second:
                self._made += 1
                self._last = self._make()
            return self._last


class StatusChannel(HTTPChannel):  # type: ignore[misc]
    """A connection to the status port."""

    @property
    def is_idle(self) -> bool:
        """Return whether the connection has no request in progress."""
        return not self.requests


class StatusServer(TcpWSGIServer):  # type: ignore[misc]
    """waitress with a limit of connections; a new connection replaces the oldest idle one.

    waitress itself accepts no further connection at its limit until an open one is closed.
    """

    channel_class = StatusChannel

    def handle_accept(self) -> None:
        """Accept a bounded number of waiting connections."""
        for _ in range(ACCEPTS_PER_TURN):
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                return
            if before >= MAX_CONNECTIONS:
                oldest = next((one for one in self.active_channels.values() if one.is_idle), None)
                if oldest is not None:
                    oldest.handle_close()


def create_status_app(checks: Checks, registry: CollectorRegistry) -> Flask:
    """Return the app of the status port; the process is ready if all checks pass, and `/readyz` names those that fail."""
    app = Flask("catflap-status")
    failed = RateLimited(lambda: [name for name, check in checks.items() if not check()])
    page = RateLimited(lambda: generate_latest(registry))

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @app.get("/readyz")
    def readyz() -> Response:
        if names := failed():
            return Response(f"not ready: {', '.join(names)}\n", status=503, mimetype="text/plain")
        return Response("ok\n", mimetype="text/plain")

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(page(), content_type=CONTENT_TYPE_LATEST)

    return app


def serve_status(app: Flask, host: str, port: int) -> None:
    """Serve the status app from a background thread; raises OSError where the port is in use."""
    settings = Adjustments(
        host=host,
        port=port,
        threads=THREADS,
        ident="catflap",
        connection_limit=MAX_CONNECTIONS + ACCEPTS_PER_TURN,
        channel_timeout=IDLE_SECONDS,
        cleanup_interval=CLEANUP_SECONDS,
        max_request_body_size=MAX_BODY_BYTES,
        max_request_header_size=MAX_HEADER_BYTES,
        asyncore_use_poll=True,  # select() takes no descriptor above 1023, and the review port has thousands
    )
    open_ones: dict[int, Any] = {}
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(THREADS)
    for address in settings.listen:
        StatusServer(app, open_ones, dispatcher=dispatcher, adj=settings, sockinfo=address)
    Thread(
        target=wasyncore.loop,
        kwargs={"timeout": settings.asyncore_loop_timeout, "map": open_ones, "use_poll": True},
        name="status",
        daemon=True,
    ).start()
