"""Cache catflap's own policies by watches: one watch per kind; those of Calico's kinds start once Calico's API is served."""

from collections.abc import Callable, Iterable
from functools import partial
from threading import Lock

from webhook.kube.api import Api, Json
from webhook.kube.policies import OWN_LABEL_SELECTOR, collection, is_own_policy, kind_of, matches_manifest
from webhook.kube.watch import Watch
from webhook.model.kinds import PolicyKind
from webhook.netpol.manifest import Manifest


class PolicyCache:
    """The policies with catflap's label, as the watches last saw them.

    A policy that loses the label leaves the watch, so it is handled like a deleted one.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._watches: dict[PolicyKind, Watch] = {}
        self._lock = Lock()
        self._seen: dict[str, set[tuple[PolicyKind, str]]] = {}
        self._on_change: Callable[[PolicyKind, Json], None] = lambda _kind, _found: None

    def on_change(self, handler: Callable[[PolicyKind, Json], None]) -> None:
        """Call `handler` with the kind and the object of each policy that is added, changed or deleted."""
        self._on_change = handler

    def watch_kinds(self, kinds: Iterable[PolicyKind]) -> None:
        """Watch policies of these kinds from now on; a watch that waits after a failure retries at once."""
        for kind in kinds:
            with self._lock:
                if kind in self._watches:
                    self._watches[kind].retry_now()
                    continue
                watch = Watch(self._api, collection(kind), query={"labelSelector": OWN_LABEL_SELECTOR})
                watch.on_change(partial(self._changed, kind))  # the items of a list do not name their kind
                self._watches[kind] = watch
            watch.start()

    def stop(self) -> None:
        """Stop every watch."""
        with self._lock:
            for watch in self._watches.values():
                watch.stop()

    @property
    def synced(self) -> bool:
        """Return whether every watch has its first list."""
        with self._lock:
            return bool(self._watches) and all(watch.synced for watch in self._watches.values())

    def is_current(self, manifest: Manifest) -> bool:
        """Return whether the stored policy equals the manifest, as far as the watches saw."""
        found = self.get(kind_of(manifest), cache_key(manifest))
        return found is not None and matches_manifest(found, manifest)

    def unwanted(self, namespace: str, wanted: Iterable[Manifest]) -> list[tuple[PolicyKind, Json]]:
        """Return catflap's policies in a namespace, or cluster-scoped ones, that are not among the wanted ones, each with its kind."""
        kept = {(kind_of(manifest), manifest["metadata"]["name"]) for manifest in wanted}
        extra = sorted(self._seen.get(namespace, set()) - kept)
        found = ((kind, self.get(kind, f"{namespace}/{name}" if namespace else name)) for kind, name in extra)
        return [(kind, one) for kind, one in found if one is not None and is_own_policy(one)]

    def stored_in(self, namespace: str) -> list[Json]:
        """Return every policy with catflap's label in a namespace, or every cluster-scoped one, as the watches last saw it."""
        places = sorted(self._seen.get(namespace, ()))
        found = (self.get(kind, f"{namespace}/{name}" if namespace else name) for kind, name in places)
        return [one for one in found if one is not None]

    def get(self, kind: PolicyKind, name: str) -> Json | None:
        """Return a policy by kind and `namespace/name`, as a watch last saw it."""
        with self._lock:
            watch = self._watches.get(kind)
        return watch.get(name) if watch else None

    def forget(self, namespace: str) -> None:
        """Forget a deleted namespace: a namespace of the same name is a new one."""
        with self._lock:
            self._seen.pop(namespace, None)

    def _changed(self, kind: PolicyKind, found: Json) -> None:
        metadata = found["metadata"]
        self._seen.setdefault(metadata.get("namespace", ""), set()).add((kind, metadata["name"]))
        self._on_change(kind, found)


def cache_key(found: Json | Manifest) -> str:
    """Return the key of a policy in the cache of a watch."""
    metadata = found["metadata"]
    space = metadata.get("namespace", "")
    return f"{space}/{metadata['name']}" if space else str(metadata["name"])
