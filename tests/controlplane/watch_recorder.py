"""A watch that records its events with their times. Polling would miss short states and the order of events."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Condition, Thread
from typing import Any, Final, NamedTuple

from tests.controlplane.cluster import Cluster

TIMEOUT_SECONDS: Final = 60.0


class WatchEvent(NamedTuple):
    """A watch event: its arrival time, its type and the object."""

    at: float
    happened: str
    thing: dict[str, Any]

    @property
    def place(self) -> tuple[str, str]:
        """Return the namespace and the name of the object."""
        metadata = self.thing["metadata"]
        return metadata.get("namespace", ""), metadata["name"]

    @property
    def version(self) -> int:
        """Return the revision of this write; etcd numbers all writes of a cluster in order."""
        return int(self.thing["metadata"]["resourceVersion"])


class WatchRecorder:
    """The recorded events of the objects at one path; safe for several threads."""

    def __init__(self) -> None:
        self._events: list[WatchEvent] = []
        self._changed = Condition()

    def events(self) -> Sequence[WatchEvent]:
        """Return all events so far, in order."""
        with self._changed:
            return tuple(self._events)

    def wait_for(
        self, enough: Callable[[Sequence[WatchEvent]], bool], *, what: str, seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """Return once `enough` is true for the events; `what` completes the sentence "waited 60 s for"."""
        with self._changed:
            if not self._changed.wait_for(lambda: enough(self._events), seconds):
                raise TimeoutError(f"waited {seconds:.0f} s for {what}")

    def take_in(self, line: bytes) -> None:
        """Record one line of the watch."""
        found = json.loads(line)
        with self._changed:
            self._events.append(WatchEvent(time.monotonic(), found["type"], found["object"]))
            self._changed.notify_all()


@contextmanager
def record_watch(cluster: Cluster, path: str) -> Iterator[WatchRecorder]:
    """Record the changes of the objects at a path from now on; existing objects give no event."""
    seen = WatchRecorder()
    begin = cluster.api("GET", f"{path}?limit=1")["metadata"]["resourceVersion"]
    with cluster.stream(f"{path}?watch=true&resourceVersion={begin}") as (connection, answer):

        def read() -> None:
            with suppress(OSError, ValueError):  # the connection is shut down below
                for line in answer:
                    seen.take_in(line)

        thread = Thread(target=read, name="watch-recorder")
        thread.start()
        try:
            yield seen
        finally:
            assert connection.sock
            connection.sock.shutdown(socket.SHUT_RDWR)
            thread.join()
