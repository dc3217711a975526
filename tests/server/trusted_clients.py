"""Good reviews as an API server sends them, over connections that it keeps and now and then over a new one, and how long each takes."""

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

KEPT: Final = 4
EACH_SECONDS: Final = 0.02
NEW_EACH_SECONDS: Final = 0.5
PROBE_EACH_SECONDS: Final = 0.25
WEBHOOK_TIMEOUT_SECONDS: Final = 5.0  # the API server's patience


class TrustedClients:
    """What good callers and probes saw, in seconds; `failures` has what was no good answer in time."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self._over = Event()
        self.kept: list[float] = []
        self.new: list[float] = []
        self.probes: list[float] = []
        self.failures: list[str] = []

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call from now to the end of the block."""
        works = [*[self._keep] * KEPT, self._open, self._probe]
        threads = [Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _keep(self) -> None:
        with closing(self._server.connect(timeout=WEBHOOK_TIMEOUT_SECONDS)) as connection:
            while not self._over.wait(EACH_SECONDS):
                self._timed(self.kept, lambda: ask(connection))

    def _open(self) -> None:
        while not self._over.wait(NEW_EACH_SECONDS):
            with closing(self._server.connect(timeout=WEBHOOK_TIMEOUT_SECONDS)) as connection:
                self._timed(self.new, lambda connection=connection: ask(connection))  # type: ignore[misc]

    def _probe(self) -> None:
        while not self._over.wait(PROBE_EACH_SECONDS):
            for path in ("/healthz", "/readyz"):
                self._timed(self.probes, lambda path=path: probe(self._server, path))  # type: ignore[misc]

    def _timed(self, times: list[float], call: Callable[[], None]) -> None:
        began = time.monotonic()
        try:
            call()
        except (OSError, http.client.HTTPException, AssertionError) as bad:
            self.failures.append(f"{call.__qualname__} after {time.monotonic() - began:.3f} s: {bad!r}")
        times.append(time.monotonic() - began)


def ask(connection: http.client.HTTPSConnection) -> None:
    """One good review; raises where it is not admitted."""
    connection.request("POST", "/validate", encoded(pod(GOOD)), JSON)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == http.client.OK, (answer.status, body[:200])
    assert json.loads(body)["response"]["allowed"] is True, body[:200]


def probe(server: Program, path: str) -> None:
    """One probe, as a kubelet sends it; raises where it fails, or takes longer than the second that a kubelet waits."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.status_port}{path}", timeout=1.0) as answer:
        assert answer.status == http.client.OK
