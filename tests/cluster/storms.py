"""What a bad day brings, in any size: tests take a small one, benchmarks the full one."""

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple

from tests.cluster.freezing import frozen
from tests.cluster.installation import WEBHOOKS, Installation, controlled, eventually, in_force, names, served
from tests.cluster.manifests import namespace
from tests.cluster.policies import DENY, DNS, everywhere, path
from tests.controlplane.client import MERGE
from tests.controlplane.witness import Event, Witness, witness
from tests.programs import Program, stop
from webhook.model.reason import ReasonCode

AT_ONCE: Final = 16
PATIENCE_SECONDS: Final = 60.0
CLUSTER_ROLES: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def create(catflap: Installation, spaces: Iterable[str]) -> None:
    """Make namespaces as fast as the API server takes them."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda space: catflap.cluster.api("POST", "/api/v1/namespaces", namespace(space)), spaces))


@contextmanager
def another_controller(catflap: Installation, name: str = "controller-2") -> Iterator[Program]:
    """A second replica, which follows the same policy as the first."""
    with controlled(catflap.cluster, catflap.folder, name=name) as second:
        eventually(lambda: in_force(second, digest_of(catflap.controller)))
        catflap.replicas.append(second)
        try:
            yield second
        finally:
            catflap.replicas.remove(second)


def digest_of(program: Program) -> str:
    """The policy that a process says it follows."""
    return program.status("/metrics").body.decode().partition('catflap_policy_info{digest="')[2].partition('"')[0]


# Deleted, again and again


def deleted_in_a_row(catflap: Installation, seen: Witness, engine: str, space: str, times: int) -> list[float]:
    """How long the default-deny was away each time, in seconds; from the answer to the DELETE until a watch shows it again."""
    took = []
    for _ in range(times):
        gone = catflap.emergency("DELETE", path(engine, space, DENY))
        began = time.monotonic()
        took.append(max(0.0, back(seen, (space, DENY), uid_of(gone), within=PATIENCE_SECONDS).at - began))
    return took


def uid_of(gone: dict[str, Any]) -> str:
    """Whom a DELETE deleted: its answer is a Status, or for custom resources may be the object."""
    return str((gone.get("details") or gone["metadata"])["uid"])


def back(seen: Witness, place: tuple[str, str], old: str, *, within: float) -> Event:
    """The event by which a policy came back under another uid than `old`."""
    found: list[Event] = []

    def came(events: Sequence[Event]) -> bool:
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


def deletions(catflap: Installation, spaces: Sequence[str], *, times: int, engine: str) -> list[float]:
    """The same in several namespaces at once."""
    with witness(catflap.cluster, everywhere(engine)) as seen, ThreadPoolExecutor(len(spaces)) as pool:
        rows = pool.map(lambda space: deleted_in_a_row(catflap, seen, engine, space, times), spaces)
        return [seconds for row in rows for seconds in row]


# Many namespaces at once


class Burst(NamedTuple):
    """How long it took to make the namespaces, and to close the last one from the first one's making on, in seconds."""

    created: float
    closed: float


def burst(catflap: Installation, spaces: Sequence[str], *, engine: str, policies: int = 2) -> Burst:
    """Make namespaces as fast as possible and wait until each has its policies."""
    wanted = set(spaces)
    with witness(catflap.cluster, everywhere(engine)) as seen:
        began = time.monotonic()
        create(catflap, spaces)
        created = time.monotonic() - began
        seen.wait_for(
            lambda events: len({one.place for one in events if one.place[0] in wanted}) == policies * len(wanted),
            what="each namespace to be closed",
            seconds=2 * PATIENCE_SECONDS,
        )
        return Burst(created, seen.events()[-1].at - began)


# Everything of ours gone


@contextmanager
def fail_open(catflap: Installation) -> Iterator[None]:
    """The webhook configurations with failurePolicy Ignore: what comes while nobody of ours is there goes in unseen."""
    with frozen(catflap.cluster):
        yield from failing_open(catflap)


def failing_open(catflap: Installation) -> Iterator[None]:
    """The same, once the controllers cannot put it back."""
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
    """How long it took from the start of the processes until all was right, in seconds, and which namespaces' repairs are on record as such."""

    seconds: float
    recorded: set[str]


def outage(catflap: Installation, earlier: Sequence[str], meanwhile: Sequence[str], *, engine: str) -> Recovery:
    """Stop all that is ours, delete the policies of earlier namespaces, make further ones, and start again."""
    with fail_open(catflap):
        stop(catflap.controller.process)
        stop(catflap.server.process)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda space: catflap.cluster.api("DELETE", path(engine, space, DENY)), earlier))
        create(catflap, meanwhile)
        already = len(catflap.controller.records())
        with witness(catflap.cluster, everywhere(engine)) as seen:
            began = time.monotonic()
            again = controlled(
                catflap.cluster, catflap.folder, ready=False
            )  # as what is registered is not as it should be
            catflap.controller = catflap.revived.enter_context(again)
            wanted = {(space, DENY) for space in (*earlier, *meanwhile)} | {(space, DNS) for space in meanwhile}
            seen.wait_for(
                lambda events: {one.place for one in events if one.happened == "ADDED"} >= wanted,
                what="each namespace to be closed",
            )
            took = seen.events()[-1].at - began
        catflap.server = catflap.revived.enter_context(served(catflap.cluster, catflap.folder, catflap.port))
    records = catflap.controller.records()[already:]
    return Recovery(took, {one["objectRef"]["namespace"] for one in records if restored(one)})


def restored(record: dict[str, object]) -> bool:
    """Whether a record says that a policy was put back."""
    return record.get("reasonCode") == ReasonCode.POLICY_RESTORED


# Rights taken away


@contextmanager
def without_right_to(catflap: Installation, resource: str) -> Iterator[ExitStack]:
    """The controller's role without one resource; what is yielded gives it back when it is closed, or at the end."""
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


def resident(program: Program) -> int:
    """The memory of a process, in KiB."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(program.process.pid)], capture_output=True, check=True)
    return int(told.stdout)


def failures(program: Program) -> int:
    """How often the controller says that it could not close a namespace."""
    text = program.status("/metrics").body.decode()
    return int(float(text.partition("\ncatflap_reconcile_failures_total ")[2].partition("\n")[0]))
