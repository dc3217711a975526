"""Tests the Lease of the scanning controller after another client wrote or deleted it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.load_scenarios import another_controller
from tests.controlplane.client import MERGE
from tests.programs import Program
from webhook.controller.leader_election import LEASE_SECONDS, RENEW_SECONDS

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
PATH = f"{LEASES}/catflap-controller"
# A Lease without renewals is observed for its whole duration, three times a minute.
TAKEN_SECONDS = LEASE_SECONDS + 3 * RENEW_SECONDS
SPECS: dict[str, dict[str, Any]] = {
    "for 68 years, renewed in the future": {
        "holderIdentity": "stranger",
        "leaseDurationSeconds": 2**31 - 1,
        "acquireTime": "2094-01-01T00:00:00.000000Z",
        "renewTime": "2094-01-01T00:00:00.000000Z",
        "leaseTransitions": 2**31 - 1,
    },
}


@pytest.fixture(scope="module")
def two(apart: Installation) -> Iterator[list[Program]]:
    """Run two controllers, of which one leads."""
    with another_controller(apart) as second:
        both = [apart.controller, second]
        eventually(partial(one_leads, apart, both))
        yield both


def leads(controller: Program) -> str:
    """Return the name under which a controller leads by its records; empty if it does not."""
    found = controller.records("leader")
    return str(found[-1]["candidate"]) if found and found[-1]["leads"] else ""


def holder(catflap: Installation) -> str:
    """Return the holder of the Lease."""
    return str((catflap.cluster.call("GET", PATH).body.get("spec") or {}).get("holderIdentity") or "")


def one_leads(catflap: Installation, both: list[Program]) -> bool:
    """Return whether exactly one of them leads, and the Lease names it."""
    return [name for name in map(leads, both) if name] == [holder(catflap)]


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_strange_holder_that_is_silent_does_not_keep_the_lease(
    apart: Installation, two: list[Program], spec: dict[str, Any]
) -> None:
    """Its duration and times do not matter."""
    apart.cluster.api("PATCH", PATH, {"spec": spec}, content_type=MERGE)
    assert holder(apart) == "stranger"
    eventually(partial(one_leads, apart, two), within=TAKEN_SECONDS)


@pytest.mark.parametrize("spec", [{"holderIdentity": ""}, None], ids=["no holder", "nothing"])
def test_an_empty_lease_is_taken(apart: Installation, two: list[Program], spec: dict[str, Any] | None) -> None:
    """Either controller takes it at its next attempt."""
    apart.cluster.api("PATCH", PATH, {"spec": spec}, content_type=MERGE)
    eventually(partial(one_leads, apart, two), within=3 * RENEW_SECONDS)


def test_a_deleted_lease_is_made_again(apart: Installation, two: list[Program]) -> None:
    """Either controller creates it, which before only the chart did."""
    apart.cluster.api("DELETE", PATH)
    eventually(partial(one_leads, apart, two), within=3 * RENEW_SECONDS)
    assert not any("cannot read or renew the Lease" in one.log() for one in two)
