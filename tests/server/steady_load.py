"""Reviews at a steady rate over kept connections, and the answer to each."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException, HTTPSConnection
from itertools import count
from pathlib import Path
from select import select
from threading import Event
from typing import Any, Final

from tests.programs import JSON, Program
from tests.reviews import GOOD, encoded, pod

RATE: Final = 200  # a second
THREADS: Final = 4
MAX_WAIT_SECONDS: Final = 60.0


class SteadyLoad:
    """Sends RATE valid Pods per second, each with its own uid, and reconnects after an error."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self._numbers = count()
        self._over = Event()
        self._begun = 0.0
        self.answers: dict[str, dict[str, Any]] = {}
        self.lost: list[str] = []  # requests over a kept connection that got no answer

    def allowed(self) -> set[str]:
        """Return the uids of admitted reviews."""
        return {uid for uid, answer in [*self.answers.items()] if answer["allowed"]}

    def refused(self) -> set[str]:
        """Return the uids of refused reviews."""
        return {*self.answers} - self.allowed()

    def wait_for(self, more: int, *, allowed: bool = True) -> None:
        """Wait until `more` further reviews are admitted, or refused."""
        found = self.allowed if allowed else self.refused
        wanted, deadline = len(found()) + more, time.monotonic() + MAX_WAIT_SECONDS
        while len(found()) < wanted:
            assert time.monotonic() < deadline, self._server.log()[-2000:]
            self._over.wait(0.01)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send reviews until the end of the block."""
        self._begun = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            senders = [pool.submit(self._send) for _ in range(THREADS)]
            try:
                yield
            finally:
                self._over.set()
        for sender in senders:
            sender.result()

    def _send(self) -> None:
        while not self._over.is_set():
            with suppress(OSError, HTTPException), closing(self._server.connect()) as connection:
                while not self._over.is_set():
                    self._ask(connection)

    def _ask(self, connection: HTTPSConnection) -> None:
        """Send the next review at its time; raises where the server does not listen, or closes the connection."""
        number = next(self._numbers)
        uid = f"{number:08}-0000-0000-0000-000000000000"
        self._over.wait(self._begun + number / RATE - time.monotonic())
        if connection.sock is not None and select([connection.sock], [], [], 0)[0]:
            connection.close()  # the server has closed it; Go's transport also notices that
        is_kept, began = connection.sock is not None, time.monotonic()
        try:
            connection.request("POST", "/validate", encoded(pod(GOOD), uid=uid), JSON)
            self.answers[uid] = json.loads(connection.getresponse().read())["response"]
        except (OSError, HTTPException) as bad:
            if is_kept:
                self.lost.append(f"{uid}, after {time.monotonic() - began:.3f} s: {bad!r}")
            raise


def worker(server: Program) -> int:
    """Return the pid of the worker process."""
    pid = server.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0])
