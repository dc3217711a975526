"""Clients that send valid reviews as an API server does, over kept and new connections, and measure the time of each."""

import http.client
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import Final

from tests.programs import JSON, Program
from tests.reviews import GOOD, encoded, pod
from webhook.model.timeouts import WEBHOOK_TIMEOUT_SECONDS

KEPT_CONNECTIONS: Final = 4
INTERVAL_SECONDS: Final = 0.02
NEW_INTERVAL_SECONDS: Final = 0.5
PROBE_INTERVAL_SECONDS: Final = 0.25


class TrustedClients:
    """The times of valid reviews and probes in seconds; `failures` lists errors and timeouts."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self._over = Event()
        self.kept: list[float] = []
        self.new: list[float] = []
        self.probes: list[float] = []
        self.failures: list[str] = []

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Send reviews and probes until the end of the block."""
        works = [*[self._use_kept_connection] * KEPT_CONNECTIONS, self._use_new_connections, self._send_probes]
        threads = [Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _use_kept_connection(self) -> None:
        with closing(self._server.connect(timeout=WEBHOOK_TIMEOUT_SECONDS)) as connection:
            while not self._over.wait(INTERVAL_SECONDS):
                self._time(self.kept, lambda: ask(connection))

    def _use_new_connections(self) -> None:
        while not self._over.wait(NEW_INTERVAL_SECONDS):
            with closing(self._server.connect(timeout=WEBHOOK_TIMEOUT_SECONDS)) as connection:
                self._time(self.new, lambda connection=connection: ask(connection))  # type: ignore[misc]

    def _send_probes(self) -> None:
        while not self._over.wait(PROBE_INTERVAL_SECONDS):
            for path in ("/healthz", "/readyz"):
                self._time(self.probes, lambda path=path: probe(self._server, path))  # type: ignore[misc]

    def _time(self, times: list[float], call: Callable[[], None]) -> None:
        began = time.monotonic()
        try:
            call()
        except (OSError, http.client.HTTPException, AssertionError) as bad:
            self.failures.append(f"{call.__qualname__} after {time.monotonic() - began:.3f} s: {bad!r}")
        times.append(time.monotonic() - began)


def ask(connection: http.client.HTTPSConnection) -> None:
    """Send one valid review; raises where it is not admitted."""
    connection.request("POST", "/validate", encoded(pod(GOOD)), JSON)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == http.client.OK, (answer.status, body[:200])
    assert json.loads(body)["response"]["allowed"] is True, body[:200]


def probe(server: Program, path: str) -> None:
    """Send one probe as a kubelet does; raises where it fails or takes longer than a review may take.

    The benchmarks measure against one second, because a busy machine can stop this process for longer.
    """
    url = f"http://127.0.0.1:{server.status_port}{path}"
    with urllib.request.urlopen(url, timeout=WEBHOOK_TIMEOUT_SECONDS) as answer:
        assert answer.status == http.client.OK
