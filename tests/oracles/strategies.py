"""Towns and policy files to try the engines on: few names, so that most of them have to do with each other."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, Final

from hypothesis import strategies as st

from tests.oracles.policy_model import NAME_SERVERS, PRESETS
from tests.oracles.sample_topology import Pod, Space, Topology
from webhook.netpol.dns import DetectedDns

ROLES: Final = ("frontend", "backend", "data")
SPACES: Final = ("shop", "billing", "bank", "007")
ENVIRONMENTS: Final = ("production", "test")
ENVIRONMENT_LABELS: Final = ("environment", "example.com/stage")
ROLE_LABELS: Final = ("role", "app.kubernetes.io/component")
KUBE_SYSTEM: Final = Space("kube-system")
KUBE_DNS: Final = Pod("kube-system", "dns", {"k8s-app": "kube-dns"})
# Pods that presets and name servers select, in other namespaces.
SYSTEM_PODS: Final = (
    Pod("istio-system", "istiod", {"app": "istiod"}),
    Pod("linkerd", "destination", {"linkerd.io/control-plane-component": "destination"}),
    Pod("linkerd", "identity", {"linkerd.io/control-plane-component": "identity"}),
    Pod("monitoring", "prometheus", {"app.kubernetes.io/name": "prometheus"}),
    Pod("openshift-dns", "dns", {"dns.operator.openshift.io/daemonset-dns": "default"}),
    Pod("osm-system", "osm", {"app": "osm-controller"}),
)
NETWORKS: Final = ("0.0.0.0/0", "10.0.0.0/8", "10.96.0.0/12", "203.0.113.0/24", "::/0", "fd00::/8", "2001:db8::/32")

networks = st.sampled_from(NETWORKS) | st.ip_addresses().flatmap(
    lambda address: st.integers(0, address.max_prefixlen).map(
        lambda length: str(ip_network(f"{address}/{length}", strict=False))
    )
)
numbers = st.sampled_from([1, 53, 80, 443, 5432, 8080, 65535]) | st.integers(1, 65535)
wide = st.tuples(numbers, numbers).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
narrow = st.integers(1, 65534).map(lambda number: f"{number}-{number + 1}")
ports = st.lists(
    st.builds("{}/{}".format, numbers | wide | narrow, st.sampled_from(["TCP", "UDP", "SCTP"])),
    min_size=1,
    max_size=3,
    unique=True,
)
some_spaces = st.lists(st.sampled_from((*SPACES, "kube-system", "monitoring")), min_size=1, max_size=3, unique=True)
roles = st.sampled_from(ROLES)
pod_ends = (
    roles
    | st.fixed_dictionaries({"namespaces": some_spaces})
    | st.fixed_dictionaries({"role": roles, "namespaces": some_spaces})
    | roles.map(lambda role: {"role": role})
)
some_networks = st.lists(networks, min_size=1, max_size=3, unique=True)
address_ends = st.just("outside") | st.fixed_dictionaries({"cidrs": some_networks})

name_servers = st.fixed_dictionaries(
    {
        "namespaceLabels": st.sampled_from([{"kubernetes.io/metadata.name": "kube-system"}, {"environment": "test"}]),
        "podLabels": st.sampled_from([{"k8s-app": "kube-dns"}, {"role": "backend"}, {"role": "data", "k8s-app": "x"}]),
    },
    optional={"ports": ports},
) | st.fixed_dictionaries({"cidrs": some_networks}, optional={"ports": ports})


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Generate kube-system and some namespaces in few environments, most of them managed, with Pods of some roles.

    Two labels can be the environment label, and two can be the role label; their values are independent.
    """
    spaces, pods = [KUBE_SYSTEM], [KUBE_DNS]
    for pod in draw(st.lists(st.sampled_from(SYSTEM_PODS), max_size=2, unique_by=lambda pod: pod.space)):
        spaces.append(Space(pod.space))
        pods.append(pod)
    environments = draw(st.lists(st.sampled_from((*ENVIRONMENTS, "staging", None)), min_size=1, max_size=2))
    for name in draw(st.lists(st.sampled_from(SPACES), min_size=2, max_size=3, unique=True)):
        stamps = {"catflap.dev/guard": draw(st.sampled_from(["enabled"] * 5 + ["disabled", None]))}
        stamps |= {label: draw(st.sampled_from(environments)) for label in ENVIRONMENT_LABELS}
        spaces.append(Space(name, without_none(stamps)))
        for number in range(draw(st.integers(2, 4))):
            given = {label: draw(st.sampled_from((*ROLES, "other", None))) for label in ROLE_LABELS}
            pods.append(Pod(name, f"pod-{number}", without_none(given)))
    return Topology(tuple(spaces), tuple(pods))


def without_none(labels: Mapping[str, str | None]) -> dict[str, str]:
    """Return the labels that have a value."""
    return {key: value for key, value in labels.items() if value is not None}


@st.composite
def flows(draw: st.DrawFn, *, environments: bool) -> dict[str, Any]:
    """Generate one flow; half of the flows are between Pods. `across` needs environments and Pods at both ends."""
    between_pods = draw(st.booleans())
    other = pod_ends if between_pods else address_ends
    ends = draw(st.tuples(pod_ends, other) | st.tuples(other, pod_ends))
    across = {"across": "environment"} if environments and between_pods and draw(st.booleans()) else {}
    return {"from": ends[0], "to": ends[1], "ports": draw(ports), **across}


clusters = st.builds(
    lambda preset, addresses: DetectedDns(preset, tuple(addresses)),
    st.sampled_from(sorted(NAME_SERVERS)),
    st.lists(
        st.sampled_from(["10.96.0.10", "fd00:10:96::a", "169.254.20.10", "169.254.25.10"]), max_size=3, unique=True
    ),
)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Generate a policy file with flows; catflap refuses some of them, for example a file whose cluster has all addresses."""
    environments = draw(st.sampled_from([(), ENVIRONMENTS, ENVIRONMENTS]))
    presets = draw(st.lists(st.sampled_from(PRESETS), max_size=2, unique=True))
    network = {
        "dns": draw(st.sampled_from(["auto", *sorted(NAME_SERVERS)]) | st.lists(name_servers, max_size=3)),
        "presets": presets,
        "nodeCIDRs": draw(some_networks) if "kubelet-probes" in presets else [],
        "clusterCIDRs": draw(st.lists(networks, max_size=3, unique=True)),
        "flows": draw(st.lists(flows(environments=bool(environments)), min_size=1, max_size=5)),
    }
    return {
        "network": network,
        "namespaces": {
            "environment": {"label": draw(st.sampled_from(ENVIRONMENT_LABELS)), "oneOf": list(environments)}
        },
        "workloads": {"role": {"label": draw(st.sampled_from(ROLE_LABELS)), "aliases": []}},
    }
