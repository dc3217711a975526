"""What users' policies let through: each kind of object to openings, without a word on whether it should."""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, structs

from webhook.model.addresses import NO_ADDRESS, Addresses
from webhook.model.kinds import CALICO_STORAGE, POLICY_API
from webhook.model.opening import Opening
from webhook.model.request import PolicyObject
from webhook.netpol.reading import calico, cluster, kubernetes
from webhook.netpol.reading.calico_types import Dialect
from webhook.netpol.reading.size import check_encoded
from webhook.netpol.reading.stored import NOT_STORED, Identity, Stored, identity_of

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
    """What an object says: what it lets through, or the addresses that it puts together.

    `unreadable` says why that cannot be determined, and `fingerprint` differs where what is unreadable does: two
    policies may have the same words.
    """

    openings: tuple[Opening, ...] = ()
    networks: Addresses = NO_ADDRESS
    stored: Identity = NOT_STORED
    unreadable: str = ""
    fingerprint: str = ""

    def added_to(self, found: PolicyObject) -> PolicyObject:
        """Return a policy object with what it says."""
        return structs.replace(
            found,
            openings=self.openings,
            networks=self.networks,
            labels={**found.labels, **self.stored.labels} if self.stored.labels else found.labels,
            unreadable=self.unreadable,
            fingerprint=self.fingerprint,
            stored_name=self.stored.name if self.stored.name != found.name else "",
        )


def read_json(resource: tuple[str, str], source: bytes) -> Contents:
    """Return what an object of a resource (API group, plural) says, from its JSON.

    Raises what decoding raises for text that is not JSON.
    """
    try:
        check_encoded(source)
    except ValueError as bad:
        is_stored = resource[0] == CALICO_STORAGE
        stored = identity_of(msgspec.json.decode(source, type=Stored)) if is_stored else NOT_STORED
        return Contents(stored=stored, unreadable=str(bad), fingerprint=blake2b(source, digest_size=8).hexdigest())
    return read(resource, msgspec.json.decode(source))


def read(resource: tuple[str, str], source: Any) -> Contents:
    """Return what an object of a resource (API group, plural) says; `source` is the object as plain dicts and lists."""
    stored = NOT_STORED
    try:
        if resource[0] == CALICO_STORAGE:
            stored = identity_of(msgspec.convert(source, Stored))
        openings = READERS[resource](source) if resource in READERS else ()
        networks = calico.set_networks(source) if resource in SETS else NO_ADDRESS
    except (msgspec.ValidationError, ValueError) as bad:
        return Contents(stored=stored, unreadable=str(bad), fingerprint=fingerprint(source))
    return Contents(openings, networks, stored)


def fingerprint(source: Any) -> str:
    """Return a digest of the part of an object that is judged."""
    spec = source.get("spec") if isinstance(source, dict) else source
    try:
        text = msgspec.json.encode(spec, order="deterministic")
    except (TypeError, ValueError):  # YAML's keys may be of several types, which have no order
        text = repr(spec).encode()
    return blake2b(text, digest_size=8).hexdigest()
