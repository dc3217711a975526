"""Measure the experience of other users during an attack: a steady stream of valid Pods, and the memory of catflap's processes."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Final, NamedTuple

from tests.cluster.installation import Installation
from tests.cluster.manifests import GOOD, namespace, pod
from tests.programs import Program

VICTIM: Final = "victim"
# A busy cluster of some hundred nodes creates about this many Pods per second in normal operation.
PODS_PER_SECOND: Final = 10
# More than the longest wait that still counts (the webhook's own timeout of 5 s) times the rate.
AT_ONCE: Final = 64
SAMPLE_SECONDS: Final = 0.05


class Pressure(NamedTuple):
    """What other users and the processes experienced: `waits` in seconds, memory in MiB, and the errors of good Pods."""

    waits: list[float]
    errors: list[str]
    server_peak: float
    controller_peak: float
    longest_record: int


class Stream:
    """Good Pods at a steady rate.

    The schedule does not wait for answers, so a slow answer does not hide the waits of the requests behind it.
    """

    def __init__(self, catflap: Installation) -> None:
        self.waits: list[float] = []
        self.errors: list[str] = []
        self._cluster = catflap.cluster

    def run(self, ended: Event) -> None:
        """Create Pods until `ended` is set, and wait for every answer."""
        started = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number in count():
                due = started + number / PODS_PER_SECOND
                if ended.wait(max(0.0, due - time.monotonic())):
                    return
                pool.submit(self._create, due)

    def _create(self, due: float) -> None:
        body = pod(f"good-{time.monotonic_ns()}", VICTIM, GOOD)
        try:
            answer = self._cluster.call("POST", f"/api/v1/namespaces/{VICTIM}/pods", body, as_user=VICTIM)
        except OSError as bad:
            self.errors.append(str(bad))
            return
        self.waits.append(time.monotonic() - due)
        if answer.refused:
            self.errors.append(f"{answer.status} {answer.body.get('message', '')[:200]}")


class Memory:
    """The highest resident memory of a program and its children, in MiB."""

    def __init__(self, program: Program) -> None:
        self.peak = 0.0
        self._program = program

    def run(self, ended: Event) -> None:
        """Sample until `ended` is set."""
        while not ended.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, resident_of_tree(self._program))


@contextmanager
def watched(catflap: Installation) -> Iterator[Callable[[], Pressure]]:
    """Create good Pods until the block ends; the yielded function then returns what other users experienced."""
    if catflap.cluster.call("GET", f"/api/v1/namespaces/{VICTIM}").refused:
        catflap.cluster.api("POST", "/api/v1/namespaces", namespace(VICTIM))
        grant_edit(catflap, VICTIM, VICTIM)
    ended, begin = Event(), catflap.server.audit_log.stat().st_size
    stream, server, controller = Stream(catflap), Memory(catflap.server), Memory(catflap.controller)
    threads = [Thread(target=one.run, args=(ended,)) for one in (stream, server, controller)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: Pressure(
            stream.waits, stream.errors, server.peak, controller.peak, longest_line(catflap.server.audit_log, begin)
        )
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def grant_edit(catflap: Installation, user: str, space: str) -> None:
    """Bind the built-in role `edit` to a user in one namespace."""
    catflap.cluster.kubectl(
        "create",
        "rolebinding",
        f"edit-{user.rpartition(':')[2]}",
        "--clusterrole=edit",
        f"--user={user}",
        f"--namespace={space}",
    )


def resident_of_tree(program: Program) -> float:
    """The resident memory of a process and its children, in MiB; pages that they share count twice."""
    total, left = 0, [program.process.pid]
    while left:
        folder = Path("/proc") / str(left.pop())
        with suppress(OSError):
            status = (folder / "status").read_text("ascii", errors="replace")
            total += int(status.partition("VmRSS:")[2].split(maxsplit=1)[0] or 0)
            left += map(int, (folder / "task" / folder.name / "children").read_text("ascii").split())
    return total / 1024


def longest_line(log: Path, begin: int) -> int:
    """The size of the longest line of a file from an offset on, in bytes."""
    with log.open("rb") as file:
        file.seek(begin)
        return max(map(len, file), default=0)
