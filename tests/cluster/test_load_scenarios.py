"""Tests load and failure scenarios of small size: many namespaces, no process, a missing right. `benchmarks` has large ones."""

import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

import pytest

from tests.cluster.api_requests import catflap_requests, count_requests, writes
from tests.cluster.barriers import wait_until_quiet
from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.load_scenarios import (
    another_controller,
    burst,
    create,
    failures,
    outage,
    parallel_deletions,
    resident_memory,
    restored,
    without_right_to,
)
from tests.cluster.policies import BOTH, DENY, DNS, GROUPS, is_isolated, stored_policies, wait_until_isolated
from tests.cluster.process_kills import KILLS, under_load
from webhook.controller.work_queue import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS

SECOND: Final = 1.0  # of the median: the benchmarks measure the maximum, on an idle machine
DELETIONS: Final = 10  # in each of this many namespaces:
DELETED_SPACES: Final = 3
BURST: Final = 60
CREATED_MEANWHILE: Final = 20
DELETED_MEANWHILE: Final = 10
FLOOD: Final = 100
REWRITTEN: Final = 200
REWRITTEN_FIRST: Final = 20  # while a new namespace is seen and read, by four workers
EARLY_SECONDS: Final = 5.0
LATE_SECONDS: Final = 15.0
GROWTH_KIB: Final = 5 * 1024
REQUESTS_A_TRY: Final = 2  # a read of the policy, which is rejected, and one of the namespace
OTHER_REQUESTS: Final = 30  # polls of the cluster info, and restarted watches


@pytest.fixture(params=GROUPS)
def engine(request: pytest.FixtureRequest, apart: Installation) -> Iterator[str]:
    """Return each engine in turn, with a policy file that names it."""
    wanted: str = request.param
    apart.configure({"network": {"engine": wanted}})
    yield wanted
    apart.configure()


def several(name: str, count: int) -> list[str]:
    """Return names for this many namespaces."""
    return [f"{name}-{number}" for number in range(count)]


def test_deleted_again_and_again_everywhere_at_once(apart: Installation, engine: str, namespace_name: str) -> None:
    """KY#17265: several namespaces, two controllers; each policy returns within a second, and is recorded."""
    spaces = several(namespace_name, DELETED_SPACES)
    with another_controller(apart, f"controller-{namespace_name}") as second:
        create(apart, spaces)
        wait_until_isolated(apart, spaces, engine)
        wait_until_quiet(apart)  # both know the policies: what is missing from now on was deleted
        took = parallel_deletions(apart, spaces, times=DELETIONS, engine=engine)
        wait_until_quiet(apart)  # the last record follows the write that was seen
        records = [*apart.controller.records(), *second.records()]
    assert len(took) == DELETIONS * DELETED_SPACES
    assert median(took) < SECOND, took
    assert all(stored_policies(apart, engine, space) == BOTH for space in spaces)
    on_record = [one for one in records if restored(one) and one["objectRef"]["namespace"] in spaces]
    assert len(on_record) >= len(took)


def test_a_burst_of_namespaces_costs_two_writes_each(apart: Installation, engine: str, namespace_name: str) -> None:
    """KY#10049: the store has no queue of objects, only the two policies."""
    spaces = several(namespace_name, BURST)
    wait_until_quiet(apart)
    begin = apart.cluster.audit_size()
    burst(apart, spaces, engine=engine)
    wait_until_quiet(apart)
    requests = count_requests(catflap_requests(apart, after=begin))
    assert {(one.verb, one.resource): number for one, number in requests.items() if one.writes} == {
        ("create", "networkpolicies"): len(BOTH) * BURST
    }
    for space in spaces:
        assert writes(apart, space, after=begin) == [("create", "networkpolicies", name) for name in (DENY, DNS)]


def test_changes_during_an_outage_are_repaired_afterwards(
    apart: Installation, engine: str, namespace_name: str
) -> None:
    """KY#7548, capsule#2022: namespaces were created and policies deleted while no process ran; one pass repairs all, with records."""
    earlier = several(f"{namespace_name}-earlier", DELETED_MEANWHILE)
    meanwhile = several(f"{namespace_name}-meanwhile", CREATED_MEANWHILE)
    create(apart, earlier)
    wait_until_isolated(apart, earlier, engine)
    recovery = outage(apart, earlier, meanwhile, engine=engine)
    assert all(is_isolated(apart, space) for space in (*earlier, *meanwhile))
    assert recovery.recorded >= set(earlier)


def test_without_the_right_to_policies_nothing_floods(apart: Installation, namespace_name: str) -> None:
    """KY#10049, KY#9568: memory is bounded, retries back off, one metric counts them, and all is isolated once the right returns."""
    spaces = several(namespace_name, FLOOD)
    wait_until_quiet(apart)  # other tests' namespaces may be switching to another engine
    with without_right_to(apart, "networkpolicies") as given_back:
        before = failures(apart.controller)
        create(apart, spaces)
        time.sleep(EARLY_SECONDS)
        memory, failed, begin = (
            resident_memory(apart.controller),
            failures(apart.controller),
            apart.cluster.audit_size(),
        )
        time.sleep(LATE_SECONDS - EARLY_SECONDS)
        later = failures(apart.controller)
        requests = len(catflap_requests(apart, after=begin))
        assert resident_memory(apart.controller) - memory < GROWTH_KIB
        assert failed - before >= FLOOD
        assert later > failed
        assert requests <= REQUESTS_A_TRY * tries(EARLY_SECONDS, LATE_SECONDS) * FLOOD + OTHER_REQUESTS
        assert not any(is_isolated(apart, space) for space in spaces)
        given_back.close()
        wait_until_isolated(apart, spaces, "kubernetes", within=LONGEST_DELAY_SECONDS)


def tries(begin: float, end: float) -> int:
    """Return how often the backoff allows one namespace to be tried between two times, plus one for late ones."""
    moments = [FIRST_DELAY_SECONDS * (2.0**number - 1) for number in range(12)]
    return len([moment for moment in moments if begin <= moment < end]) + 1


def test_two_controllers_that_clear_away_the_same_are_no_failure(apart: Installation, namespace_name: str) -> None:
    """The slower controller finds nothing left to delete; each deletion is recorded by the one that did it."""
    spaces = several(namespace_name, BURST)
    with another_controller(apart, f"controller-{namespace_name}") as second:
        create(apart, spaces)
        wait_until_isolated(apart, spaces, "kubernetes")
        wait_until_quiet(apart)
        before = [failures(program) for program in (apart.controller, second)]
        apart.configure({"network": {"engine": "kubernetes", "dns": "none"}})
        wait_until_quiet(apart)  # earlier tests' namespaces are in the same queue
        left = {space: stored_policies(apart, "kubernetes", space) for space in spaces}
        after = [failures(program) for program in (apart.controller, second)]
        records = [*apart.controller.records(), *second.records()]
    assert all(policies == [DENY] for policies in left.values()), left
    assert after == before
    removed = [one["objectRef"]["namespace"] for one in records if one.get("verb") == "delete"]
    assert sorted(space for space in removed if space in spaces) == sorted(spaces)
    apart.configure()


def test_what_is_new_does_not_wait_behind_an_edit_of_the_file(apart: Installation, namespace_name: str) -> None:
    """Hundreds of namespaces have to be written; one that is created in the meantime is isolated before most of them."""
    spaces, new = several(namespace_name, REWRITTEN), f"{namespace_name}-new"
    apart.configure()
    create(apart, spaces)
    wait_until_isolated(apart, spaces, "kubernetes")
    wait_until_quiet(apart)
    begin = apart.cluster.audit_size()
    apart.configure({"network": {"engine": "calico"}})
    eventually(lambda: closings(apart, spaces, after=begin))
    create(apart, [new])
    ahead = len(closings(apart, spaces, after=begin))
    wait_until_isolated(apart, [new, *spaces], "calico")
    order = closings(apart, [new, *spaces], after=begin)
    apart.configure()
    assert sorted(order) == sorted([new, *spaces])
    assert order.index(new) - ahead <= REWRITTEN_FIRST, order.index(new)


def closings(catflap: Installation, spaces: Sequence[str], *, after: int) -> list[str]:
    """Return the order in which namespaces got their default-deny."""
    found = [one["objectRef"] for one in catflap_requests(catflap, after=after) if one["verb"] == "create"]
    return [ref["namespace"] for ref in found if ref.get("name") == DENY and ref["namespace"] in spaces]


def test_no_kill_under_load_opens_anything(apart: Installation, namespace_name: str) -> None:
    """One of two controllers, the serving worker, the serving container: no Pod precedes its policy, each repair takes less than a second."""
    deleted = [f"{namespace_name}-{number}" for number in range(2)]
    apart.configure()
    with another_controller(apart), under_load(apart, racers=2, deleted=deleted) as load:
        for kill in KILLS.values():
            kill(apart, alone=1.0)
    assert load.races
    assert all(load.races)
    assert median(gap.seconds for gap in load.gaps) < SECOND, load.gaps
    wait_until_isolated(apart, deleted, "kubernetes")


def test_the_counted_accounts_are_catflaps(apart: Installation) -> None:
    """The counts above would hold for an empty log too."""
    users = {event["user"]["username"] for event in catflap_requests(apart)}
    assert users == {f"system:serviceaccount:{NAMESPACE}:{name}" for name in ("catflap", "catflap-controller")}
