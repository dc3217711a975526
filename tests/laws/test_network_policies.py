"""The policies for both engines have the same meaning, and each engine accepts its own."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final, get_args

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.strategies import LAW, label_keys, label_names, networks
from tests.oracles.policy_model import NAME_SERVERS, WITH_DETECTED_ADDRESSES, name_servers
from tests.unit.netpol.calico_grammar import complaints, labels_of
from webhook.model.network import DnsEndpoint, DnsPreset
from webhook.model.policy import GuardPolicy
from webhook.model.selector import labels, printed
from webhook.netpol.dns import DetectedDns, usable_addresses
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace

KNOWN: Final = tuple(cidr for servers in NAME_SERVERS.values() for one in servers for cidr in one.get("cidrs", ()))

# The peer of a rule (labels of namespace and Pod, or a network), the port, the protocol.
Opening = tuple[object, int, str]

ports = st.lists(
    st.builds("{}/{}".format, st.integers(1, 65535), st.sampled_from(["TCP", "UDP", "SCTP"])),
    min_size=1,
    max_size=6,
    unique=True,
)
some_labels = st.dictionaries(label_keys, label_names, min_size=1, max_size=3)
endpoints = st.builds(
    lambda namespace_labels, pod_labels, ports: DnsEndpoint(
        namespaceLabels=namespace_labels, podLabels=pod_labels, ports=ports
    ),
    some_labels,
    some_labels,
    ports.map(tuple),
) | st.builds(
    lambda cidrs, ports: DnsEndpoint(cidrs=cidrs, ports=ports),
    st.lists(networks, min_size=1, max_size=5, unique=True).map(tuple),
    ports.map(tuple),
)


@st.composite
def policies(draw: st.DrawFn) -> GuardPolicy:
    """Return a policy with some name servers."""
    presets = st.sampled_from(get_args(DnsPreset))
    dns = draw(presets | st.lists(endpoints, max_size=3))
    return GuardPolicy.model_validate(
        {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", "network": {"dns": dns}}, strict=False
    )


clusters = st.builds(
    lambda preset, addresses, behind: DetectedDns(preset, usable_addresses(map(str, addresses)), tuple(behind)),
    st.sampled_from(sorted(NAME_SERVERS)),
    st.lists(st.sampled_from([ip_network(one)[0] for one in KNOWN]) | st.ip_addresses(), max_size=6, unique=True),
    st.lists(endpoints.filter(lambda one: not one.cidrs), max_size=1),
)


def pods(namespace_labels: Mapping[str, str], pod_labels: Mapping[str, str]) -> object:
    """Return Pods by labels, in a form that can be compared."""
    return frozenset(namespace_labels.items()), frozenset(pod_labels.items())


def opened_by_calico(manifests: Iterable[Mapping[str, Any]]) -> Iterator[Opening]:
    """Return what Calico allows as egress: protocol, peer and port of one rule must match."""
    for manifest in manifests:
        for rule in manifest["spec"].get("egress", ()):
            peer = rule["destination"]
            found = peer.get("nets") or [pods(labels_of(peer["namespaceSelector"]), labels_of(peer["selector"]))]
            yield from ((one, port, rule["protocol"]) for one in found for port in peer["ports"])


def opened_by_kubernetes(manifests: Iterable[Mapping[str, Any]]) -> Iterator[Opening]:
    """Return what NetworkPolicies allow as egress: one of `to` and one of `ports` must match."""
    for manifest in manifests:
        for rule in manifest["spec"].get("egress", ()):
            for peer in rule["to"]:
                block, selectors = peer.get("ipBlock"), [peer.get(key) for key in ("namespaceSelector", "podSelector")]
                found = block["cidr"] if block else pods(*(one["matchLabels"] for one in selectors))
                yield from ((found, port["port"], port["protocol"]) for port in rule["ports"])


@LAW
@given(policies(), clusters)
def test_both_engines_open_the_same(policy: GuardPolicy, cluster: DetectedDns) -> None:
    """Every endpoint, port and protocol is equal; and both begin with the same default-deny."""
    calico, plain = (
        render_namespace(policy, RenderTarget("shop", "1", "2"), engine, detected_dns=cluster)
        for engine in (PolicyEngine.CALICO, PolicyEngine.KUBERNETES)
    )
    assert set(opened_by_calico(calico)) == set(opened_by_kubernetes(plain))
    assert [one["metadata"]["name"] for one in calico] == [one["metadata"]["name"] for one in plain]
    assert [one["spec"]["types"] for one in calico] == [one["spec"]["policyTypes"] for one in plain]


@LAW
@given(policies(), clusters)
def test_calico_accepts_every_rendered_policy(policy: GuardPolicy, cluster: DetectedDns) -> None:
    """Its Windows nodes accept them too."""
    for manifest in render_namespace(policy, RenderTarget("shop", "1", "2"), PolicyEngine.CALICO, detected_dns=cluster):
        assert complaints(manifest) == []


@LAW
@given(policies(), clusters, st.booleans())
def test_the_policy_says_what_the_file_says(policy: GuardPolicy, cluster: DetectedDns, windows: bool) -> None:
    """A list is allowed unchanged; a preset means the servers of a type of cluster, with the detected addresses."""
    dns = policy.network.dns
    if isinstance(dns, str):
        network = policy.network.model_copy(update={"windows_nodes": windows})
        policy = policy.model_copy(update={"network": network})
        shown = [one for one in cluster.addresses if not windows or ":" not in one]
        named = [DnsEndpoint.model_validate(one, strict=False) for one in name_servers(dns, cluster.preset, shown)]
        if (cluster.preset if dns == "auto" else dns) in WITH_DETECTED_ADDRESSES:
            named += cluster.pods
    else:
        named = [*dns]
    wanted = {
        (one, int(port.partition("/")[0]), port.partition("/")[2])
        for server in named
        for one in server.cidrs or [pods(server.namespace_labels, server.pod_labels)]
        for port in server.ports
    }
    written = render_namespace(policy, RenderTarget("shop", "1", "2"), PolicyEngine.KUBERNETES, detected_dns=cluster)
    assert set(opened_by_kubernetes(written)) == wanted


@LAW
@given(st.dictionaries(label_keys, label_names, max_size=5))
def test_labels_come_back_from_a_printed_selector(wanted: dict[str, str]) -> None:
    """An independent parser reads it."""
    assert labels_of(printed(labels(wanted))) == wanted


@LAW
@given(st.dictionaries(label_keys, st.text(max_size=20), max_size=3))
def test_any_text_comes_back_or_is_refused(wanted: dict[str, str]) -> None:
    """A value never changes the structure of the selector."""
    try:
        text = printed(labels(wanted))
    except ValueError:
        assert any("'" in value and '"' in value for value in wanted.values())
    else:
        assert labels_of(text) == wanted
