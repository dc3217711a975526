"""Read Calico's policies and tiers (projectcalico.org/v3, api/pkg/apis/projectcalico/v3).

Allow opens. So does Pass in the tier `default`, because the profiles after it allow (libcalico-go, conversion).
Deny and Log open nothing. Pass in another tier leads to the tier `default`, in which namespaces are isolated.
"""

from collections.abc import Iterator

from webhook.model.addresses import EVERY_ADDRESS, Addresses, addresses
from webhook.model.counting import counted
from webhook.model.fields import HIGHEST_PORT, PortRange
from webhook.model.names import CALICO_NAMESPACE
from webhook.model.opening import EVERYBODY, Grammar, Opening, Peers, Selected
from webhook.model.ports import NamedPort, ports
from webhook.model.selector import (
    EVERYTHING,
    AllOf,
    Equals,
    Global,
    Has,
    Not,
    OneOf,
    Selector,
    both,
    conjuncts,
    renamed,
)
from webhook.model.traffic import Direction
from webhook.netpol.calico import TIER
from webhook.netpol.reading.calico_types import (
    CalicoPolicy,
    CalicoRule,
    CalicoSpec,
    Dialect,
    EntityRule,
    NetworkSet,
    ServiceAccountMatch,
    Tier,
)
from webhook.netpol.reading.domains import domains
from webhook.netpol.reading.error_paths import UnreadableParts, prefix_errors
from webhook.netpol.reading.limits import check_size
from webhook.netpol.reading.selectors import parse

# By name or by number (IANA, protocol-numbers); Calico takes any case of letters where it stores objects.
WITH_PORTS = {
    "tcp": "TCP", "6": "TCP", "udp": "UDP", "17": "UDP", "sctp": "SCTP", "132": "SCTP", "udplite": "UDPLite",
    "136": "UDPLite",
}  # fmt: skip
SERVICE_ACCOUNT = "projectcalico.org/serviceaccount"
ACCOUNT_PREFIX = "pcsa."  # of a ServiceAccount's labels among those of its Pods (libcalico-go, k8s/conversion)
ACTIONS = ("Allow", "Deny", "Log", "Pass")
LONGEST_PORT = 63
# Labels that mark host endpoints: those of Calico's own examples and of the endpoints that it makes for nodes.
HOST_LABELS = ("host-endpoint", "kubernetes-host", "projectcalico.org/created-by")
HOST_PREFIX = "node-role.kubernetes.io/"


def openings(found: CalicoPolicy, dialect: Dialect) -> tuple[Opening, ...]:
    """Return the openings of a NetworkPolicy; raises ValueError."""
    return tuple(read_spec(found.spec, dialect, nearby=None))


def global_openings(found: CalicoPolicy, dialect: Dialect) -> tuple[Opening, ...]:
    """Return the openings of a GlobalNetworkPolicy, in which a selector alone selects Pods of every namespace."""
    return tuple(read_spec(found.spec, dialect, nearby=EVERYTHING))


def tier_openings(tier: Tier, dialect: Dialect) -> tuple[Opening, ...]:
    """Return the openings of a tier: everything without a rule, if it is the tier `default` and its default action is Pass."""
    action = dialect.word(tier.spec.default_action, ("Deny", "Pass"), "spec.defaultAction")
    if (tier.metadata.name, action) != (TIER, "Pass"):
        return ()
    everywhere = Selected(EVERYTHING, EVERYTHING)
    return tuple(
        Opening("spec.defaultAction", direction, everywhere, EVERYBODY, grammar=Grammar.CALICO)
        for direction in Direction
    )


def set_networks(found: NetworkSet) -> Addresses:
    """Return the addresses of a network set; raises ValueError."""
    nets = found.spec.nets or ()
    check_size([len(nets)])
    with prefix_errors("spec.nets"):
        return addresses(nets)


def read_spec(spec: CalicoSpec, dialect: Dialect, *, nearby: Selector | None) -> Iterator[Opening]:
    """Yield the openings of a spec; `nearby` is where a rule's Pods are that says nothing of namespaces."""
    check_size(spec.parts())
    types = {dialect.word(one, tuple(Direction), f"spec.types[{at}]") for at, one in enumerate(spec.types or ())}
    found = subject(spec, nearby)
    letting = {"Allow", "Pass"} if spec.tier in {TIER, ""} else {"Allow"}
    unread = UnreadableParts()
    for direction, rules in ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress)):
        for number, rule in enumerate(rules or ()):
            path = f"spec.{direction.lower()}[{number}]"
            with unread.collect_errors():
                is_allowed = dialect.word(rule.action, ACTIONS, f"{path}.action") in letting
                if (
                    not is_allowed
                    or (nearby is not None and selects_hosts_only(spec, found))
                    or (types and direction not in types)
                ):
                    continue
                other = rule.source if direction is Direction.INGRESS else rule.destination
                with prefix_errors(path):
                    opening = Opening(
                        path, direction, found, peers(other, nearby), ports(ports_of(rule)), Grammar.CALICO
                    )
                yield opening
    unread.raise_collected()


def subject(spec: CalicoSpec, nearby: Selector | None) -> Selected:
    """Return the endpoints that a policy selects."""
    with prefix_errors("spec.serviceAccountSelector"):
        accounts = renamed(parse(spec.service_account_selector), ACCOUNT_PREFIX)
    with prefix_errors("spec.namespaceSelector"):
        namespaces = parse(spec.namespace_selector) if spec.namespace_selector and nearby is not None else nearby
    with prefix_errors("spec.selector"):
        return Selected(both(parse(spec.selector), accounts), namespaces)


def selects_hosts_only(spec: CalicoSpec, found: Selected) -> bool:
    """Return whether a cluster-wide policy is for host endpoints alone, which are not Pods.

    So are all that act before connection tracking (api/pkg/apis/projectcalico/v3/globalnetworkpolicy.go), and those that ask for a
    label of host endpoints. A namespace or a ServiceAccount is asked of Pods only, as a host endpoint has neither.
    """
    if spec.namespace_selector or spec.service_account_selector:
        return spec.pre_dnat or spec.do_not_track or Global() in conjuncts(found.namespaces or EVERYTHING)
    parts = tuple(conjuncts(found.labels))
    if spec.pre_dnat or spec.do_not_track or Not(Has(CALICO_NAMESPACE)) in parts:
        return True
    keys = [part.key for part in parts if isinstance(part, Has | Equals | OneOf)]
    return any(key in HOST_LABELS or key.startswith(HOST_PREFIX) for key in keys)


def peers(entity: EntityRule, nearby: Selector | None) -> Peers:
    """Return the peers of a rule; a rule without peers matches every peer."""
    accounts = entity.service_accounts or ServiceAccountMatch()
    selector = [parse(entity.selector)] if entity.selector else []
    if accounts.selector:
        selector.append(renamed(parse(accounts.selector), ACCOUNT_PREFIX))
    if accounts.names:
        selector.append(OneOf(SERVICE_ACCOUNT, tuple(accounts.names)))
    nets = networks(entity)
    # Any selector confines a rule to its policy's namespace, one that excludes too (rules.go, getEndpointSelector).
    if selector or entity.namespace_selector or (entity.not_selector and nearby is None):
        namespaces = parse(entity.namespace_selector) if entity.namespace_selector else nearby
        labels = EVERYTHING if not selector else selector[0] if len(selector) == 1 else AllOf(tuple(selector))
        return Peers(selected=(Selected(labels, namespaces, nets),))
    if entity.services and entity.services.name:
        return Peers(named=(f"the Service {entity.services.namespace[:63]}/{entity.services.name[:63]}",))
    named = domains(entity.domains or ())
    if entity.domains and (not named or nets is None):
        return Peers(named=(named,)) if named else EVERYBODY
    if nets is None:
        return EVERYBODY
    return Peers(networks=nets, written=describe_networks(entity), named=(named,) if named else ())


def networks(entity: EntityRule) -> Addresses | None:
    """Return the addresses that an entity's networks leave; None where it has none."""
    if not entity.nets and not entity.not_nets:
        return None
    return (addresses(entity.nets) if entity.nets else EVERY_ADDRESS) - addresses(entity.not_nets or ())


def describe_networks(entity: EntityRule) -> tuple[str, ...]:
    """Return an entity's networks in words."""
    if not entity.nets:
        return (f"every address but {counted(len(entity.not_nets or ()), 'network')}",)
    return (
        (*entity.nets, f"without {counted(len(entity.not_nets), 'network')}") if entity.not_nets else tuple(entity.nets)
    )


def ports_of(rule: CalicoRule) -> Iterator[PortRange | NamedPort]:
    """Yield a rule's ports; a protocol without ports is yielded alone.  Raises ValueError for text that is not a port."""
    given = "" if rule.protocol is None else str(rule.protocol)[:60]
    protocol = WITH_PORTS.get(given.lower(), "")
    if given and not protocol:
        yield PortRange(given, 0, 0)
        return
    for text in map(str, rule.destination.ports or ()):
        first, _, last = text.partition(":")
        if text.isascii() and first.isdecimal() and (last or first).isdecimal() and len(text) <= LONGEST_PORT:
            if int(first) > int(last or first):
                raise ValueError(f"the ports {text} have an end before the start")
            yield PortRange(protocol, int(first), int(last or first))
        elif ":" in text or len(text) > LONGEST_PORT:
            raise ValueError(f"{text[:60]!r} is not a port: 8080, '8000:8100' or the name of a port")
        else:
            yield NamedPort(protocol, text)
    if protocol and not rule.destination.ports:
        yield PortRange(protocol, 1, HIGHEST_PORT)
