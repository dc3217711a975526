"""Objects that stand already, and who among them belongs to whom."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from webhook.model.kinds import PLAIN
from webhook.model.request import Request
from webhook.model.rule import RefusedLabel
from webhook.model.workload import Owner, reference

# Kubernetes' own kinds: what makes Pods for them counts as a controller, which nobody else does.
BUILT_IN_GROUPS = frozenset({"", "apps", "batch"})
IMPLICIT_GROUPS = BUILT_IN_GROUPS | {PLAIN}
MAX_OWNER_DEPTH = 5  # no chain of owners is longer; a forged one may be a ring


class ObjectName(NamedTuple):
    """An object by what people call it; kinds of other API groups may have the name of Kubernetes' own."""

    namespace: str
    kind: str
    name: str
    group: str = ""

    @property
    def full_kind(self) -> str:
        """The kind, as kubectl writes it where the group does not go without saying: `NetworkPolicy.projectcalico.org`."""
        return self.kind if self.group in IMPLICIT_GROUPS else f"{self.kind}.{self.group}"

    def __str__(self) -> str:
        return reference(self.full_kind, self.namespace, self.name)


class ExistingObject(Struct, frozen=True):
    """An object that stands, and the request that its creation would be.

    `uid` and `created` are empty where it is only a manifest; `running` says that it is a Pod that has not ended.
    `refused` are the labels that the API server would refuse.
    """

    creation: Request
    uid: str = ""
    created: datetime | None = None
    running: bool = False
    refused: tuple[RefusedLabel, ...] = ()

    @property
    def name(self) -> ObjectName:
        """What people call it."""
        target = self.creation.target
        return ObjectName(target.namespace, target.kind, target.name, target.group)

    @property
    def api_version(self) -> str:
        """Under which group and version it was read."""
        target = self.creation.target
        return f"{target.group}/{target.version}".lstrip("/")

    @property
    def key(self) -> str:
        """What nothing else has: the uid, or the name where there is none."""
        return self.uid or str(self.name)

    @property
    def owner(self) -> Owner | None:
        """The controller that it names."""
        return self.creation.workload.owner if self.creation.workload else None

    @property
    def is_pod(self) -> bool:
        """Whether it is a Pod itself."""
        target = self.creation.target
        return target.is_pod


class PodOwner(NamedTuple):
    """One that makes Pods, as far as what it owns has to know it."""

    name: ObjectName
    created: datetime | None
    owner: Owner | None
    api_version: str = ""
    uid: str = ""


class OwnerGraph:
    """Who belongs to whom."""

    def __init__(self) -> None:
        self.objects = 0
        self.running: Counter[str] = Counter()  # Pods, by the key of whoever makes them
        self._owners: dict[str, PodOwner] = {}
        self._roots: dict[str, tuple[str, Owner | None]] = {}  # with the namespace of each

    def add(self, one: ExistingObject) -> None:
        """Remember one object's place; of Pods that are owned, their number."""
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
        """Whether an owner is among the objects, in the namespace of what it owns."""
        return owner is not None and owner.uid in self._owners and self._owners[owner.uid].name.namespace == namespace

    def owner_chain(self, key: str) -> Iterator[PodOwner]:
        """A maker and the makers above it, the topmost last."""
        for _ in range(MAX_OWNER_DEPTH):
            link = self._owners.get(key)
            if link is None:
                return
            yield link
            if link.owner is None or not self.has_owner(link.owner, link.name.namespace):
                return
            key = link.owner.uid

    def root_owners(self) -> Mapping[str, str]:
        """Those who belong to nobody, by a key each, with the namespace of each."""
        return {
            owner.uid if owner else key: space
            for key, (space, owner) in self._roots.items()
            if not self._is_owned(key, owner)
        }

    def _is_owned(self, key: str, owner: Owner | None) -> bool:
        return owner is not None and key in self._owners and self.has_owner(owner, self._owners[key].name.namespace)
