"""Tests that a controller killed at any moment leaves every namespace isolated, and that the next one completes its work."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

import pytest

from tests.cluster.installation import Installation, run_controller
from tests.cluster.load_scenarios import create
from tests.cluster.policies import (
    BOTH,
    DENY,
    GROUPS,
    all_policies_path,
    events_without_default_deny,
    is_isolated,
    stored_policies,
)
from tests.cluster.process_kills import WriteLimiter, kill_after_writes, run_to_completion
from tests.controlplane.watch_recorder import WatchEvent, record_watch
from tests.controlplane.write_limiting_proxy import WriteLimitingProxy, write_limiting_proxy
from tests.programs import stop

MOST_WRITES: Final = 20  # of one change in one namespace; more would be a loop
ENGINES: Final = ("calico", "kubernetes")
PRESETS: Final[Mapping[str, Sequence[str]]] = {"openshift": BOTH, "none": [DENY], "kube-dns": BOTH}


@pytest.fixture
def door(apart: Installation, namespace_name: str) -> Iterator[WriteLimiter]:
    """Run a write limiter for the only controller; it counts the writes into the test's namespace."""
    stop(apart.controller.process)
    with write_limiting_proxy(apart.cluster, counts=lambda path: f"/namespaces/{namespace_name}/" in f"{path}/") as (
        address,
        made,
    ):
        yield WriteLimiter(address, made)
    apart.configure()
    apart.controller = apart.revived.enter_context(run_controller(apart.cluster, apart.folder))


def hasty(events: Sequence[WatchEvent], version: str) -> list[WatchEvent]:
    """Return the deletions that came while no default-deny of this API version existed."""
    stands = False
    found = []
    for event in sorted(events, key=lambda one: one.version):
        if event.thing["apiVersion"] == version and event.place[1] == DENY:
            stands = event.happened != "DELETED"
        elif event.happened == "DELETED" and not stands:
            found.append(event)
    return found


def unproven(door: WriteLimitingProxy, engine: str) -> list[str]:
    """Return the deletions before which the controller had not read back the current default-deny of the namespace."""
    proven: set[str] = set()
    found = []
    for one in door.passed:
        space = one.path.partition("/namespaces/")[2].partition("/")[0]
        if one.path.endswith(f"/{DENY}") and f"/{GROUPS[engine]}/" in one.path:
            (proven.add if one.method == "GET" and one.status == 200 else proven.discard)(space)
        elif one.method == "DELETE" and space not in proven:
            found.append(one.path)
    return found


def killed_at_each_write(
    apart: Installation,
    door: WriteLimiter,
    space: str,
    change: Mapping[str, Any],
    *,
    engine: str,
    is_done: Callable[[], bool],
) -> Iterator[bool]:
    """Make a change, with the controller killed after each number of writes; return whether it was killed each time."""
    for writes in count():
        assert writes < MOST_WRITES
        apart.configure(change)
        killed = kill_after_writes(apart, door, writes, is_done=is_done)
        assert unproven(door.proxy, engine) == []
        assert is_isolated(apart, space)
        if killed:
            run_to_completion(apart, door, is_done=is_done)
            assert unproven(door.proxy, engine) == []
        assert is_isolated(apart, space)
        yield killed


def alternated(*changes: Iterator[bool]) -> int:
    """Alternate opposite changes until none of them is interrupted; return how many were."""
    killed = 0
    while interrupted := sum(next(change) for change in changes):
        killed += interrupted
    return killed


def test_killed_between_each_two_writes_of_a_change_of_engine(
    apart: Installation, door: WriteLimiter, namespace_name: str
) -> None:
    """Switch to Calico and back: nothing old is deleted before the new default-deny was read back, and the end state is correct."""
    apart.configure()
    with (
        record_watch(apart.cluster, all_policies_path("kubernetes")) as plain,
        record_watch(apart.cluster, all_policies_path("calico")) as calico,
    ):
        create(apart, [namespace_name])
        run_to_completion(apart, door, is_done=lambda: stored_policies(apart, "kubernetes", namespace_name) == BOTH)

        def turned(engine: str) -> Iterator[bool]:
            [other] = set(ENGINES) - {engine}
            return killed_at_each_write(
                apart,
                door,
                namespace_name,
                {"network": {"engine": engine}},
                engine=engine,
                is_done=lambda: (
                    stored_policies(apart, engine, namespace_name) == BOTH
                    and stored_policies(apart, other, namespace_name) == []
                ),
            )

        assert alternated(*map(turned, ENGINES)) >= 2 * 4  # two writes and two deletions each way
        events = [event for seen in (plain, calico) for event in seen.events() if event.place[0] == namespace_name]
    assert list(events_without_default_deny(events, namespace_name)) == []
    assert {event.happened for event in events} >= {"ADDED", "DELETED"}


def test_killed_between_each_two_writes_of_a_change_of_policy_file(
    apart: Installation, door: WriteLimiter, namespace_name: str
) -> None:
    """An allow policy changes, disappears and returns; the default-deny is never written."""
    apart.configure({"network": {"engine": "kubernetes", "dns": "kube-dns"}})
    with record_watch(apart.cluster, all_policies_path("kubernetes")) as seen:
        create(apart, [namespace_name])
        run_to_completion(apart, door, is_done=lambda: stored_policies(apart, "kubernetes", namespace_name) == BOTH)

        def turned(preset: str) -> Iterator[bool]:
            return killed_at_each_write(
                apart,
                door,
                namespace_name,
                {"network": {"engine": "kubernetes", "dns": preset}},
                engine="kubernetes",
                is_done=lambda: says(apart, namespace_name, preset),
            )

        assert alternated(*map(turned, PRESETS)) >= len(PRESETS)
        events = [event for event in seen.events() if event.place[0] == namespace_name]
    assert list(events_without_default_deny(events, namespace_name)) == []
    assert [event.happened for event in events if event.place[1] == DENY] == ["ADDED"]
    assert hasty(events, GROUPS["kubernetes"]) == []


def says(apart: Installation, space: str, preset: str) -> bool:
    """Return whether the policies of the namespace are those of a DNS preset."""
    policies = {one["metadata"]["name"]: one for one in listed(apart, space)}
    ports = {
        port["port"]
        for name, one in policies.items()
        if name != DENY
        for rule in one["spec"]["egress"]
        for port in rule["ports"]
    }
    return (sorted(policies), ports) == (
        PRESETS[preset],
        {"openshift": {5353}, "kube-dns": {53}, "none": set()}[preset],
    )


def listed(apart: Installation, space: str) -> list[dict[str, Any]]:
    """Return the plain policies of a namespace."""
    path = f"/apis/{GROUPS['kubernetes']}/namespaces/{space}/networkpolicies"
    return apart.cluster.api("GET", path)["items"]  # type: ignore[no-any-return]
