"""Read users' policies: convert each kind of object to the openings that it allows, without a judgement."""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct, structs

from webhook.model.addresses import NO_ADDRESS, Addresses
from webhook.model.kinds import CALICO_STORAGE, POLICY_API
from webhook.model.opening import Opening
from webhook.model.request import PolicyObject
from webhook.netpol.reading import calico, cluster_wide, kubernetes
from webhook.netpol.reading.calico_metadata import (
    NO_IDENTITY,
    CalicoIdentity,
    CalicoMetadata,
    StoredObject,
    identity_of,
)
from webhook.netpol.reading.calico_types import CalicoPolicy, Dialect, NetworkSet, Tier
from webhook.netpol.reading.limits import size_error
from webhook.syntax.type_errors import type_mismatch


class ResourceReader(NamedTuple):
    """The type as which an object of a resource is decoded, and the functions that return its openings and its networks."""

    shape: type[Struct]
    openings: Callable[[Any], tuple[Opening, ...]] = lambda _: ()
    networks: Callable[[Any], Addresses] = lambda _: NO_ADDRESS


NO_READER = ResourceReader(Struct)  # for objects that open nothing by themselves
READERS: Mapping[tuple[str, str], ResourceReader] = {
    ("networking.k8s.io", "networkpolicies"): ResourceReader(kubernetes.KubernetesPolicy, kubernetes.openings),
    **{
        (str(dialect), resource): ResourceReader(shape, partial(openings, dialect=dialect))
        for dialect in Dialect
        for resource, shape, openings in (
            ("networkpolicies", CalicoPolicy, calico.openings),
            ("globalnetworkpolicies", CalicoPolicy, calico.global_openings),
            ("tiers", Tier, calico.tier_openings),
        )
    },
    **{
        (str(dialect), resource): ResourceReader(NetworkSet, networks=calico.set_networks)
        for dialect in Dialect
        for resource in ("networksets", "globalnetworksets")
    },
    (POLICY_API, "clusternetworkpolicies"): ResourceReader(cluster_wide.ClusterWidePolicy, cluster_wide.openings),
    (POLICY_API, "adminnetworkpolicies"): ResourceReader(cluster_wide.ClusterWidePolicy, cluster_wide.openings),
}


class Contents(Struct, frozen=True):
    """The content of an object: the openings of a policy, or the addresses of a network set.

    `unreadable` says why the content cannot be determined. `fingerprint` distinguishes two unreadable specs with the same message.
    """

    openings: tuple[Opening, ...] = ()
    networks: Addresses = NO_ADDRESS
    stored: CalicoIdentity = NO_IDENTITY
    unreadable: str = ""
    fingerprint: str = ""

    def added_to(self, found: PolicyObject) -> PolicyObject:
        """Return a policy object with this content."""
        return structs.replace(
            found,
            openings=self.openings,
            networks=self.networks,
            labels={**found.labels, **self.stored.labels} if self.stored.labels else found.labels,
            unreadable=self.unreadable,
            fingerprint=self.fingerprint,
            stored_name=self.stored.name if self.stored.name != found.name else "",
        )


Shaped = TypeVar("Shaped", bound=Struct)
# The most bytes of a spec whose fingerprint is that of its values; the fingerprint of a larger spec is that of its bytes.
LARGE: Final = 100_000


class SpecOnly(Struct):
    """An object's spec, not decoded."""

    spec: Raw = Raw(b"null")


# The first decoder of a type prepares the type. msgspec 0.20 crashes with a segmentation fault where two threads do that at once,
# so it is done here, before there are threads.
for prepared in (SpecOnly, StoredObject, CalicoMetadata, *(reader.shape for reader in READERS.values())):
    msgspec.json.Decoder(prepared)


class DecodeFunction(Protocol):
    """A function that decodes an object as a type; raises msgspec.ValidationError or ValueError."""

    def __call__(self, shape: type[Shaped], /) -> Shaped:
        """Return the object as the type."""


def read_json(resource: tuple[str, str], source: bytes) -> Contents:
    """Return the content of an object of a resource (API group, plural) from its JSON.

    Only the needed fields are decoded. Raises what decoding raises for text that is not JSON.
    """

    def decoded(shape: type[Shaped]) -> Shaped:
        return msgspec.json.decode(source, type=shape)

    def spec() -> Any:
        found = bytes(decoded(SpecOnly).spec)
        return found if len(found) > LARGE else msgspec.json.decode(found)

    return read_contents(resource, decoded, spec, lambda: msgspec.json.decode(source), size_error(source))


def read(resource: tuple[str, str], source: Any) -> Contents:
    """Return the content of an object of a resource (API group, plural); `source` is the object as plain dicts and lists."""

    def converted(shape: type[Shaped]) -> Shaped:
        return msgspec.convert(source, shape)

    return read_contents(resource, converted, lambda: source.get("spec"), lambda: source)


def shape_of(resource: tuple[str, str]) -> type[Struct]:
    """Return the type as which an object of a resource is read."""
    return READERS.get(resource, NO_READER).shape


def read_contents(
    resource: tuple[str, str],
    reads: DecodeFunction,
    spec: Callable[[], Any],
    whole: Callable[[], Any],
    excess: str = "",
) -> Contents:
    """Return the content of an object.

    `spec` returns the input of the fingerprint, `whole` returns the object for a message about it, and `excess` is the reason for not
    reading it at all.
    """
    reader = READERS.get(resource, NO_READER)
    stored = NO_IDENTITY
    try:
        if resource[0] == CALICO_STORAGE:
            stored = identity_of(reads(StoredObject))
        if excess:
            return Contents(stored=stored, unreadable=excess, fingerprint=fingerprint(spec()))
        found = reads(reader.shape)
        return Contents(reader.openings(found), reader.networks(found), stored)
    except UnicodeError:
        raise
    except msgspec.ValidationError as bad:
        return Contents(stored=stored, unreadable=str(type_mismatch(bad, whole())), fingerprint=fingerprint(spec()))
    except ValueError as bad:
        return Contents(stored=stored, unreadable=str(bad), fingerprint=fingerprint(spec()))


def fingerprint(spec: Any) -> str:
    """Return a digest of a spec: of its bytes, or of its values in order."""
    try:
        text = spec if isinstance(spec, bytes) else msgspec.json.encode(spec, order="deterministic")
    except (TypeError, ValueError):  # YAML's keys may be of several types, which have no order
        text = repr(spec).encode(errors="surrogatepass")
    return blake2b(text, digest_size=8).hexdigest()
