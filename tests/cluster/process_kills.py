"""Kills processes with SIGKILL, between two writes and under load."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from threading import Event as Flag
from threading import Thread
from typing import Any, Final, NamedTuple

from tests.cluster.installation import Installation, run_controller, run_server
from tests.cluster.load_scenarios import create, policy_restored, uid_of
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.policies import DENY, all_policies_path, path, wait_until_isolated
from tests.controlplane.client import ApiError
from tests.controlplane.waiting import wait_until
from tests.controlplane.watch_recorder import WatchRecorder, record_watch
from tests.controlplane.write_limiting_proxy import WriteLimitingProxy
from tests.programs import Program

QUIET_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 60.0

# Between two writes


class WriteLimiter(NamedTuple):
    """A write limiter in front of the API server, and its address."""

    address: str
    proxy: WriteLimitingProxy


def kill_after_writes(catflap: Installation, door: WriteLimiter, writes: int, *, is_done: Callable[[], bool]) -> bool:
    """Run a controller for a number of writes and kill it at the next one; return whether that happened before it was done."""
    victim: Future[Program] = Future()

    def end() -> None:
        victim.result().process.kill()

    door.proxy.allow(writes, on_end=end)
    with run_controller(catflap.cluster, catflap.folder, name="killed", server=door.address, ready=False) as program:
        victim.set_result(program)
        wait_until(lambda: door.proxy.closed or is_done(), what="a controller to be killed, or to be done")
        time.sleep(0 if door.proxy.closed else QUIET_SECONDS)
        if door.proxy.closed:
            program.process.wait()
        return door.proxy.closed


def run_to_completion(catflap: Installation, door: WriteLimiter, *, is_done: Callable[[], bool]) -> None:
    """Run a controller until it is done."""
    door.proxy.allow(None)
    with run_controller(catflap.cluster, catflap.folder, name="killed", server=door.address, ready=False):
        wait_until(is_done, what="a controller to be done")


# Under load


class Gap(NamedTuple):
    """One deletion: its time, and how long the policy was missing."""

    at: float
    seconds: float


class Load:
    """Creates namespaces with a first Pod each, and deletes policies by break-glass in other namespaces, until stopped."""

    def __init__(self, catflap: Installation, seen: WatchRecorder) -> None:
        self.races: list[bool] = []  # whether each Pod came after its policy
        self.waits: list[Gap] = []  # the duration of each Pod's CREATE
        self.gaps: list[Gap] = []
        self._catflap = catflap
        self._seen = seen
        self._stopped = Flag()
        self._failures: list[BaseException] = []

    def start(self, *, racers: int, deleted: Sequence[str]) -> list[Thread]:
        """Start on several threads."""
        work = [lambda number=number: self._race(number) for number in range(racers)]
        work += [lambda space=space: self._delete(space) for space in deleted]
        threads = [Thread(target=self._guarded, args=(one,)) for one in work]
        for thread in threads:
            thread.start()
        return threads

    def stop(self, threads: Sequence[Thread]) -> None:
        """Stop; raise the error of any thread."""
        self._stopped.set()
        for thread in threads:
            thread.join()
        for failure in self._failures:
            raise failure

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 (raised by `stop`)
            self._failures.append(failure)

    def _race(self, racer: int) -> None:
        api = self._catflap.cluster.api
        for number in count():
            if self._stopped.is_set():
                return
            space = f"raced-{racer}-{number}-{time.monotonic_ns()}"
            api("POST", "/api/v1/namespaces", namespace(space))
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "own"}}
            api("POST", f"/api/v1/namespaces/{space}/serviceaccounts", account)
            body = pod("first", space, GOOD)
            body["spec"] = {**body["spec"], "serviceAccountName": "own", "automountServiceAccountToken": False}
            made = self._insist("POST", f"/api/v1/namespaces/{space}/pods", body)
            policy = api("GET", path("kubernetes", space, DENY))
            versions = [int(one["metadata"]["resourceVersion"]) for one in (policy, made)]
            self.races.append(versions == sorted(versions))

    def _insist(self, method: str, where: str, body: Mapping[str, Any]) -> Any:
        """Retry until the request is granted, as a controller would: a Pod is rejected while no server answers."""
        began = time.monotonic()
        while (answer := self._catflap.cluster.call(method, where, body)).refused:
            assert time.monotonic() - began < PATIENCE_SECONDS, answer
            time.sleep(RETRY_SECONDS)
        self.waits.append(Gap(began, time.monotonic() - began))
        return answer.body

    def _delete(self, space: str) -> None:
        while not self._stopped.is_set():
            try:
                gone = self._catflap.emergency("DELETE", path("kubernetes", space, DENY))
            except ApiError:  # no server could judge it
                time.sleep(RETRY_SECONDS)
                continue
            began = time.monotonic()
            came = policy_restored(self._seen, (space, DENY), uid_of(gone), within=PATIENCE_SECONDS)
            self.gaps.append(Gap(began, max(0.0, came.at - began)))


@contextmanager
def under_load(catflap: Installation, *, racers: int, deleted: Sequence[str]) -> Iterator[Load]:
    """Run the load until the end of the block."""
    create(catflap, deleted)
    wait_until_isolated(catflap, deleted, "kubernetes")
    with record_watch(catflap.cluster, all_policies_path("kubernetes")) as seen:
        load = Load(catflap, seen)
        threads = load.start(racers=racers, deleted=deleted)
        try:
            yield load
        finally:
            load.stop(threads)


def kill_first_controller(catflap: Installation, *, alone: float) -> None:
    """Kill one of two controllers, and start it again after a while."""
    kill(catflap.controller.process.pid)
    catflap.controller.process.wait()
    time.sleep(alone)
    catflap.controller = catflap.revived.enter_context(run_controller(catflap.cluster, catflap.folder))


def kill_worker(catflap: Installation, *, alone: float) -> None:
    """Kill the serving process; gunicorn's arbiter starts another one."""
    [worker] = children(catflap.server.process.pid)
    kill(worker)
    wait_until(lambda: children(catflap.server.process.pid) not in ([], [worker]), what="another worker")
    catflap.server.wait_for()
    time.sleep(alone)


def kill_arbiter(catflap: Installation, *, alone: float) -> None:
    """Kill the process that a container starts, which ends all others; start it again at once."""
    workers = children(catflap.server.process.pid)
    kill(catflap.server.process.pid)
    for worker in workers:
        kill(worker)
    catflap.server.process.wait()
    catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))
    time.sleep(alone)


def kill_arbiter_alone(catflap: Installation, *, alone: float) -> None:
    """Kill it outside a container, where the worker outlives it for a moment; return when the worker is gone, so it answers no later test."""
    workers = children(catflap.server.process.pid)
    kill(catflap.server.process.pid)
    catflap.server.process.wait()
    catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))
    time.sleep(alone)
    wait_until(lambda: not any(map(is_running, workers)), what="the orphaned worker to end")


KILLS: Final[Mapping[str, Callable[..., None]]] = {
    "a controller of two": kill_first_controller,
    "the serving worker": kill_worker,
    "the serving container": kill_arbiter,
    "the arbiter alone": kill_arbiter_alone,
}


def children(parent: int) -> list[int]:
    """Return the running child processes of a process."""
    told = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, check=False)
    return [int(line) for line in told.stdout.split()]


def is_running(process: int) -> bool:
    """Return whether a process runs; an ended process may stay in the table until its parent waits for it."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return told.stdout.strip()[:1] not in {"", "Z"}


def kill(process: int) -> None:
    """Kill a process as a crash does."""
    os.kill(process, signal.SIGKILL)
