"""Load and failure scenarios of any size: tests run small ones, benchmarks large ones."""

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple

from tests.cluster.installation import WEBHOOKS, Installation, eventually, in_force, names, run_controller, run_server
from tests.cluster.manifests import namespace
from tests.cluster.policies import DENY, DNS, all_policies_path, path
from tests.cluster.registration_freeze import frozen_registration
from tests.controlplane.client import MERGE
from tests.controlplane.watch_recorder import WatchEvent, WatchRecorder, record_watch
from tests.programs import Program, stop

AT_ONCE: Final = 16
PATIENCE_SECONDS: Final = 60.0
CLUSTER_ROLES: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def create(catflap: Installation, spaces: Iterable[str]) -> None:
    """Create namespaces as fast as the API server accepts them."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda space: catflap.cluster.api("POST", "/api/v1/namespaces", namespace(space)), spaces))


@contextmanager
def another_controller(catflap: Installation, name: str = "controller-2") -> Iterator[Program]:
    """Run a second controller with the same policy as the first."""
    with run_controller(catflap.cluster, catflap.folder, name=name) as second:
        eventually(lambda: in_force(second, digest_of(catflap.controller)))
        catflap.replicas.append(second)
        try:
            yield second
        finally:
            catflap.replicas.remove(second)


def digest_of(program: Program) -> str:
    """Return the policy that a process has in force."""
    return program.status("/metrics").body.decode().partition('catflap_policy_info{digest="')[2].partition('"')[0]


# Repeated deletion


def delete_repeatedly(catflap: Installation, seen: WatchRecorder, engine: str, space: str, times: int) -> list[float]:
    """Return how long the default-deny was missing each time, in seconds, from the answer to the DELETE until a watch event."""
    took = []
    for _ in range(times):
        gone = catflap.emergency("DELETE", path(engine, space, DENY))
        began = time.monotonic()
        took.append(max(0.0, policy_restored(seen, (space, DENY), uid_of(gone), within=PATIENCE_SECONDS).at - began))
    return took


def uid_of(gone: dict[str, Any]) -> str:
    """Return the uid that a DELETE deleted: the answer is a Status, or for custom resources possibly the object."""
    return str((gone.get("details") or gone["metadata"])["uid"])


def policy_restored(seen: WatchRecorder, place: tuple[str, str], old: str, *, within: float) -> WatchEvent:
    """Return the event by which a policy returned with another uid than `old`."""
    found: list[WatchEvent] = []

    def came(events: Sequence[WatchEvent]) -> bool:
        for event in reversed(events):
            if event.place == place:
                if event.thing["metadata"]["uid"] == old:
                    return False
                if event.happened == "ADDED":
                    found.append(event)
                    return True
        return False

    seen.wait_for(came, what=f"{'/'.join(place)} to be back", seconds=within)
    return found[0]


def parallel_deletions(catflap: Installation, spaces: Sequence[str], *, times: int, engine: str) -> list[float]:
    """Delete repeatedly in several namespaces at the same time."""
    with record_watch(catflap.cluster, all_policies_path(engine)) as seen, ThreadPoolExecutor(len(spaces)) as pool:
        rows = pool.map(lambda space: delete_repeatedly(catflap, seen, engine, space, times), spaces)
        return [seconds for row in rows for seconds in row]


# Many namespaces at the same time


class Burst(NamedTuple):
    """How long it took to create the namespaces, and to isolate the last one after the first creation, in seconds."""

    created: float
    closed: float


def burst(catflap: Installation, spaces: Sequence[str], *, engine: str, policies: int = 2) -> Burst:
    """Create namespaces as fast as possible and wait until each has its policies."""
    wanted = set(spaces)
    with record_watch(catflap.cluster, all_policies_path(engine)) as seen:
        began = time.monotonic()
        create(catflap, spaces)
        created = time.monotonic() - began
        seen.wait_for(
            lambda events: len({one.place for one in events if one.place[0] in wanted}) == policies * len(wanted),
            what="each namespace to be closed",
            seconds=2 * PATIENCE_SECONDS,
        )
        return Burst(created, seen.events()[-1].at - began)


# All of catflap stopped


@contextmanager
def fail_open(catflap: Installation) -> Iterator[None]:
    """Set failurePolicy Ignore, so that requests pass while no server runs."""
    with frozen_registration(catflap.cluster):
        yield from set_fail_open(catflap)


def set_fail_open(catflap: Installation) -> Iterator[None]:
    """Set it while the controllers cannot revert it."""
    kept = {}
    for phase in ("validating", "mutating"):
        found = kept[phase] = catflap.cluster.api("GET", WEBHOOKS.format(phase))
        webhooks = [{**entry, "failurePolicy": "Ignore"} for entry in found["webhooks"]]
        catflap.cluster.api("PATCH", WEBHOOKS.format(phase), {"webhooks": webhooks}, content_type=MERGE)
    try:
        yield
    finally:
        for phase, found in kept.items():
            body = {"webhooks": found["webhooks"]}
            catflap.cluster.api("PATCH", WEBHOOKS.format(phase), body, content_type=MERGE)


class Recovery(NamedTuple):
    """How long recovery took after the start of the processes, in seconds, and which namespaces have a record of a repair."""

    seconds: float
    recorded: set[str]


def outage(catflap: Installation, earlier: Sequence[str], meanwhile: Sequence[str], *, engine: str) -> Recovery:
    """Stop all processes, delete the policies of earlier namespaces, create further ones, and start again."""
    with fail_open(catflap):
        stop(catflap.controller.process)
        stop(catflap.server.process)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda space: catflap.cluster.api("DELETE", path(engine, space, DENY)), earlier))
        create(catflap, meanwhile)
        already = len(catflap.controller.records())
        with record_watch(catflap.cluster, all_policies_path(engine)) as seen:
            began = time.monotonic()
            again = run_controller(
                catflap.cluster, catflap.folder, ready=False
            )  # as the registration is not as it should be
            catflap.controller = catflap.revived.enter_context(again)
            wanted = {(space, DENY) for space in (*earlier, *meanwhile)} | {(space, DNS) for space in meanwhile}
            seen.wait_for(
                lambda events: {one.place for one in events if one.happened == "ADDED"} >= wanted,
                what="each namespace to be closed",
            )
            took = seen.events()[-1].at - began
        catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))
    records = catflap.controller.records()[already:]
    return Recovery(took, {one["objectRef"]["namespace"] for one in records if restored(one)})


def restored(record: dict[str, object]) -> bool:
    """Return whether a record says that a policy was restored."""
    return record["type"] == "write" and str(record["reason"]).startswith("restored")


# Missing rights


@contextmanager
def without_right_to(catflap: Installation, resource: str) -> Iterator[ExitStack]:
    """Remove one resource from the controller's role; the yielded function restores it, else the end of the block."""
    [name] = [
        name
        for name in names(catflap.cluster.api("GET", CLUSTER_ROLES))
        if name.startswith("catflap") and "controller" in name
    ]
    role = f"{CLUSTER_ROLES}/{name}"
    rules = catflap.cluster.api("GET", role)["rules"]
    without = [rule for rule in rules if resource not in rule["resources"]]
    with ExitStack() as given_back:
        given_back.callback(catflap.cluster.api, "PATCH", role, {"rules": rules}, content_type=MERGE)
        catflap.cluster.api("PATCH", role, {"rules": without}, content_type=MERGE)
        yield given_back


def resident_memory(program: Program) -> int:
    """Return the resident memory of a process, in KiB."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(program.process.pid)], capture_output=True, check=True)
    return int(told.stdout)


def failures(program: Program) -> int:
    """Return how often the controller logged that it could not isolate a namespace."""
    text = program.status("/metrics").body.decode()
    return int(float(text.partition("\ncatflap_reconcile_failures_total ")[2].partition("\n")[0]))
