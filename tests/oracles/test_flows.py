"""The rendered policies of flows allow exactly the connections that the policy file means, in either engine."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, reject, settings

from tests.laws.strategies import LAW
from tests.oracles.analyzer import Analyzer
from tests.oracles.connectivity import Connections
from tests.oracles.policy_model import PolicyModel
from tests.oracles.rendering import rendered
from tests.oracles.sample_topology import Manifest, Topology
from tests.oracles.strategies import clusters, files, topologies
from tests.oracles.three_tiers import CLOSED, FILE, INSIDE, OPEN, OUTSIDE, TOPOLOGY
from webhook.config.faults import BadPolicy
from webhook.netpol.dns import DetectedDns
from webhook.netpol.intent import PolicyEngine


def edges(file: Mapping[str, Any]) -> Iterator[str]:
    """The first and last address of every network in a file."""
    network = file["network"]
    ends = [flow[end] for flow in network["flows"] for end in ("from", "to") if isinstance(flow[end], dict)]
    servers = network["dns"] if isinstance(network["dns"], list) else []
    named = [cidr for one in (*ends, *servers) for cidr in one.get("cidrs", ())]
    for cidr in (*named, *network["clusterCIDRs"], *network["nodeCIDRs"]):
        yield from (str(ip_network(cidr)[0]), str(ip_network(cidr)[-1]))


# Shrinking a difference takes long, since the analyzer answers every attempt.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", PolicyEngine)
@settings(LAW, max_examples=3 * LAW.max_examples)
@given(topology=topologies(), file=files(), cluster=clusters)
def test_what_is_open_is_what_the_file_means(
    analyzer: Analyzer, engine: PolicyEngine, topology: Topology, file: dict[str, Any], cluster: DetectedDns
) -> None:
    """Each Pod and each address reaches exactly what the file allows."""
    try:
        manifests = rendered(file, topology, engine, detected_dns=cluster)
    except BadPolicy:
        reject()
    found = analyzer.reach(topology, manifests)
    addresses = found.edges.union(edges(file), cluster.addresses)
    meaning = PolicyModel(file, topology, cluster.preset, cluster.addresses)
    assert found.connections(addresses) == meaning.connections(addresses)


def of_isolated_namespaces(connections: Connections) -> set[str]:
    """Return the connections that begin or end in an isolated namespace, as texts."""
    return {
        str(connection)
        for connection in connections
        if {connection.source.partition("/")[0], connection.target.partition("/")[0]} & CLOSED.keys()
    }


def is_open(analyzer: Analyzer, manifests: Iterable[Manifest]) -> set[str]:
    """Return the allowed connections in the example's isolated namespaces."""
    return of_isolated_namespaces(analyzer.reach(TOPOLOGY, list(manifests)).connections((*OUTSIDE, *INSIDE)))


@pytest.mark.parametrize("engine", PolicyEngine)
def test_three_tiers_are_open_as_the_flows_say(analyzer: Analyzer, engine: PolicyEngine) -> None:
    """No connection joins production and test."""
    assert is_open(analyzer, rendered(FILE, TOPOLOGY, engine)) == OPEN


def test_the_model_of_three_tiers_is_the_expected_one() -> None:
    """The model with which the engines are compared gives the same lines."""
    assert of_isolated_namespaces(PolicyModel(FILE, TOPOLOGY).connections((*OUTSIDE, *INSIDE))) == OPEN


@pytest.mark.parametrize("engine", PolicyEngine)
def test_every_policy_of_the_three_tiers_is_needed(analyzer: Analyzer, engine: PolicyEngine) -> None:
    """Without any one of them, the result differs: so the analyzer evaluates each."""
    manifests = rendered(FILE, TOPOLOGY, engine)
    assert len(manifests) == len(CLOSED) * len(("deny", "dns", "frontend", "backend", "data"))
    for number, left_out in enumerate(manifests):
        assert is_open(analyzer, manifests[:number] + manifests[number + 1 :]) != OPEN, left_out["metadata"]


@pytest.mark.parametrize("engine", PolicyEngine)
def test_a_wrong_word_shows(analyzer: Analyzer, engine: PolicyEngine) -> None:
    """If data in test allows ingress from production, only one end is open; a connection needs a second mistake."""
    manifests = [copy.deepcopy(dict(one)) for one in rendered(FILE, TOPOLOGY, engine)]
    swap(manifests, "shop-test", "catflap-role-data")
    assert OPEN - is_open(analyzer, manifests) == {
        "shop-test/api → shop-test/db 5432/TCP",
        "shop-test/api → shop-test/db 5000-5010/UDP",
    }
    swap(manifests, "shop", "catflap-role-backend")
    assert "shop/api → shop-test/db 5432/TCP" in is_open(analyzer, manifests)


def swap(manifests: list[dict[str, Any]], space: str, name: str) -> None:
    """Exchange the environments in one policy."""
    names = {"production": "test", "test": "production"}
    for one in manifests:
        if (one["metadata"]["namespace"], one["metadata"]["name"]) == (space, name):
            one["spec"] = replaced(one["spec"], names)


def replaced(value: Any, names: Mapping[str, str]) -> Any:
    """Return a value in which these words are replaced by others, also in selectors."""
    match value:
        case dict():
            return {key: replaced(one, names) for key, one in value.items()}
        case list():
            return [replaced(one, names) for one in value]
        case str():
            quoted = {f"'{word}'": f"'{other}'" for word, other in names.items()}
            found = next((word for word in quoted if word in value), None)
            return names.get(value, value.replace(found, quoted[found]) if found else value)
    return value
