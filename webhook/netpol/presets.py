"""Presets: the traffic that service meshes, metrics scrapers and probes need.

The port numbers are the projects' own: https://istio.io/latest/docs/ops/deployment/application-requirements/,
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
# The ztunnels of ambient mode connect by HBONE, whatever port the application has.
HBONE = PortRange("TCP", 15008, 15008)
# Between meshed Pods, connections go to Linkerd's proxy.
LINKERD_INBOUND = PortRange("TCP", 4143, 4143)
# The source address of a kubelet's probe in ambient mode.
AMBIENT_PROBES = Networks(("169.254.7.127/32",))
# Prometheus itself has 9090, its exporters have the ports above.
EXPORTERS = PortRange("TCP", 9090, 9999)
# The merged metrics of Istio's agent, the metrics of its Envoy, and those of Linkerd's proxy.
MESH_METRICS = tuple(PortRange("TCP", number, number) for number in (15020, 15090, 4191))

# The ports to which a mesh connects between Pods, in place of the ports of a flow.
MESH_PORTS: Mapping[str, PortRange] = {"istio-ambient": HBONE, "linkerd": LINKERD_INBOUND}


def pods(namespace: str, key: str, value: str) -> Pods:
    """Return the Pods of a namespace with a label."""
    return Pods(labels({key: value}), labels({NAMESPACE_NAME: namespace}))


def tcp(*numbers: int) -> tuple[PortRange, ...]:
    """Return single TCP ports."""
    return tuple(PortRange("TCP", number, number) for number in numbers)


def allow_to(peer: Peer, ports: tuple[PortRange, ...]) -> Allow:
    """Allow connections from the Pods to a peer."""
    return Allow(Direction.EGRESS, peer, ports)


def allow_from(peer: Peer, ports: tuple[PortRange, ...]) -> Allow:
    """Allow connections from a peer to the Pods."""
    return Allow(Direction.INGRESS, peer, ports)


# istiod serves configuration and certificates on 15012; its plaintext port 15010 is not allowed.
ISTIOD = tuple(allow_to(pods(space, "app", "istiod"), tcp(15012)) for space in ("istio-system", "aks-istio-system"))
# The add-on of AKS runs in kube-system; both serve configuration (ADS) on 15128.
OSM = tuple(allow_to(pods(space, "app", "osm-controller"), tcp(15128)) for space in ("kube-system", "osm-system"))
LINKERD_COMPONENT = "linkerd.io/control-plane-component"
# The policy controller, on 8090, is part of destination.
LINKERD = (
    allow_to(pods("linkerd", LINKERD_COMPONENT, "destination"), tcp(8086, 8090)),
    allow_to(pods("linkerd", LINKERD_COMPONENT, "identity"), tcp(8080)),
)
# The labels of kube-prometheus.
SCRAPER = allow_from(pods("monitoring", "app.kubernetes.io/name", "prometheus"), (EXPORTERS, *MESH_METRICS))

KUBELET_PROBES = "kubelet-probes"
PRESET_ALLOWS: Mapping[str, tuple[Allow, ...]] = {
    "istio": ISTIOD,
    "istio-ambient": (allow_from(AMBIENT_PROBES, (ANY_TCP,)),),
    "linkerd": LINKERD,
    "osm": OSM,
    "prometheus": (SCRAPER,),
}


def preset_intents(network: Network) -> Iterator[Intent]:
    """Yield one policy per preset, for every Pod of the namespace.

    KUBELET_PROBES allows the nodes' networks. Only engines that isolate a Pod from its own node need it; neither
    Calico nor Kubernetes' own definition of NetworkPolicy does so.
    """
    for preset in network.presets:
        allows = node_allows(network) if preset == KUBELET_PROBES else PRESET_ALLOWS[preset]
        directions = tuple(dict.fromkeys(allow.direction for allow in allows))
        yield Intent(f"{ALLOW_PREFIX}{preset}", directions, allows)


def node_allows(network: Network) -> tuple[Allow, ...]:
    """Return the connections that the preset `kubelet-probes` allows."""
    return (allow_from(Networks(network.node_cidrs), (ANY_TCP,)),)


def mesh_ports(flow: Flow, network: Network) -> tuple[PortRange, ...]:
    """Return the ports that a mesh needs between the two Pods of a flow, in addition to the flow's own; meshes transport only TCP."""
    if all(one.protocol != "TCP" for one in flow.port_ranges):
        return ()
    return tuple(MESH_PORTS[preset] for preset in network.presets if preset in MESH_PORTS)
