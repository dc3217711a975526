"""The reference model gives the expected connections, case by case."""

from typing import Any, Final, get_args

import pytest

from tests.oracles.policy_model import NAME_SERVERS, PRESETS, PolicyModel
from tests.oracles.sample_topology import Pod, Space, Topology
from webhook.model.network import DnsPreset, Preset

GUARD: Final = {"catflap.dev/guard": "enabled"}
SPACES: Final = {
    "one": {**GUARD, "environment": "production"},
    "two": {**GUARD, "environment": "production"},
    "lab": {**GUARD, "environment": "test"},
    "odd": {**GUARD, "environment": "staging"},
    "none": GUARD,
    "legacy": {"environment": "production"},
}
TOWN: Final = Topology(
    tuple(Space(name, labels) for name, labels in SPACES.items()),
    tuple(Pod(space, role[0], {"role": role}) for space in SPACES for role in ("frontend", "data")),
)
ADDRESSES: Final = ("8.8.8.8", "10.0.0.1", "2001:db8::1")
INSIDE: Final = "one/f → one/d, two/f → two/d, lab/f → lab/d, odd/f → odd/d, none/f → none/d"


def opened(flow: dict[str, Any], **network: Any) -> set[tuple[str, str]]:
    """Return the pairs that are connected on the flow's port and not on another one, which excludes unmanaged namespaces."""
    file = {
        "namespaces": {"environment": {"oneOf": ["production", "test"]}},
        "network": {"dns": "none", "flows": [{**flow, "ports": ["80/TCP"]}], **network},
    }
    return {
        (connection.source, connection.target)
        for connection in PolicyModel(file, TOWN).connections(ADDRESSES)
        if (connection.first, connection.last) == (80, 80)
    }


def pairs(text: str) -> set[tuple[str, str]]:
    """Parse `a → b, c → d` to pairs."""
    return {(source, target) for source, _, target in (pair.partition(" → ") for pair in text.split(", ") if pair)}


@pytest.mark.parametrize(
    ("flow", "open_"),
    [
        pytest.param({"from": "frontend", "to": "data"}, INSIDE, id="plain roles stay in their namespace"),
        pytest.param(
            {"from": "frontend", "to": "data", "across": "environment"},
            f"{INSIDE}, one/f → two/d, two/f → one/d, "
            # Unmanaged Pods are in an environment too, and may connect to managed Pods, and these to them.
            "one/f → legacy/d, two/f → legacy/d, legacy/f → one/d, legacy/f → two/d",
            id="across: in one environment as well, and in none of those that there are not",
        ),
        pytest.param(
            {"from": "frontend", "to": {"role": "data", "namespaces": ["lab"]}},
            "one/f → lab/d, two/f → lab/d, lab/f → lab/d, odd/f → lab/d, none/f → lab/d",
            id="opposite to a name, a plain role is that of every guarded namespace",
        ),
        pytest.param(
            {"from": {"namespaces": ["legacy"]}, "to": "data"},
            ", ".join(f"legacy/{name} → {space}/d" for name in "fd" for space in SPACES if space != "legacy"),
            id="a namespace by its name, guarded or not, and all of its Pods",
        ),
        pytest.param(
            {"from": {"role": "frontend", "namespaces": ["one", "lab"]}, "to": {"namespaces": ["two"]}},
            "one/f → two/f, one/f → two/d, lab/f → two/f, lab/f → two/d",
            id="names at both ends",
        ),
        pytest.param(
            {"from": {"role": "frontend", "namespaces": ["one", "lab"]}, "to": "data", "across": "environment"},
            "one/f → one/d, one/f → two/d, lab/f → lab/d",
            id="names across: those of one environment",
        ),
        pytest.param(
            {"from": {"role": "frontend", "namespaces": ["none"]}, "to": "data", "across": "environment"},
            "",
            id="names across from no environment: nobody is in one with it",
        ),
        pytest.param(
            {"from": "outside", "to": {"role": "data", "namespaces": ["one"]}},
            "8.8.8.8 → one/d",
            id="outside is beyond the cluster, and of its IP versions",
        ),
        pytest.param(
            {"from": {"role": "data", "namespaces": ["one"]}, "to": {"cidrs": ["10.0.0.0/8", "2001:db8::/32"]}},
            "one/d → 10.0.0.1, one/d → 2001:db8::1",
            id="networks are what they are, in the cluster too",
        ),
    ],
)
def test_a_flow_means(flow: dict[str, Any], open_: str) -> None:
    """A flow opens these pairs and no others."""
    assert opened(flow, clusterCIDRs=["10.0.0.0/8"]) == pairs(open_)


def test_without_cluster_cidrs_all_addresses_are_outside() -> None:
    """All addresses of both IP versions are outside."""
    flow = {"from": {"role": "data", "namespaces": ["one"]}, "to": "outside"}
    assert opened(flow) == {("one/d", address) for address in ADDRESSES}


def test_a_mesh_adds_its_port_where_it_carries_something() -> None:
    """A mesh carries only TCP between Pods."""
    flow = {"from": "frontend", "to": "data", "ports": ["80/TCP"]}
    file = {"network": {"dns": "none", "presets": ["linkerd"], "flows": [flow, {**flow, "to": "outside"}]}}
    topology = Topology(
        (Space("one", GUARD),), (Pod("one", "f", {"role": "frontend"}), Pod("one", "d", {"role": "data"}))
    )
    assert {str(connection) for connection in PolicyModel(file, topology).connections(["8.8.8.8"])} == {
        "one/f → one/d 80/TCP",
        "one/f → one/d 4143/TCP",
        "one/f → 8.8.8.8 80/TCP",
    }


def test_the_model_describes_every_preset() -> None:
    """A preset that the model does not know would never be compared."""
    assert set(PRESETS) == set(get_args(Preset))
    assert {*NAME_SERVERS, "auto"} == set(get_args(DnsPreset))
