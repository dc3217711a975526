"""A watch that keeps what it saw, each event with its time: who asks again and again sees neither what is short nor in which order."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Condition, Thread
from typing import Any, Final, NamedTuple

from tests.controlplane.cluster import Cluster

PATIENCE_SECONDS: Final = 60.0


class Event(NamedTuple):
    """One line of a watch: when it came here, what happened, and the object as it then was."""

    at: float
    happened: str
    thing: dict[str, Any]

    @property
    def place(self) -> tuple[str, str]:
        """The object's namespace and name."""
        metadata = self.thing["metadata"]
        return metadata.get("namespace", ""), metadata["name"]

    @property
    def version(self) -> int:
        """The store's number of this write; etcd numbers all writes of a cluster in their order."""
        return int(self.thing["metadata"]["resourceVersion"])


class Witness:
    """What happened to the objects at one path; several threads may look and wait at once."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._changed = Condition()

    def events(self) -> Sequence[Event]:
        """Everything so far, in its order."""
        with self._changed:
            return tuple(self._events)

    def wait_for(
        self, enough: Callable[[Sequence[Event]], bool], *, what: str, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Return once `enough` holds of what was seen; `what` completes the sentence "waited 60 s for"."""
        with self._changed:
            if not self._changed.wait_for(lambda: enough(self._events), seconds):
                raise TimeoutError(f"waited {seconds:.0f} s for {what}")

    def take_in(self, line: bytes) -> None:
        """Keep one line of the watch."""
        found = json.loads(line)
        with self._changed:
            self._events.append(Event(time.monotonic(), found["type"], found["object"]))
            self._changed.notify_all()


@contextmanager
def witness(cluster: Cluster, path: str) -> Iterator[Witness]:
    """Watch the objects at a path from now on; what stands already is no event."""
    seen = Witness()
    begin = cluster.api("GET", f"{path}?limit=1")["metadata"]["resourceVersion"]
    with cluster.stream(f"{path}?watch=true&resourceVersion={begin}") as (connection, answer):

        def read() -> None:
            with suppress(OSError, ValueError):  # the end of it: the connection is shut below
                for line in answer:
                    seen.take_in(line)

        thread = Thread(target=read, name="witness")
        thread.start()
        try:
            yield seen
        finally:
            assert connection.sock
            connection.sock.shutdown(socket.SHUT_RDWR)
            thread.join()
