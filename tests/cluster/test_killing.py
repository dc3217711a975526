"""A controller that is killed at any moment leaves every namespace closed, and the next one ends its work."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

import pytest

from tests.cluster.installation import Installation, controlled
from tests.cluster.killing import KILLS, Door, Gap, finished, killed_after, under_load
from tests.cluster.policies import BOTH, DENY, GROUPS, everywhere, is_closed, open_moments, standing, wait_until_closed
from tests.cluster.storms import another_controller, create
from tests.controlplane.turnstile import Turnstile, turnstile
from tests.controlplane.witness import Event, witness
from tests.programs import stop

SECOND: Final = 1.0
MOST_WRITES: Final = 20  # of one change in one namespace; more would be a loop
ENGINES: Final = ("calico", "kubernetes")
PRESETS: Final[Mapping[str, Sequence[str]]] = {"openshift": BOTH, "none": [DENY], "kube-dns": BOTH}


@pytest.fixture
def door(apart: Installation) -> Iterator[Door]:
    """A turnstile for the only controller; the epoch is written before anything and to no namespace of anybody's."""
    stop(apart.controller.process)
    with turnstile(apart.cluster, counts=lambda path: not path.endswith("/configmaps")) as (address, made):
        yield Door(address, made)
    apart.configure()
    apart.controller = apart.revived.enter_context(controlled(apart.cluster, apart.folder))


def hasty(events: Sequence[Event], version: str) -> list[Event]:
    """The deletions that came while the default-deny of this API version did not stand."""
    stands = False
    found = []
    for event in sorted(events, key=lambda one: one.version):
        if event.thing["apiVersion"] == version and event.place[1] == DENY:
            stands = event.happened != "DELETED"
        elif event.happened == "DELETED" and not stands:
            found.append(event)
    return found


def unproven(door: Turnstile, engine: str) -> list[str]:
    """The deletions before which the controller had not read back the default-deny that counts now in that namespace."""
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
    apart: Installation, door: Door, space: str, change: Mapping[str, Any], *, engine: str, is_done: Callable[[], bool]
) -> Iterator[bool]:
    """Make a change, with the controller killed after no write, after one, after two, and so on; whether it was, each time."""
    for writes in count():
        assert writes < MOST_WRITES
        apart.configure(change)
        killed = killed_after(apart, door, writes, is_done=is_done)
        assert unproven(door.turnstile, engine) == []
        assert is_closed(apart, space)
        if killed:
            finished(apart, door, is_done=is_done)
            assert unproven(door.turnstile, engine) == []
        assert is_closed(apart, space)
        yield killed


def alternated(*changes: Iterator[bool]) -> int:
    """Go through changes that undo each other in turn, until none of them is interrupted; how often one was."""
    killed = 0
    while interrupted := sum(next(change) for change in changes):
        killed += interrupted
    return killed


def test_killed_between_each_two_writes_of_a_change_of_engine(
    apart: Installation, door: Door, namespace_name: str
) -> None:
    """To Calico and back: nothing old goes before the new default-deny was read back, and the end is right."""
    apart.configure()
    with (
        witness(apart.cluster, everywhere("kubernetes")) as plain,
        witness(apart.cluster, everywhere("calico")) as calico,
    ):
        create(apart, [namespace_name])
        finished(apart, door, is_done=lambda: standing(apart, "kubernetes", namespace_name) == BOTH)

        def turned(engine: str) -> Iterator[bool]:
            [other] = set(ENGINES) - {engine}
            return killed_at_each_write(
                apart,
                door,
                namespace_name,
                {"network": {"engine": engine}},
                engine=engine,
                is_done=lambda: (
                    standing(apart, engine, namespace_name) == BOTH and standing(apart, other, namespace_name) == []
                ),
            )

        assert alternated(*map(turned, ENGINES)) >= 2 * 4  # two writes and two deletions each way
        events = [event for seen in (plain, calico) for event in seen.events() if event.place[0] == namespace_name]
    assert list(open_moments(events, namespace_name)) == []
    assert {event.happened for event in events} >= {"ADDED", "DELETED"}


def test_killed_between_each_two_writes_of_a_change_of_policy_file(
    apart: Installation, door: Door, namespace_name: str
) -> None:
    """An allow changes, goes and comes back; the default-deny is never touched."""
    apart.configure({"network": {"engine": "kubernetes", "dns": "kube-dns"}})
    with witness(apart.cluster, everywhere("kubernetes")) as seen:
        create(apart, [namespace_name])
        finished(apart, door, is_done=lambda: standing(apart, "kubernetes", namespace_name) == BOTH)

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
    assert list(open_moments(events, namespace_name)) == []
    assert [event.happened for event in events if event.place[1] == DENY] == ["ADDED"]
    assert hasty(events, GROUPS["kubernetes"]) == []


def says(apart: Installation, space: str, preset: str) -> bool:
    """Whether the namespace's policies are those of a DNS preset."""
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
    """The plain policies of a namespace."""
    path = f"/apis/{GROUPS['kubernetes']}/namespaces/{space}/networkpolicies"
    return apart.cluster.api("GET", path)["items"]  # type: ignore[no-any-return]


def test_no_kill_under_load_opens_anything(apart: Installation, namespace_name: str) -> None:
    """A controller of two, the serving worker, the serving container: no Pod before its policy, each repair within a second."""
    deleted = [f"{namespace_name}-{number}" for number in range(2)]
    apart.configure()
    with another_controller(apart), under_load(apart, racers=2, deleted=deleted) as load:
        for kill in KILLS.values():
            kill(apart, alone=1.0)
    assert load.races
    assert all(load.races)
    assert longest(load.gaps) < SECOND
    wait_until_closed(apart, deleted, "kubernetes")


def longest(gaps: Sequence[Gap]) -> float:
    """The longest time that a policy was away; there was one."""
    return max(gap.seconds for gap in gaps)
