"""Our own policies as they stand, kept by watches: one a kind, Calico's begun once Calico is there."""

from collections.abc import Callable, Iterable
from functools import partial
from threading import Lock

from webhook.kube.api import Api, Json
from webhook.kube.policies import OUR_LABEL, collection, is_ours, kind_of, same
from webhook.kube.watch import Watch
from webhook.model.kinds import PolicyKind
from webhook.netpol.manifest import Manifest


class Standing:
    """What the watches last saw of policies under our label.

    One whose label was taken away is gone for the watch, and so is looked at like one that was deleted.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._watches: dict[PolicyKind, Watch] = {}
        self._lock = Lock()
        self._seen: dict[str, set[tuple[PolicyKind, str]]] = {}
        self._on_change: Callable[[PolicyKind, Json], None] = lambda _kind, _found: None

    def on_change(self, handler: Callable[[PolicyKind, Json], None]) -> None:
        """Call `handler` with the kind and the object of each policy that comes, changes or goes."""
        self._on_change = handler

    def follow(self, kinds: Iterable[PolicyKind]) -> None:
        """Watch policies of these kinds from now on; a watch that waits after a failure tries again at once."""
        for kind in kinds:
            with self._lock:
                if kind in self._watches:
                    self._watches[kind].hurry()
                    continue
                watch = Watch(self._api, collection(kind), query={"labelSelector": OUR_LABEL})
                watch.on_change(partial(self._changed, kind))  # the items of a list do not name their kind
                self._watches[kind] = watch
            watch.start()

    def stop(self) -> None:
        """End every watch."""
        with self._lock:
            for watch in self._watches.values():
                watch.stop()

    @property
    def synced(self) -> bool:
        """Whether every watch took in its first list."""
        with self._lock:
            return bool(self._watches) and all(watch.synced for watch in self._watches.values())

    def stands(self, manifest: Manifest) -> bool:
        """Whether a watch saw the manifest stand as it is."""
        found = self.get(kind_of(manifest), key(manifest))
        return found is not None and same(found, manifest)

    def others(self, namespace: str, wanted: Iterable[Manifest]) -> list[tuple[PolicyKind, Json]]:
        """Policies of ours that stand in a namespace, or in none, beside the wanted ones, each with its kind."""
        kept = {(kind_of(manifest), manifest["metadata"]["name"]) for manifest in wanted}
        beside = sorted(self._seen.get(namespace, set()) - kept)
        found = ((kind, self.get(kind, f"{namespace}/{name}" if namespace else name)) for kind, name in beside)
        return [(kind, one) for kind, one in found if one is not None and is_ours(one)]

    def stored_in(self, namespace: str) -> list[Json]:
        """Every policy under our label in a namespace, or in none, as the watches last saw it."""
        places = sorted(self._seen.get(namespace, ()))
        found = (self.get(kind, f"{namespace}/{name}" if namespace else name) for kind, name in places)
        return [one for one in found if one is not None]

    def get(self, kind: PolicyKind, name: str) -> Json | None:
        """A policy by kind and `namespace/name`, as a watch last saw it."""
        with self._lock:
            watch = self._watches.get(kind)
        return watch.get(name) if watch else None

    def forget(self, namespace: str) -> None:
        """The namespace is gone: what comes under its name is new."""
        with self._lock:
            self._seen.pop(namespace, None)

    def _changed(self, kind: PolicyKind, found: Json) -> None:
        metadata = found["metadata"]
        self._seen.setdefault(metadata.get("namespace", ""), set()).add((kind, metadata["name"]))
        self._on_change(kind, found)


def key(found: Json | Manifest) -> str:
    """A policy's place in a watch."""
    metadata = found["metadata"]
    space = metadata.get("namespace", "")
    return f"{space}/{metadata['name']}" if space else str(metadata["name"])
