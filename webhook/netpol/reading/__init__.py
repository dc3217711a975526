"""What users' policies let through: each kind of object to openings, without a word on whether it should."""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, structs

from webhook.model.addresses import NO_ADDRESS, Addresses
from webhook.model.kinds import POLICY_API
from webhook.model.opening import Opening
from webhook.model.request import PolicyObject
from webhook.netpol.reading import calico, cluster, kubernetes
from webhook.netpol.reading.calico_types import Dialect
from webhook.netpol.reading.size import check_encoded
from webhook.netpol.reading.stored import Identity, identity_of

Reader = Callable[[Any], tuple[Opening, ...]]

READERS: Mapping[tuple[str, str], Reader] = {
    ("networking.k8s.io", "networkpolicies"): kubernetes.openings,
    **{
        (str(dialect), resource): partial(reader, dialect=dialect)
        for dialect in Dialect
        for resource, reader in (
            ("networkpolicies", calico.openings),
            ("globalnetworkpolicies", calico.global_openings),
            ("tiers", calico.tier_openings),
        )
    },
    (POLICY_API, "clusternetworkpolicies"): cluster.openings,
    (POLICY_API, "adminnetworkpolicies"): cluster.openings,
}
SETS = frozenset((str(dialect), resource) for dialect in Dialect for resource in ("networksets", "globalnetworksets"))


class Contents(Struct, frozen=True):
    """What an object says: what it lets through, or the addresses that it puts together."""

    openings: tuple[Opening, ...] = ()
    networks: Addresses = NO_ADDRESS
    stored: Identity = Identity()

    def added_to(self, found: PolicyObject) -> PolicyObject:
        """Return a policy object with what it says."""
        return structs.replace(
            found,
            openings=self.openings,
            networks=self.networks,
            labels={**found.labels, **self.stored.labels} if self.stored.labels else found.labels,
            stored_name=self.stored.name if self.stored.name != found.name else "",
        )


class Unreadable(Exception):  # noqa: N818 (the policy is, not the program)
    """A policy that is not made as its API says; the message says where.

    `fingerprint` differs where the policy does: two policies may have the same message.
    """

    def __init__(self, message: str, fingerprint: str) -> None:
        super().__init__(message)
        self.fingerprint = fingerprint


def read_json(resource: tuple[str, str], source: bytes) -> Contents:
    """Return what an object of a resource says, from its JSON.

    Raises Unreadable, and what decoding raises for text that is not JSON.
    """
    try:
        check_encoded(source)
    except ValueError as bad:
        raise Unreadable(str(bad), blake2b(source, digest_size=8).hexdigest()) from None
    return read(resource, msgspec.json.decode(source))


def read(resource: tuple[str, str], source: Any) -> Contents:
    """Return what an object of a resource (API group, plural) says.

    `source` is the object as plain dicts and lists. Raises Unreadable.
    """
    reader = READERS.get(resource)
    try:
        return Contents(
            reader(source) if reader else (),
            calico.set_networks(source) if resource in SETS else NO_ADDRESS,
            identity_of(source) if resource[0] == Dialect.STORAGE else Identity(),
        )
    except (msgspec.ValidationError, ValueError) as bad:
        raise Unreadable(str(bad), fingerprint(source)) from bad


def fingerprint(source: Any) -> str:
    """Return a digest of the part of an object that is judged."""
    spec = source.get("spec") if isinstance(source, dict) else source
    try:
        text = msgspec.json.encode(spec, order="deterministic")
    except (TypeError, ValueError):  # YAML's keys may be of several types, which have no order
        text = repr(spec).encode()
    return blake2b(text, digest_size=8).hexdigest()
