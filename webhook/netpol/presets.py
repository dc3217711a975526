"""What stays open for what else runs in a cluster: meshes, scrapers, probes.

The numbers are the projects' own: https://istio.io/latest/docs/ops/deployment/application-requirements/,
https://istio.io/latest/docs/ambient/usage/networkpolicy/, https://linkerd.io/2/common-errors/network-policy/,
https://github.com/prometheus/prometheus/wiki/Default-port-allocations.
"""

from collections.abc import Iterator, Mapping

from webhook.model.fields import PortRange
from webhook.model.names import ALLOW_PREFIX, NAMESPACE_NAME
from webhook.model.network import Flow, Network
from webhook.model.selector import labels
from webhook.model.traffic import Allow, Direction, Networks, Peer, Pods
from webhook.netpol.intent import Intent

ANY_TCP = PortRange("TCP", 1, 65535)
# Ambient's ztunnels speak HBONE with each other, whatever port the application has.
HBONE = PortRange("TCP", 15008, 15008)
# Between meshed Pods, Linkerd's proxy is what is connected to.
LINKERD_INBOUND = PortRange("TCP", 4143, 4143)
# Where a kubelet's probe seems to come from in ambient mode.
AMBIENT_PROBES = Networks(("169.254.7.127/32",))
# Prometheus itself has 9090, its exporters what follows.
EXPORTERS = PortRange("TCP", 9090, 9999)
# Merged metrics of Istio's agent, those of its Envoy, those of Linkerd's proxy.
MESH_METRICS = tuple(PortRange("TCP", number, number) for number in (15020, 15090, 4191))

# Between Pods, beside the ports of a flow: what a mesh connects to instead.
MESH_PORTS: Mapping[str, PortRange] = {"istio-ambient": HBONE, "linkerd": LINKERD_INBOUND}


def pods(namespace: str, key: str, value: str) -> Pods:
    """Pods of a namespace by a label."""
    return Pods(labels({key: value}), labels({NAMESPACE_NAME: namespace}))


def tcp(*numbers: int) -> tuple[PortRange, ...]:
    """Single TCP ports."""
    return tuple(PortRange("TCP", number, number) for number in numbers)


def allow_to(peer: Peer, ports: tuple[PortRange, ...]) -> Allow:
    """What Pods may connect to."""
    return Allow(Direction.EGRESS, peer, ports)


def allow_from(peer: Peer, ports: tuple[PortRange, ...]) -> Allow:
    """Who may connect to Pods."""
    return Allow(Direction.INGRESS, peer, ports)


# istiod gives configuration and certificates on 15012; its plaintext port 15010 stays closed.
ISTIOD = tuple(allow_to(pods(space, "app", "istiod"), tcp(15012)) for space in ("istio-system", "aks-istio-system"))
# The add-on of AKS lives in kube-system; both give configuration (ADS) on 15128.
OSM = tuple(allow_to(pods(space, "app", "osm-controller"), tcp(15128)) for space in ("kube-system", "osm-system"))
LINKERD_COMPONENT = "linkerd.io/control-plane-component"
# The policy controller, on 8090, is part of destination.
LINKERD = (
    allow_to(pods("linkerd", LINKERD_COMPONENT, "destination"), tcp(8086, 8090)),
    allow_to(pods("linkerd", LINKERD_COMPONENT, "identity"), tcp(8080)),
)
# As kube-prometheus installs it.
SCRAPER = allow_from(pods("monitoring", "app.kubernetes.io/name", "prometheus"), (EXPORTERS, *MESH_METRICS))

PRESET_ALLOWS: Mapping[str, tuple[Allow, ...]] = {
    "istio": ISTIOD,
    "istio-ambient": (allow_from(AMBIENT_PROBES, (ANY_TCP,)),),
    "linkerd": LINKERD,
    "osm": OSM,
    "prometheus": (SCRAPER,),
}


def preset_intents(network: Network) -> Iterator[Intent]:
    """One policy a preset, for every Pod of the namespace.

    `kubelet-probes` opens the nodes' networks: only for engines that close a Pod to its own node, which neither
    Calico nor Kubernetes' own definition of NetworkPolicy does.
    """
    for preset in network.presets:
        allows = PRESET_ALLOWS.get(preset) or (allow_from(Networks(network.node_cidrs), (ANY_TCP,)),)
        directions = tuple(dict.fromkeys(allow.direction for allow in allows))
        yield Intent(f"{ALLOW_PREFIX}{preset}", directions, allows)


def mesh_ports(flow: Flow, network: Network) -> tuple[PortRange, ...]:
    """What stays open between the two Pods of a flow, beside its own ports; meshes carry nothing but TCP."""
    if all(one.protocol != "TCP" for one in flow.port_ranges):
        return ()
    return tuple(MESH_PORTS[preset] for preset in network.presets if preset in MESH_PORTS)
