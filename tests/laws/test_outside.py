"""The outside and the cluster together are all addresses, each of them once."""

from ipaddress import collapse_addresses, ip_network
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.laws.strategies import LAW, networks
from webhook.model.network import EVERYWHERE, Network, without

BITS = {4: 32, 6: 128}

# Few different networks, so that they contain each other, touch each other, and include the first and last address.
close = st.builds(
    lambda number, length: str(ip_network((number << 24, length), strict=False)),
    st.sampled_from([0, 1, 2, 3, 10, 127, 128, 254, 255]),
    st.integers(0, 12),
)
clusters = st.lists(networks | close, max_size=8, unique=True)


def of_version(cidrs: tuple[str, ...], version: int) -> list[Any]:
    """Return the networks of an IP version."""
    return [network for network in map(ip_network, cidrs) if network.version == version]


def size(found: list[Any]) -> int:
    """Return the number of addresses of networks; an address in two networks counts twice."""
    return sum(one.num_addresses for one in found)


@LAW
@given(clusters)
@example(["0.0.0.0/0"])
@example(["0.0.0.0/1", "128.0.0.0/1", "::/0"])
@example(["255.255.255.255/32", "0.0.0.0/32", "::/128"])
@example(["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/7"])
def test_outside_and_the_cluster_are_everything_once(cidrs: list[str]) -> None:
    """This holds for each IP version of the cluster; nothing of another IP version is outside."""
    network = Network(clusterCIDRs=tuple(cidrs))
    named = {ip_network(cidr).version for cidr in cidrs} or {4, 6}
    for version, bits in BITS.items():
        outside = of_version(network.outside, version)
        if version not in named:
            assert outside == []
            continue
        inside = list(collapse_addresses(of_version(network.cluster_cidrs, version)))
        assert size(outside) + size(inside) == 2**bits  # nothing is missed, if nothing is there twice
        assert size(list(collapse_addresses([*outside, *inside]))) == 2**bits  # nothing is there twice
        assert outside == list(collapse_addresses(outside))  # in order, and in as few networks as possible


@LAW
@given(networks, st.lists(networks | close, max_size=5, unique=True))
def test_without_removes_the_given_networks(whole: str, cidrs: list[str]) -> None:
    """This holds for any network of either IP version."""
    network = ip_network(whole)
    left = without(network, tuple(cidrs))
    assert not any(one.overlaps(taken) for one in left for taken in of_version(tuple(cidrs), network.version))
    taken = [taken for taken in of_version(tuple(cidrs), network.version) if taken.overlaps(network)]
    if any(one.supernet_of(network) for one in taken):
        assert left == []
        return
    assert size(left) + size(list(collapse_addresses(taken))) == network.num_addresses


def test_without_cluster_cidrs_everything_is_outside() -> None:
    """IPv6 is missing on Windows nodes; IPv4 is present everywhere."""
    assert Network().outside == EVERYWHERE
    assert Network(windowsNodes=True).outside == EVERYWHERE[:1]
    assert Network(windowsNodes=True, clusterCIDRs=("0.0.0.0/1",)).outside == ("128.0.0.0/1",)
