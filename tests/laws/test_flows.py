"""The rendered policies allow exactly the flows, in either engine."""

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_network
from itertools import product
from typing import Any, Final

from hypothesis import example, given
from hypothesis import strategies as st

from tests.laws.connectivity_model import PODS, SPACES, Side, Space, meant, open_at, policies_of, probes, sides
from tests.laws.strategies import LAW, networks
from tests.unit.netpol.calico_grammar import MOST_NETS, MOST_PORTS, complaints
from webhook.config.contradictions import contradictions
from webhook.model.fields import PortRange
from webhook.model.policy import GuardPolicy
from webhook.model.traffic import Allow, Direction, Networks
from webhook.netpol.calico import allow_rules
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace

CLUSTER: Final = ["10.0.0.0/8", "fd00::/8"]
EVERYWHERE: Final = ["0.0.0.0/0", "::/0"]

roles = st.sampled_from(["frontend", "backend"])
names = st.lists(st.sampled_from([*(space.name for space in SPACES), "elsewhere"]), min_size=1, max_size=3, unique=True)
some_networks = st.lists(
    st.sampled_from(
        [
            "10.0.0.0/8",
            "10.0.1.0/24",
            "10.0.3.1/32",
            "192.0.2.0/24",
            "fd00::/16",
            "fd00::3:0/112",
            "2001:db8::/32",
            *EVERYWHERE,
        ]
    ),
    min_size=1,
    max_size=3,
    unique=True,
)
few = st.sampled_from([1, 2, 3, 4143, 15008, 65530])
ranges = st.builds(lambda first, more: f"{first}-{first + more}", few, st.sampled_from([0, 1, 2, 5]))
some_ports = st.lists(
    st.builds("{}/{}".format, few.map(str) | ranges, st.sampled_from(["TCP", "UDP", "SCTP"])),
    min_size=1,
    max_size=3,
    unique=True,
)
here = roles | roles.map(lambda role: {"role": role})
named = names.map(lambda names: {"namespaces": names}) | st.builds(
    lambda role, names: {"role": role, "namespaces": names}, roles, names
)
beyond = st.just("outside") | some_networks.map(lambda cidrs: {"cidrs": cidrs})
across = st.sampled_from([{}, {"across": "environment"}])


def flow(source: Any, to: Any, ports: list[str], more: dict[str, str]) -> dict[str, Any]:
    """Return a flow in the form of the policy file."""
    return {"from": source, "to": to, "ports": ports, **more}


between_pods = st.builds(flow, here | named, here | named, some_ports, across)
with_networks = st.builds(flow, here | named, beyond, some_ports, st.just({})) | st.builds(
    flow, beyond, here | named, some_ports, st.just({})
)
confined = st.builds(flow, here, here, some_ports, across) | st.builds(
    flow, here | named, here | named, some_ports, st.just({"across": "environment"})
)
near_ports = st.sampled_from([["1/TCP"], ["1-3/TCP"], ["3/TCP", "3/UDP"], ["4/TCP"], ["3-4/UDP"]])
near = st.just("outside") | st.sampled_from(
    [CLUSTER, EVERYWHERE, ["10.0.1.0/24", "fd00::3:0/112"], ["10.0.3.1/32"]]
).map(lambda cidrs: {"cidrs": cidrs})
# Flows from and to addresses, and all flows that must not connect Pods of two environments.
by_addresses = st.builds(
    lambda into, out, flows: [into, out, *flows],
    st.builds(flow, near, here, near_ports, st.just({})),
    st.builds(flow, here, near, near_ports, st.just({})),
    st.lists(confined, max_size=3),
)


@st.composite
def policies(
    draw: st.DrawFn, flows: st.SearchStrategy[list[dict[str, Any]]], clusters: Iterable[list[str]]
) -> GuardPolicy:
    """Return the policy of some flows, in a cluster with two environments; it may be invalid."""
    return GuardPolicy.model_validate(
        {
            "apiVersion": "catflap.dev/v1",
            "kind": "GuardPolicy",
            "workloads": {"role": {"oneOf": ["frontend", "backend"]}},
            "namespaces": {"environment": {"oneOf": ["production", "test"]}},
            "network": {
                "dns": "none",
                "flows": draw(flows),
                "presets": draw(st.lists(st.sampled_from(["istio-ambient", "linkerd", "istio"]), unique=True)),
                "clusterCIDRs": draw(st.sampled_from(list(clusters))),
            },
        }
    )


any_policy = policies(
    st.lists(between_pods | with_networks, max_size=5),
    [[], CLUSTER, ["10.0.0.0/8"], ["10.0.1.0/24", "fd00::3:0/112"], ["0.0.0.0/1", "128.0.0.0/1"]],
)


@LAW
@given(any_policy)
def test_each_engine_opens_what_the_flows_mean(policy: GuardPolicy) -> None:
    """This is tried at either end of every connection, and around the limits of every range of ports."""
    tried = probes(policy)
    written = {engine: policies_of(policy, engine) for engine in PolicyEngine}
    for side in sides():
        wanted = list(map(meant(policy, side), tried))
        for engine, policies in written.items():
            assert list(map(open_at(policies, side), tried)) == wanted, (engine, side)


@LAW
@given(policies(by_addresses, [CLUSTER]))
def test_no_accepted_policy_leads_from_one_environment_into_another(policy: GuardPolicy) -> None:
    """Only a flow with namespaces connects them: not a flow with a role, and not one with addresses."""
    if any(contradictions(policy)):
        return
    tried = probes(policy)
    written = policies_of(policy, PolicyEngine.KUBERNETES)
    for source, target in product(PODS, PODS):
        if not (source.space and target.space and source.space.managed and target.space.managed):
            continue
        if source.space.environment == target.space.environment:
            continue
        for leaves, arrives in zip(source.addresses, target.addresses, strict=True):
            goes_out = open_at(written, Side(source, "Egress", target, arrives))
            comes_in = open_at(written, Side(target, "Ingress", source, leaves))
            assert not [probe for probe in tried if goes_out(probe) and comes_in(probe)], (source, target)


def without_empty_lists(value: Any) -> bool:
    """Return whether a value has no empty list at any depth."""
    if isinstance(value, dict):
        return all(map(without_empty_lists, value.values()))
    return not isinstance(value, list) or (bool(value) and all(map(without_empty_lists, value)))


@LAW
@given(any_policy, st.sampled_from(SPACES))
def test_calico_takes_what_flows_become(policy: GuardPolicy, space: Space) -> None:
    """No policy has an empty list, which would match every peer."""
    birth = RenderTarget(space.name, "", "", space.environment)
    for manifest in render_namespace(policy, birth, PolicyEngine.CALICO):
        assert complaints(manifest) == []
    for engine in PolicyEngine:
        for manifest in render_namespace(policy, birth, engine):
            assert without_empty_lists(manifest["spec"])


@LAW
@given(
    st.sampled_from(Direction),
    st.lists(st.tuples(st.sampled_from(["TCP", "UDP", "SCTP"]), st.integers(1, 400)), min_size=1, max_size=200),
    st.lists(networks, min_size=1, max_size=20, unique=True),
    st.integers(0, 600),
)
@example(Direction.INGRESS, [("TCP", number % 101 + 1) for number in range(1, 202, 2)], ["::/0"], 513)
@example(Direction.EGRESS, [("UDP", number) for number in (*range(50, 0, -1), 1)], ["0.0.0.0/0"], 256)
def test_a_split_loses_neither_ports_nor_networks(
    direction: Direction, ports: list[tuple[str, int]], cidrs: list[str], more: int
) -> None:
    """Each network has each port once, in rules within Calico's limits."""
    many = tuple(dict.fromkeys((*cidrs, *(f"203.{number >> 8}.{number & 255}.0/24" for number in range(more)))))
    openings = tuple(PortRange(protocol, number, number + number % 3) for protocol, number in ports)
    end = "source" if direction is Direction.INGRESS else "destination"
    found: Counter[tuple[str, str, object]] = Counter()
    for rule in allow_rules(Allow(direction, Networks(many), openings)):
        nets, numbers = rule[end]["nets"], rule["destination"]["ports"]
        assert 1 <= len(nets) <= MOST_NETS
        assert 1 <= len(numbers) <= MOST_PORTS
        assert len({ip_network(net).version for net in nets}) == 1
        found.update(product(nets, [rule["protocol"]], map(str, numbers)))
    wanted = {(protocol, f"{first}:{last}" if last > first else f"{first}") for protocol, first, last in openings}
    assert found == Counter((net, *port) for net, port in product(many, wanted))
