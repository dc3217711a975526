"""Types of Calico's policies, tiers and network sets (api/pkg/apis/projectcalico/v3), without unused fields."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec
from msgspec import Struct

from webhook.model.kinds import CALICO, CALICO_STORAGE
from webhook.netpol.calico import TIER
from webhook.netpol.reading.limits import TERM_LENGTH


class Dialect(StrEnum):
    """The API group of an object.

    `projectcalico.org` validates each enum value. `crd.projectcalico.org`, in which Calico stores its objects, validates none, and
    Calico converts the values to lower case when it reads them (libcalico-go,
    lib/backend/syncersv1/updateprocessors: rules.go, networkpolicyprocessor.go).
    """

    API = CALICO
    STORAGE = CALICO_STORAGE

    def word(self, found: str, known: tuple[str, ...], path: str) -> str:
        """Return the known word that Calico reads at a path; raises ValueError for any other."""
        for one in known:
            if found == one or (self is Dialect.STORAGE and found.isascii() and found.lower() == one.lower()):
                return one
        hint = " The API schema rejects it, also in other letter case." if self is Dialect.API else ""
        raise ValueError(f"{path}: {found[:60]!r} is not one of {', '.join(known)}.{hint}")


class ServiceAccountMatch(Struct):
    """`serviceAccounts` of an entity."""

    names: list[str] | None = None
    selector: str = ""


class ServiceMatch(Struct):
    """`services` of an entity."""

    name: str = ""
    namespace: str = ""


class EntityRule(Struct, rename="camel"):
    """`source` or `destination` of a rule: a peer must match all of its fields."""

    nets: list[str] | None = None
    not_nets: list[str] | None = None
    selector: str = ""
    not_selector: str = ""
    namespace_selector: str = ""
    ports: list[int | str] | None = None
    services: ServiceMatch | None = None
    service_accounts: ServiceAccountMatch | None = None
    domains: list[str] | None = None

    @property
    def parts(self) -> int:
        """Return how many entries its lists have."""
        accounts = self.service_accounts or ServiceAccountMatch()
        lists = (self.nets, self.not_nets, self.ports, self.domains, accounts.names)
        texts = (self.selector, self.namespace_selector, accounts.selector)
        return sum(len(one) for one in lists if one) + sum(map(len, texts)) // TERM_LENGTH


class CalicoRule(Struct):
    """An entry of `ingress` or `egress`."""

    action: str
    protocol: int | str | None = None
    source: EntityRule = msgspec.field(default_factory=EntityRule)
    destination: EntityRule = msgspec.field(default_factory=EntityRule)


class CalicoSpec(Struct, rename={"pre_dnat": "preDNAT", "do_not_track": "doNotTrack",
                           "namespace_selector": "namespaceSelector",
                           "service_account_selector": "serviceAccountSelector"}):  # fmt: skip
    """The policy's `spec`."""

    tier: str = TIER
    selector: str = ""
    namespace_selector: str = ""
    service_account_selector: str = ""
    types: list[str] | None = None
    ingress: list[CalicoRule] | None = None
    egress: list[CalicoRule] | None = None
    pre_dnat: bool = False
    do_not_track: bool = False

    def parts(self) -> Iterator[int]:
        """Yield how many parts each rule has; a selector is bounded by its length."""
        for rule in (*(self.ingress or ()), *(self.egress or ())):
            yield 1 + rule.source.parts + rule.destination.parts


class CalicoPolicy(Struct):
    """A policy, without unused fields."""

    spec: CalicoSpec = msgspec.field(default_factory=CalicoSpec)


class TierSpec(Struct, rename="camel"):
    """A tier's `spec`."""

    default_action: str = "Deny"


class TierMetadata(Struct):
    """A tier's name."""

    name: str = ""


class Tier(Struct):
    """A tier, without unused fields."""

    metadata: TierMetadata = msgspec.field(default_factory=TierMetadata)
    spec: TierSpec = msgspec.field(default_factory=TierSpec)


class NetworkSetSpec(Struct):
    """A network set's `spec`."""

    nets: list[str] | None = None


class NetworkSet(Struct):
    """A network set, without unused fields."""

    spec: NetworkSetSpec = msgspec.field(default_factory=NetworkSetSpec)
