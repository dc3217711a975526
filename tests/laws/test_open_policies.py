"""The result of `no-open-policy` depends on the meaning of a policy, not on its wording, its API or its size."""

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.connectivity_model import PODS, SPACES, STRANGERS, Policy, Rule, Side, is_meant, is_on, read_kubernetes
from tests.laws.strategies import LAW
from tests.laws.test_flows import near, some_ports
from webhook.admission.judge import judge
from webhook.model.policy import GuardPolicy
from webhook.model.request import PolicyObject
from webhook.model.selector import AllOf, Equals, Has, Not, OneOf, Selector, printed
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace
from webhook.review.manifests import read

Json = dict[str, Any]

RULE: Final = "no-open-policy"
PLAIN: Final = "networking.k8s.io/v1"
V3: Final = "projectcalico.org/v3"
STORED: Final = "crd.projectcalico.org/v1"
POLICY_API: Final = "policy.networking.k8s.io/"
ENVIRONMENTS: Final = {"label": "environment", "oneOf": ["production", "test"]}


def policy(**more: Any) -> GuardPolicy:
    """Return a policy file."""
    return GuardPolicy.model_validate(
        {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", "rules": {RULE: "enforce"}, **more}, strict=False
    )


FILE: Final = policy(namespaces={"environment": ENVIRONMENTS})


def faults(manifest: Json, file: GuardPolicy = FILE) -> list[str]:
    """Return the violations of an object in namespace shop under the rule."""
    found = read(manifest, default_namespace="shop").policy
    assert isinstance(found, PolicyObject)
    return [one.message for one in judge(found, file) if one.rule == RULE]


keys = st.sampled_from(["catflap.dev/guard", "kubernetes.io/metadata.name", "environment", "team", "k8s-app"])
values = st.sampled_from(["enabled", "shop", "production", "test", "kube-dns", "a"])
parts: st.SearchStrategy[Selector] = (
    st.builds(Equals, keys, values)
    | st.builds(OneOf, keys, st.lists(values, min_size=1, max_size=3, unique=True).map(tuple))
    | st.builds(Has, keys)
    | st.builds(Equals, keys, values).map(Not)
    | st.builds(Has, keys).map(Not)
)
selectors = st.lists(parts, max_size=2).map(tuple)
CIDRS: Final = (
    "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "64.0.0.0/2", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
    "203.0.113.0/24", "::/0", "2000::/3", "2600::/12", "fd00::/8", "64:ff9b::/96",
)  # fmt: skip
pods_peers = st.tuples(st.none() | selectors, selectors)
peers = pods_peers | st.sampled_from(CIDRS) | st.tuples(st.sampled_from(CIDRS), st.sampled_from(CIDRS))
ports = st.sampled_from([(53, "UDP"), (53, "TCP"), (443, "TCP"), (5353, "UDP")])
directions = st.sampled_from(["ingress", "egress"])
rules = st.tuples(st.lists(peers, max_size=3), st.lists(ports, max_size=2, unique=True))


def kubernetes_selector(found: tuple[Selector, ...]) -> Json:
    """Return requirements as a LabelSelector."""
    operators = {Equals: "In", OneOf: "In", Has: "Exists"}
    entries = []
    for one in found:
        bare = one.part if isinstance(one, Not) else one
        assert isinstance(bare, Equals | OneOf | Has)
        operator = operators[type(bare)]
        if isinstance(one, Not):
            operator = {"In": "NotIn", "Exists": "DoesNotExist"}[operator]
        wanted = () if isinstance(bare, Has) else bare.values if isinstance(bare, OneOf) else (bare.value,)
        entries.append({"key": bare.key, "operator": operator, **({"values": list(wanted)} if wanted else {})})
    return {"matchExpressions": entries}


def kubernetes_peer(found: Any) -> Json:
    """Generate a peer of a NetworkPolicy: a network, a network with an exception, or Pods."""
    if isinstance(found, str):
        return {"ipBlock": {"cidr": found}}
    if isinstance(found[0], str):
        return {"ipBlock": {"cidr": found[0], "except": [found[1]]}}
    spaces, labels = found
    selector = {} if spaces is None else {"namespaceSelector": kubernetes_selector(spaces)}
    return {"podSelector": kubernetes_selector(labels), **selector}


def plain(direction: str, found: list[Any]) -> Json:
    """Return a NetworkPolicy with these rules."""
    key = "from" if direction == "ingress" else "to"
    written = [
        {
            **({key: [kubernetes_peer(one) for one in some]} if some else {}),
            **({"ports": [{"port": port, "protocol": protocol} for port, protocol in numbers]} if numbers else {}),
        }
        for some, numbers in found
    ]
    spec = {"podSelector": {}, "policyTypes": [direction.title()], direction: written}
    return {"apiVersion": PLAIN, "kind": "NetworkPolicy", "metadata": {"name": "a"}, "spec": spec}


def calico_peer(found: Any) -> Json:
    """Return the same peer for Calico."""
    if isinstance(found, str):
        return {"nets": [found]}
    if isinstance(found[0], str):
        return {"nets": [found[0]], "notNets": [found[1]]}
    spaces, labels = found
    selector = {} if spaces is None else {"namespaceSelector": printed(AllOf(spaces))}
    return {"selector": printed(AllOf(labels)), **selector}


def calico(direction: str, found: list[Any], version: str, allow: str, kind: str = "NetworkPolicy") -> Json:
    """Return the same policy for Calico, with one rule per peer and port: its rules have one protocol, and combine fields by `and`."""
    end = "source" if direction == "ingress" else "destination"
    written = []
    for some, numbers in found:
        for one in some or [None]:
            for port in numbers or [None]:
                entity = {} if one is None else calico_peer(one)
                rule: Json = {"action": allow, end: entity}
                if port is not None:
                    rule["protocol"] = port[1]
                    rule["destination"] = {**rule.get("destination", {}), "ports": [port[0]]}
                written.append(rule)
    spec = {"selector": "all()", "types": [direction if allow.islower() else direction.title()], direction: written}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


@LAW
@given(directions, st.lists(rules, min_size=1, max_size=3))
def test_a_policy_is_judged_alike_in_each_grammar(direction: str, found: list[Any]) -> None:
    """The policy is one of Kubernetes, of Calico's API, and of Calico's storage API with other letter case."""
    verdict = bool(faults(plain(direction, found)))
    assert bool(faults(calico(direction, found, V3, "Allow"))) is verdict
    assert bool(faults(calico(direction, found, STORED, "allow"))) is verdict


ROLES: Final[tuple[tuple[Selector, ...], ...]] = (
    (),
    (Equals("role", "frontend"),),
    (OneOf("role", ("frontend", "backend")),),
    (Equals("role", "backend"), Has("app")),
    (Not(Equals("role", "backend")),),
)
NAMED: Final[tuple[tuple[Selector, ...] | None, ...]] = (
    None,
    (Equals("kubernetes.io/metadata.name", "shop"),),
    (OneOf("kubernetes.io/metadata.name", ("shop", "web")),),
    (Equals("catflap.dev/guard", "enabled"),),
)
FLOWING: Final = policy(
    network={
        "clusterCIDRs": ["10.0.0.0/8"],
        "flows": [
            {"from": "frontend", "to": "backend", "ports": ["443/TCP"]},
            {"from": {"namespaces": ["shop", "web"]}, "to": "backend", "ports": ["53/UDP"]},
            {"from": "outside", "to": "backend", "ports": ["443/TCP", "53/TCP"]},
            {"from": "backend", "to": {"cidrs": ["203.0.113.0/24"]}, "ports": ["443/TCP"]},
            {"from": "backend", "to": "frontend", "ports": ["53/TCP"]},
        ],
    },
    workloads={"role": {"oneOf": ["frontend", "backend"]}},
)
role_peers = st.tuples(st.sampled_from(NAMED), st.sampled_from(ROLES))
some_nets = st.sampled_from(["203.0.113.0/25", "198.51.100.0/24", "10.1.0.0/16"])
role_rules = st.tuples(
    st.lists(role_peers | some_nets, min_size=1, max_size=2), st.lists(ports, min_size=1, max_size=1)
)


@LAW
@given(directions, st.lists(role_rules, min_size=1, max_size=2))
def test_flows_reach_the_same_in_each_grammar(direction: str, found: list[Any]) -> None:
    """The policy selects the Pods of a role."""
    in_words = plain(direction, found)
    in_words["spec"]["podSelector"] = {"matchLabels": {"role": "backend"}}
    verdict = bool(faults(in_words, FLOWING))
    for version, allow in ((V3, "Allow"), (STORED, "allow")):
        in_calicos = calico(direction, found, version, allow)
        in_calicos["spec"]["selector"] = "role == 'backend'"
        assert bool(faults(in_calicos, FLOWING)) is verdict


@LAW
@given(
    directions, st.lists(st.tuples(st.lists(pods_peers, min_size=1, max_size=3), st.just([])), min_size=1, max_size=3)
)
def test_a_cluster_wide_policy_is_judged_alike_in_each_grammar(direction: str, found: list[Any]) -> None:
    """The versions of the policy API before and after its change, and Calico, give the same result."""
    found = [([(spaces or (), labels) for spaces, labels in some], numbers) for some, numbers in found]
    verdict = bool(faults(calico(direction, found, V3, "Allow", "GlobalNetworkPolicy")))
    for version, kind, action in (
        ("v1alpha1", "AdminNetworkPolicy", "Allow"),
        ("v1alpha2", "ClusterNetworkPolicy", "Accept"),
    ):
        key = "from" if direction == "ingress" else "to"
        written = [
            {
                "action": action,
                key: [
                    {"pods": {"namespaceSelector": kubernetes_selector(one), "podSelector": kubernetes_selector(other)}}
                    for one, other in some
                ],
            }
            for some, _ in found
        ]
        spec = {"priority": 1, "tier": "Admin", "subject": {"namespaces": {}}, direction: written}
        manifest = {"apiVersion": f"{POLICY_API}{version}", "kind": kind, "metadata": {"name": "a"}, "spec": spec}
        assert bool(faults(manifest)) is verdict


@LAW
@given(directions, st.lists(rules, min_size=1, max_size=3), peers, rules, ports)
def test_whatever_is_added_opens_no_less(direction: str, found: list[Any], peer: Any, rule: Any, port: Any) -> None:
    """With an additional peer, port or rule, a violation stays a violation."""
    if not faults(plain(direction, found)):
        return
    assert faults(plain(direction, [*found, rule]))
    for at, (some, numbers) in enumerate(found):
        more = [(([*some, peer] if some else some), numbers), (some, ([*numbers, port] if numbers else numbers))]
        for one in more:
            assert faults(plain(direction, [*found[:at], one, *found[at + 1 :]]))


ROLE_PEERS: Final = (
    {"podSelector": {"matchLabels": {"role": "frontend"}}},
    {"podSelector": {"matchLabels": {"role": "backend"}}},
    {"podSelector": {"matchExpressions": [{"key": "role", "operator": "In", "values": ["frontend", "backend"]}]}},
    {"podSelector": {}},
    {
        "podSelector": {"matchLabels": {"role": "frontend"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
    },
    {
        "podSelector": {"matchLabels": {"role": "backend"}},
        "namespaceSelector": {
            "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["web", "shop"]}]
        },
    },
    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}},
    {
        "podSelector": {"matchLabels": {"role": "frontend"}},
        "namespaceSelector": {"matchLabels": {"catflap.dev/guard": "enabled"}},
    },
    *(
        {"ipBlock": {"cidr": cidr}}
        for cidr in ("10.0.1.0/24", "10.0.3.1/32", "192.0.2.0/24", "10.0.0.0/8", "fd00::3:0/112", "2001:db8::/32")
    ),
)
ends = st.sampled_from(["frontend", "backend"]) | st.sampled_from(
    [{"namespaces": ["shop"]}, {"namespaces": ["web", "shop"]}, {"role": "frontend", "namespaces": ["shop", "web"]}]
)
flows = st.builds(
    lambda source, to, numbers: {"from": source, "to": to, "ports": numbers}, ends | near, ends, some_ports
) | st.builds(lambda source, to, numbers: {"from": source, "to": to, "ports": numbers}, ends, ends | near, some_ports)
files = st.builds(
    lambda wanted, known: policy(
        network={"flows": wanted, **({"clusterCIDRs": ["10.0.0.0/8", "fd00::/8"]} if known else {})},
        workloads={"role": {"oneOf": ["frontend", "backend"]}},
    ),
    st.lists(flows, min_size=1, max_size=4),
    st.booleans(),
)
SUBJECTS: Final[tuple[Json, ...]] = ({}, {"matchLabels": {"role": "frontend"}}, {"matchLabels": {"role": "backend"}})


def rules_near(file: GuardPolicy) -> Iterator[Json]:
    """Yield policies of one rule for every peer of the flows, on the ports of each flow and around them."""
    numbers = {one for flow in file.network.flows for one in flow.port_ranges if one.protocol in {"TCP", "UDP"}}
    for direction, subject, peer, (protocol, first, last) in product(
        ("ingress", "egress"), SUBJECTS, ROLE_PEERS, numbers
    ):
        key = "from" if direction == "ingress" else "to"
        for end in (last, last + 1):
            rule = {key: [peer], "ports": [{"protocol": protocol, "port": first, "endPort": end}]}
            spec = {"podSelector": subject, "policyTypes": [direction.title()], direction: [rule]}
            metadata = {"name": "a", "namespace": "shop"}
            yield {"apiVersion": PLAIN, "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


@LAW
@given(files)
def test_what_passes_is_within_the_flows(file: GuardPolicy) -> None:
    """Every connection that a policy without violation allows is one of a flow; each Pod, address and port is tried."""
    for manifest in rules_near(file):
        if not faults(manifest, file):
            for side, opened in connections(read_kubernetes(manifest)):
                meant = [flow for flow in file.network.flows if is_meant(flow, file.network, side)]
                for probe in filter(opened.carries, PROBES):
                    assert any(is_on(flow, probe) for flow in meant)


PROBES: Final = tuple(
    (protocol, number) for protocol in ("TCP", "UDP") for number in (*range(1, 9), 4143, 15008, 65530)
)


def connections(found: Policy) -> Iterator[tuple[Side, Rule]]:
    """Yield every connection that a policy of namespace shop allows, without regard to ports."""
    own = next(one for one in PODS if one.space and one.space.name == "shop" and found.selects(one))
    for direction, rules in found.rules.items():
        for rule, peer in product(rules, (*PODS, *STRANGERS)):
            for address in peer.addresses:
                if rule.reaches(peer, address):
                    yield Side(own, direction, peer, address), rule


@LAW
@given(st.lists(flows, min_size=1, max_size=4), st.booleans(), st.sampled_from(list(PolicyEngine)))
def test_what_flows_become_has_no_fault(wanted: list[Json], known: bool, engine: PolicyEngine) -> None:
    """This holds in either engine, for every author of the policy."""
    network = {"flows": wanted, "dns": "node-local", **({"clusterCIDRs": ["10.0.0.0/8", "fd00::/8"]} if known else {})}
    file = policy(network=network, workloads={"role": {"oneOf": ["frontend", "backend"]}})
    for space in SPACES:
        if space.managed:
            for manifest in render_namespace(file, RenderTarget(space.name, "", ""), engine):
                found = read(manifest, default_namespace=space.name).policy
                assert found is not None
                assert [one.message for one in judge(found, file) if one.rule == RULE] == []
