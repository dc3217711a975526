"""Health, readiness and metrics on a port of their own, plain HTTP, for the kubelet and for Prometheus.

The port is open to all that reach the Pod, so whatever else is connected to it must not stop the kubelet's probes: each of them is a
new connection that sends its request at once, so connections that are open the longest give way.
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

# The pages cost less than a millisecond each; more threads would take more of the interpreter from the event loop.
THREADS: Final = 2
# A kubelet has one or two at a time, each Prometheus keeps one.
MAX_CONNECTIONS: Final = 256
# How many connections are accepted before those that are open are looked at again.
ACCEPTS_PER_TURN: Final = 64
# Prometheus asks every 15 to 60 s over a connection that it keeps.
IDLE_SECONDS: Final = 75
CLEANUP_SECONDS: Final = 5
# A page is asked for by GET; nothing is sent with that.
MAX_BODY_BYTES: Final = 1024
MAX_HEADER_BYTES: Final = 16 * 1024
# Beyond so many a second the last page is shown again. A kubelet and a Prometheus ask less than once a second.
PAGES_PER_SECOND: Final = 20

Checks = Mapping[str, Callable[[], bool]]
Page = TypeVar("Page")


class RateLimited(Generic[Page]):
    """What `make` returns, made at most so many times a second: beyond that the last one; safe to share between threads."""

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
        """The page."""
        with self._lock:
            second = int(self._clock())
            if second != self._second:
                self._second, self._made = second, 0
            if self._last is None or self._made < self._per_second:
                self._made += 1
                self._last = self._make()
            return self._last


class StatusChannel(HTTPChannel):  # type: ignore[misc]
    """One connection to the status port."""

    @property
    def is_idle(self) -> bool:
        """Whether no request of it is being answered."""
        return not self.requests


class StatusServer(TcpWSGIServer):  # type: ignore[misc]
    """waitress with places for some connections; the one that is open the longest gives its place to the next one.

    waitress itself would accept no further connection, until those that are open end.
    """

    channel_class = StatusChannel

    def handle_accept(self) -> None:
        """Accept what waits, within reason."""
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
    """The app of the status port; a process is ready that passes every check, and a check that fails is named."""
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
    """Serve the status app from a thread of its own until the process ends.  Raises OSError for a taken port."""
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
        asyncore_use_poll=True,  # select() knows no descriptor above 1023, and the other port has thousands
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
