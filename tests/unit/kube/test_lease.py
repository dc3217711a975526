"""One of several candidates holds a Lease at a time."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.kube.lease import Lease

START: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECONDS: Final = 60


class Leases(Api):
    """An API server that stores one Lease."""

    def __init__(self) -> None:
        self.stored: Json | None = None
        self.version = 0

    def get(self, path: str, **_query: str) -> Json | None:
        """Return the Lease."""
        assert path == "/apis/coordination.k8s.io/v1/namespaces/guards/leases/one"
        return self.stored

    def create(self, _path: str, body: Json) -> Json | None:
        """Store the Lease of the first candidate."""
        return self._store(body) if self.stored is None else None

    def replace(self, _path: str, body: Json) -> Json:
        """Replace the version that was read."""
        if body["metadata"].get("resourceVersion") != str(self.version):
            raise ApiError(CONFLICT, "changed since")
        return self._store(body)

    def _store(self, body: Json) -> Json:
        self.version += 1
        self.stored = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return self.stored

    @property
    def spec(self) -> Json:
        """Return the spec of the Lease."""
        assert self.stored is not None
        spec: Json = self.stored["spec"]
        return spec


class Machine:
    """A machine with its own clocks: `ahead` is the error of its wall clock."""

    def __init__(self, api: Api, name: str, *, ahead: float = 0.0) -> None:
        self.seconds = 0.0
        self._ahead = ahead
        self.lease = Lease(
            api,
            namespace="guards",
            name="one",
            candidate=name,
            seconds=SECONDS,
            now=self.now,
            clock=lambda: self.seconds,
        )

    def now(self) -> datetime:
        """Return the time of its wall clock."""
        return START + timedelta(seconds=self.seconds + self._ahead)


@pytest.fixture
def api() -> Leases:
    """There is no Lease yet."""
    return Leases()


def test_the_first_one_holds_it_and_keeps_it(api: Leases) -> None:
    """A candidate holds the Lease for its duration."""
    one, other = Machine(api, "one"), Machine(api, "other")
    assert one.lease.hold()
    for _ in range(10):
        one.seconds += SECONDS / 2
        other.seconds += SECONDS / 2
        assert one.lease.hold()
        assert not other.lease.hold()
    assert (api.spec["holderIdentity"], api.spec["leaseTransitions"]) == ("one", 0)
    assert api.spec["acquireTime"].startswith("2026-11-25T12:00:00")
    assert api.spec["renewTime"].startswith("2026-11-25T12:05:00")


@pytest.mark.parametrize("ahead", [-10_000.0, 0.0, 10_000.0])
def test_the_lease_of_one_that_is_silent_is_taken_when_it_ends(api: Leases, ahead: float) -> None:
    """The other candidate's own clock decides, however wrong it is, and the Lease does not expire earlier."""
    one, other = Machine(api, "one"), Machine(api, "other", ahead=ahead)
    assert one.lease.hold()
    assert not other.lease.hold()
    other.seconds += SECONDS
    assert not other.lease.hold()
    other.seconds += 0.1
    assert other.lease.hold()
    assert not one.lease.hold()
    assert (api.spec["holderIdentity"], api.spec["leaseTransitions"]) == ("other", 1)


def test_one_that_is_released_is_taken_at_once(api: Leases) -> None:
    """Another candidate can acquire it at once; a candidate that does not hold it releases nothing."""
    one, other = Machine(api, "one"), Machine(api, "other")
    one.lease.hold()
    other.lease.release()
    assert not other.lease.hold()
    one.lease.release()
    assert other.lease.hold()


def test_an_empty_one_is_taken(api: Leases) -> None:
    """The chart creates such a Lease."""
    api._store(
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one", "labels": {"a": "b"}}}
    )
    assert Machine(api, "one").lease.hold()
    assert api.stored is not None
    assert api.stored["metadata"]["labels"] == {"a": "b"}
    assert api.spec["leaseTransitions"] == 0


class Late(Leases):
    """Another candidate writes between each read and each write."""

    def get(self, path: str, **query: str) -> Json | None:
        """Return the Lease before the other candidate's write."""
        found = super().get(path, **query)
        self._store({"metadata": {}, "spec": {"holderIdentity": "faster", "leaseDurationSeconds": SECONDS}})
        return found


def test_who_is_slower_does_not_hold_it() -> None:
    """This holds for the first write and for later ones."""
    api = Late()
    assert not Machine(api, "slow").lease.hold()
    api.stored = None
    assert not Machine(api, "slow").lease.hold()


HOSTILE: Final[list[Json]] = [
    {"holderIdentity": "stranger", "leaseDurationSeconds": 2147483647},
    {"holderIdentity": "stranger", "leaseDurationSeconds": 2147483647, "renewTime": "9999-12-31T23:59:59.999999Z"},
    {"holderIdentity": "stranger", "leaseDurationSeconds": SECONDS, "renewTime": "1970-01-01T00:00:00.000000Z"},
    {"holderIdentity": "stranger", "leaseDurationSeconds": SECONDS + 1, "acquireTime": "9999-12-31T23:59:59.999999Z"},
    {"holderIdentity": "stranger"},
    {"holderIdentity": "stranger", "leaseDurationSeconds": 0},
    {"holderIdentity": "stranger", "leaseDurationSeconds": -1},
    {"holderIdentity": "stranger", "leaseTransitions": 2147483647, "renewTime": "2026-11-25T12:00:00.000000Z"},
    {"holderIdentity": "stranger", "leaseTransitions": -5},
    {"holderIdentity": "stranger", "strategy": "OldestEmulationVersion", "preferredHolder": "stranger"},
]


@pytest.mark.parametrize("spec", HOSTILE)
def test_an_unchanged_lease_expires_after_the_own_duration_whatever_it_contains(api: Leases, spec: Json) -> None:
    """A user with write access could otherwise prevent any leader; the written Lease is valid for the API."""
    api._store({"metadata": {"name": "one"}, "spec": spec})
    machine = Machine(api, "one")
    assert not machine.lease.hold()
    machine.seconds = SECONDS + 0.1
    assert machine.lease.hold()
    assert machine.lease.hold()
    assert {*api.spec} == {"acquireTime", "holderIdentity", "leaseDurationSeconds", "renewTime", "leaseTransitions"}
    assert (api.spec["holderIdentity"], api.spec["leaseDurationSeconds"]) == ("one", SECONDS)
    assert 0 <= api.spec["leaseTransitions"] < 2**31
    assert api.spec["renewTime"].startswith("2026-11-25T12:01")


def test_a_shorter_claim_is_believed(api: Leases) -> None:
    """A holder may set a shorter duration."""
    api._store({"metadata": {"name": "one"}, "spec": {"holderIdentity": "other", "leaseDurationSeconds": 15}})
    machine = Machine(api, "one")
    assert not machine.lease.hold()
    machine.seconds = 15.1
    assert machine.lease.hold()
