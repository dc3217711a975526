"""The default-deny and the DNS policy allow only DNS queries, in either engine."""

from collections.abc import Iterable
from typing import Any, Final

import pytest

from tests.oracles.analyzer import Analyzer
from tests.oracles.connectivity import FIRST_PORT, LAST_PORT, PROTOCOLS, Connection
from tests.oracles.rendering import rendered
from tests.oracles.sample_topology import Manifest, Pod, Space, Topology
from tests.unit.samples import policy
from webhook.model.names import ALLOW_DNS, DEFAULT_DENY
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_cluster_wide

STRANGER: Final = "203.0.113.7"
TOWN: Final = Topology(
    (Space("shop", {"catflap.dev/guard": "enabled"}), Space("legacy"), Space("kube-system")),
    (
        Pod("shop", "web", {"role": "frontend"}),
        Pod("shop", "bare"),
        Pod("legacy", "old", {"k8s-app": "kube-dns"}),
        Pod("kube-system", "dns", {"k8s-app": "kube-dns"}),
        Pod("kube-system", "metrics"),
    ),
)
FILE: Final[dict[str, Any]] = {"network": {"dns": "kube-dns"}}
ONLY_NAMES: Final = {
    Connection(source, "kube-system/dns", protocol, 53, 53)
    for source in ("shop/web", "shop/bare")
    for protocol in ("TCP", "UDP")
}


def shop_connections(analyzer: Analyzer, manifests: Iterable[Manifest]) -> set[Connection]:
    """Return the allowed connections of Pods in the isolated namespace."""
    found = analyzer.reach(TOWN, list(manifests)).connections([STRANGER])
    return {connection for connection in found if "shop/" in f"{connection.source} {connection.target}"}


def everything(source: str, target: str) -> set[Connection]:
    """Return all connections from a source to a target."""
    return {Connection(source, target, protocol, FIRST_PORT, LAST_PORT) for protocol in PROTOCOLS}


@pytest.mark.parametrize("engine", PolicyEngine)
def test_only_questions_for_names_get_out_and_nothing_gets_in(analyzer: Analyzer, engine: PolicyEngine) -> None:
    """Queries reach the name servers of kube-system, but no Pods of the same name elsewhere, and no other Pods of kube-system."""
    assert shop_connections(analyzer, rendered(FILE, TOWN, engine)) == ONLY_NAMES


@pytest.mark.parametrize("engine", PolicyEngine)
def test_without_the_way_to_names_nothing_is_open(analyzer: Analyzer, engine: PolicyEngine) -> None:
    """`dns: none`."""
    assert shop_connections(analyzer, rendered({"network": {"dns": "none"}}, TOWN, engine)) == set()


@pytest.mark.parametrize("engine", PolicyEngine)
def test_the_judge_misses_the_default_deny(analyzer: Analyzer, engine: PolicyEngine) -> None:
    """Without it, all of the shop is open to every peer, while the DNS policy still isolates egress."""
    rest = [one for one in rendered(FILE, TOWN, engine) if one["metadata"]["name"] != DEFAULT_DENY]
    found = shop_connections(analyzer, rest)
    assert found != ONLY_NAMES
    assert found >= everything("legacy/old", "shop/web") | everything(STRANGER, "shop/bare")
    assert not found & everything("shop/web", STRANGER)


@pytest.mark.parametrize("engine", PolicyEngine)
def test_the_judge_misses_the_way_to_names(analyzer: Analyzer, engine: PolicyEngine) -> None:
    """Without it, nothing is open."""
    rest = [one for one in rendered(FILE, TOWN, engine) if one["metadata"]["name"] != ALLOW_DNS]
    assert shop_connections(analyzer, rest) == set()


def test_the_judge_knows_an_open_namespace(analyzer: Analyzer) -> None:
    """Without any policy."""
    assert shop_connections(analyzer, ()) >= everything("shop/web", STRANGER) | everything(STRANGER, "shop/web")


def test_the_cluster_wide_default_deny_isolates_pods_without_policies(analyzer: Analyzer) -> None:
    """It isolates every namespace except the exempt ones."""
    file = policy(
        "network: {engine: calico, dns: kube-dns, clusterWideDefaultDeny: true}\nnamespaces: {includeExisting: all}"
    )
    (net,) = render_cluster_wide(file, RenderTarget("", "", "0"), PolicyEngine.CALICO, exempt={"kube-system"})
    found = analyzer.reach(TOWN, [net]).connections([STRANGER])
    assert {
        connection
        for connection in found
        if not connection.source.startswith("kube-system/") and connection.source != STRANGER
    } == {
        Connection(source, "kube-system/dns", protocol, 53, 53)
        for source in ("shop/web", "shop/bare", "legacy/old")
        for protocol in ("TCP", "UDP")
    }
    assert {connection.target.partition("/")[0] for connection in found if connection.source == STRANGER} == {
        "kube-system"
    }
