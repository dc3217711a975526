"""The controller: events and the clock fill the queue, workers empty it."""

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from threading import Thread
from time import monotonic
from typing import Protocol

from webhook.config.parse import Loaded
from webhook.config.store import PolicyStore
from webhook.controller.queue import FIRST, LAST, WorkQueue
from webhook.controller.reconcile import NotSettled, Reconciler
from webhook.controller.wanted import NOWHERE, lacking
from webhook.kube.api import Json
from webhook.kube.cluster_info import ClusterInfo, ClusterInfoPoller
from webhook.kube.namespaces import parse_namespace
from webhook.kube.policy_cache import PolicyCache
from webhook.kube.watch import Watch
from webhook.metrics import Metrics
from webhook.model.kinds import CALICO, PLAIN, WRITTEN_KINDS, PolicyKind
from webhook.model.namespace import Namespace

logger = logging.getLogger(__name__)

WORKERS = 4
# Two replicas that repair at once cost a conflict and no more; a repair is to take less than a second.
JITTER_SECONDS = 0.1
# The watches on our own policies spare a live read each; one that cannot be had must not keep namespaces open.
PATIENCE_SECONDS = 10.0
# A write that is under way is to be recorded before the process ends; the kubelet waits 30 s.
ENDING_SECONDS = 10.0


class Follower(Protocol):
    """What in the cluster, beyond namespaces, is kept as the policy file says."""

    pending: str

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin to watch; `on_change` is called when something is to be looked at."""

    def stop(self) -> None:
        """End it."""

    def follow(self, loaded: Loaded) -> float:
        """See that it is as the file says; the seconds after which to look again, 0 for none.  Raises ApiError."""


class Controller:
    """Looks at every namespace at each of its events, at each change of policy or surroundings, and at each resync.

    `followers` stand under names that no namespace has.  `look` asks the cluster for its surroundings and raises where it cannot tell.
    """

    def __init__(
        self,
        *,
        namespaces: Watch,
        standing: PolicyCache,
        followers: Mapping[str, Follower],
        policies: PolicyStore,
        reconciler: Reconciler,
        look: Callable[[], ClusterInfo],
        metrics: Metrics,
    ) -> None:
        self._namespaces = namespaces
        self._standing = standing
        self._followers = followers
        self._policies = policies
        self._reconciler = reconciler
        self._lookout = ClusterInfoPoller(look, on_change=self._looked)
        self._metrics = metrics
        self._queue = WorkQueue()
        self._guarded: set[str] = set()
        self._workers = [Thread(target=self._work, name=f"worker-{number}", daemon=True) for number in range(WORKERS)]
        self._versions: dict[str, str] = {}  # of each namespace, as the watch saw it last
        self._patient_until = monotonic() + PATIENCE_SECONDS

    @property
    def ready(self) -> bool:
        """Whether everything that a first pass needs is known."""
        known = self._policies.current is not None and self._lookout.current is not None
        return known and self._namespaces.synced and self._standing.synced

    def start(self) -> None:
        """Begin: the watch, the look around, the workers, each on threads of their own."""
        self._namespaces.on_change(self._seen)
        self._standing.on_change(self._policy_seen)
        self._namespaces.start()
        self._standing.watch_kinds(kind for kind in WRITTEN_KINDS if kind.group == PLAIN)
        for name, follower in self._followers.items():
            follower.start(on_change=partial(self._queue.add, name, after=FIRST))
        self._lookout.start()
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Let every thread end after what it is doing, and wait for those that write."""
        self._lookout.stop()
        self._namespaces.stop()
        self._standing.stop()
        for follower in self._followers.values():
            follower.stop()
        self._queue.close()
        until = monotonic() + ENDING_SECONDS
        for worker in self._workers:
            worker.join(max(0.0, until - monotonic()))

    def policy_changed(self) -> None:
        """Look at every namespace under the policy that is now in force, and around, for it may name another engine.

        Before all else which requests come to us: as long as that is not so, the gate does not hold everywhere.
        """
        for name in self._followers:
            self._queue.add(name, after=FIRST)
        self._lookout.poll_now()
        self._look_again()

    def _look_again(self) -> None:
        """Look at everything, behind what is new or was deleted: thousands may have to be written."""
        known = self._known()
        if known is not None and (missing := lacking(*known)):
            logger.error("%s", missing)
        self._queue.add(NOWHERE, after=LAST)
        for found in self._namespaces.objects():
            self._queue.add(found["metadata"]["name"], after=LAST)

    def _seen(self, found: Json) -> None:
        name, version = found["metadata"]["name"], found["metadata"]["resourceVersion"]
        again = self._versions.get(name) == version  # by a full list; one that is gone shows with a version of its own
        self._versions[name] = version
        self._queue.add(name, after=LAST if again else 0.0)

    def _policy_seen(self, kind: PolicyKind, found: Json) -> None:
        name = found["metadata"].get("namespace", NOWHERE)
        known, parse_namespace = self._known(), self._namespace(name)
        if known is None or (name and parse_namespace is None):
            return
        if not self._reconciler.as_wanted(kind, found, parse_namespace, *known):
            # Every replica sees this at once; who waits a little longer finds it done.
            self._reconciler.look_anew(name)
            jitter = random.uniform(0, JITTER_SECONDS)  # noqa: S311 (no secret)
            self._queue.add(name, after=self._reconciler.pause(name) + jitter)

    def _looked(self, around: ClusterInfo) -> None:
        # Even where plain ones are written: an earlier policy may have left some of Calico's.
        self._standing.watch_kinds(
            kind for kind in WRITTEN_KINDS if kind.group == CALICO and kind.resource in around.calico
        )
        self._look_again()

    def _work(self) -> None:
        while (name := self._queue.take()) is not None:
            failed = False
            try:
                self._reconcile(name)
            except Exception as error:  # noqa: BLE001 (no namespace may end the worker)
                failed = True
                self._metrics.reconcile_failures.inc()
                logger.warning("%s", error if isinstance(error, NotSettled) else f"{self._pending(name)}: {error}")
            self._queue.done(name, failed=failed)

    def _pending(self, name: str) -> str:
        """What is not done yet, in words."""
        if name == NOWHERE:
            return "the net below all namespaces is not as it should be yet"
        follower = self._followers.get(name)
        return follower.pending if follower else f"namespace {name} is not closed yet"

    def _known(self) -> tuple[Loaded, ClusterInfo] | None:
        """All that says what namespaces should be like; None until that is known."""
        loaded, around = self._policies.current, self._lookout.current
        return None if loaded is None or around is None else (loaded, around)

    def _namespace(self, name: str) -> Namespace | None:
        """A namespace as the watch saw it last; None once it is gone."""
        found = self._namespaces.get(name)
        return None if found is None else parse_namespace(found)

    def _reconcile(self, name: str) -> None:
        if (follower := self._followers.get(name)) is not None:
            if self._policies.current is not None and (wait := follower.follow(self._policies.current)):
                self._queue.add(name, after=wait)
            return
        known, found = self._known(), self._namespace(name)
        if name and found is None:
            self._guarded.discard(name)
            self._versions.pop(name, None)
            self._reconciler.forget(name)
        if known is None or (name and found is None):
            return  # the first policy, and the first look around, bring every namespace back
        more = False
        if not (self._standing.synced or monotonic() > self._patient_until):
            self._queue.add(name, after=JITTER_SECONDS)
        elif found is None:
            more = self._reconciler.reconcile_net(*known)
        else:
            (self._guarded.add if self._reconciler.wanted.guarded(found, *known) else self._guarded.discard)(name)
            self._metrics.guarded_namespaces.set(len(self._guarded))
            more = self._reconciler.reconcile(found, *known)
        if more:  # behind every other namespace, so that each has its default-deny before any has all else
            self._queue.add(name, after=LAST)
