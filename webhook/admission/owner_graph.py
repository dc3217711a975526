"""Existing objects, and the ownership relations between them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from webhook.model.kinds import PLAIN
from webhook.model.request import Request
from webhook.model.rule import RefusedLabel
from webhook.model.workload import Owner, reference

# API groups of Kubernetes' own workloads. Only their controllers count as Pod controllers.
BUILT_IN_GROUPS = frozenset({"", "apps", "batch"})
IMPLICIT_GROUPS = BUILT_IN_GROUPS | {PLAIN}
MAX_OWNER_DEPTH = 5  # no real chain of owners is longer; a forged one can be a cycle


class ObjectName(NamedTuple):
    """The name of an object for people; the group distinguishes kinds with the same name."""

    namespace: str
    kind: str
    name: str
    group: str = ""

    @property
    def full_kind(self) -> str:
        """Return the kind, with its group unless that is implied: `NetworkPolicy.projectcalico.org`."""
        return self.kind if self.group in IMPLICIT_GROUPS else f"{self.kind}.{self.group}"

    def __str__(self) -> str:
        return reference(self.full_kind, self.namespace, self.name)


class ExistingObject(Struct, frozen=True):
    """An existing object, as the request that would create it.

    `uid` and `created` are empty for a manifest. `running` means a Pod that has not ended.
    `refused` are the labels that the API server would refuse.
    """

    creation: Request
    uid: str = ""
    created: datetime | None = None
    running: bool = False
    refused: tuple[RefusedLabel, ...] = ()

    @property
    def name(self) -> ObjectName:
        """Return the name for people."""
        target = self.creation.target
        return ObjectName(target.namespace, target.kind, target.name, target.group)

    @property
    def api_version(self) -> str:
        """Return the group and version of the object as it was read."""
        target = self.creation.target
        return f"{target.group}/{target.version}".lstrip("/")

    @property
    def key(self) -> str:
        """Return a unique key: the uid, or the name if there is no uid."""
        return self.uid or str(self.name)

    @property
    def owner(self) -> Owner | None:
        """Return the controller that the object names as its owner."""
        return self.creation.workload.owner if self.creation.workload else None

    @property
    def is_pod(self) -> bool:
        """Return whether it is a Pod itself."""
        target = self.creation.target
        return target.is_pod


class PodOwner(NamedTuple):
    """An object that makes Pods, with the fields that its owned objects need."""

    name: ObjectName
    created: datetime | None
    owner: Owner | None
    api_version: str = ""
    uid: str = ""


class OwnerGraph:
    """The ownership relations between objects."""

    def __init__(self) -> None:
        self.objects = 0
        self.running: Counter[str] = Counter()  # number of Pods, by the key of their owner
        self._owners: dict[str, PodOwner] = {}
        self._roots: dict[str, tuple[str, Owner | None]] = {}  # with the namespace of each

    def add(self, one: ExistingObject) -> None:
        """Add one object; Pods with an owner are only counted."""
        self.objects += 1
        space = one.name.namespace
        if not one.is_pod and one.creation.workload is not None:
            self._owners[one.key] = PodOwner(one.name, one.created, one.owner, one.api_version, one.uid)
        if not (one.is_pod and one.owner):
            self._roots[one.key] = (space, one.owner)
        elif one.owner.uid not in self._owners:
            self._roots[one.owner.uid] = (space, None)
        self.running[one.owner.uid if one.is_pod and one.owner else one.key] += one.running

    def has_owner(self, owner: Owner | None, namespace: str) -> bool:
        """Return whether the graph has this owner, in the namespace of the object that it owns."""
        return owner is not None and owner.uid in self._owners and self._owners[owner.uid].name.namespace == namespace

    def owner_chain(self, key: str) -> Iterator[PodOwner]:
        """Yield an owner and the owners above it, the topmost last."""
        for _ in range(MAX_OWNER_DEPTH):
            link = self._owners.get(key)
            if link is None:
                return
            yield link
            if link.owner is None or not self.has_owner(link.owner, link.name.namespace):
                return
            key = link.owner.uid

    def root_owners(self) -> Mapping[str, str]:
        """Return the namespaces of all objects without a known owner, by the key of the object."""
        return {
            owner.uid if owner else key: space
            for key, (space, owner) in self._roots.items()
            if not self._is_owned(key, owner)
        }

    def _is_owned(self, key: str, owner: Owner | None) -> bool:
        return owner is not None and key in self._owners and self.has_owner(owner, self._owners[key].name.namespace)
