"""Our own policies as they stand, kept by watches: one an engine, the second begun once Calico is there."""

from collections.abc import Callable, Iterable
from functools import partial
from threading import Lock

from webhook.kube.api import Api, Json
from webhook.kube.policies import is_ours, same
from webhook.kube.watch import Watch
from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import Manifest
from webhook.netpol.render import PRINTERS

SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


class Standing:
    """What the watches last saw of policies under our label.

    One whose label was taken away is gone for the watch, and so is looked at like one that was deleted.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._watches: dict[str, Watch] = {}
        self._lock = Lock()
        self._seen: dict[str, set[tuple[str, str]]] = {}
        self._on_change: Callable[[str, Json], None] = lambda _version, _found: None

    def on_change(self, handler: Callable[[str, Json], None]) -> None:
        """Call `handler` with the API version and the object of each policy that comes, changes or goes."""
        self._on_change = handler

    def follow(self, engine: Engine) -> None:
        """Watch the policies of an engine from now on; nothing happens if that is so already."""
        version = PRINTERS[engine].API_VERSION
        with self._lock:
            if version in self._watches:
                return
            watch = Watch(self._api, f"/apis/{version}/networkpolicies", query={"labelSelector": SELECTOR})
            watch.on_change(partial(self._changed, version))  # the items of a list do not name their version
            self._watches[version] = watch
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
        found = self.get(manifest["apiVersion"], key(manifest))
        return found is not None and same(found, manifest)

    def was_seen(self, manifest: Manifest) -> bool:
        """Whether the policy stood before, so that writing it is a repair."""
        metadata = manifest["metadata"]
        return (manifest["apiVersion"], metadata["name"]) in self._seen.get(metadata["namespace"], ())

    def others(self, namespace: str, wanted: Iterable[Manifest]) -> list[tuple[str, Json]]:
        """Policies of ours that stand in a namespace beside the wanted ones, each with its API version."""
        kept = {(manifest["apiVersion"], manifest["metadata"]["name"]) for manifest in wanted}
        beside = sorted(self._seen.get(namespace, set()) - kept)
        found = ((version, self.get(version, f"{namespace}/{name}")) for version, name in beside)
        return [(version, one) for version, one in found if one is not None and is_ours(one)]

    def get(self, version: str, name: str) -> Json | None:
        """A policy by API version and `namespace/name`, as a watch last saw it."""
        with self._lock:
            watch = self._watches.get(version)
        return watch.get(name) if watch else None

    def forget(self, namespace: str) -> None:
        """The namespace is gone: what comes under its name is new."""
        with self._lock:
            self._seen.pop(namespace, None)

    def _changed(self, version: str, found: Json) -> None:
        metadata = found["metadata"]
        self._seen.setdefault(metadata["namespace"], set()).add((version, metadata["name"]))
        self._on_change(version, found)


def key(manifest: Manifest) -> str:
    """A policy's place in a watch."""
    metadata = manifest["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}"
