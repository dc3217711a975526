"""The control loop: watch events and timers fill the queue, and workers empty it."""

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from threading import Thread
from time import monotonic
from typing import Protocol

from webhook.config.parse import Loaded
from webhook.config.store import PolicyStore
from webhook.controller.desired_policies import CLUSTER_SCOPE, unsupported_features
from webhook.controller.reconcile import Reconciler
from webhook.controller.reconcile_round import ReconcileIncomplete
from webhook.controller.work_queue import FIRST, LAST, WorkQueue
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
# Two replicas that repair at the same time cost only a conflict. A repair should take less than a second.
JITTER_SECONDS = 0.1
# The policy cache saves a live read per policy. A cache that does not sync must not keep namespaces open.
CACHE_SYNC_SECONDS = 10.0
# The process records a write that is in progress before it ends. The kubelet waits 30 s.
SHUTDOWN_SECONDS = 10.0


class Follower(Protocol):
    """An object beyond namespaces that the controller keeps as the policy file requires."""

    pending: str

    def start(self, on_change: Callable[[], None]) -> None:
        """Start the watches; `on_change` is called when a pass is needed."""

    def stop(self) -> None:
        """Stop the watches."""

    def sync(self, loaded: Loaded) -> float:
        """Apply the policy file; return the seconds until the next pass, 0 for none. Raises ApiError."""


class Controller:
    """Reconciles every namespace at each of its events, each change of the policy or the cluster info, and each resync.

    `followers` have names that no namespace can have. `look` reads the cluster info, and raises if that is not
    possible.
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
        self._lookout = ClusterInfoPoller(look, on_change=self._on_cluster_info)
        self._metrics = metrics
        self._queue = WorkQueue()
        metrics.workqueue_depth.set_function(lambda: self._queue.depth)
        self._managed: set[str] = set()
        self._workers = [Thread(target=self._work, name=f"worker-{number}", daemon=True) for number in range(WORKERS)]
        self._resource_versions: dict[str, str] = {}  # of each namespace, as the watch last saw it
        self._cache_deadline = monotonic() + CACHE_SYNC_SECONDS

    @property
    def ready(self) -> bool:
        """Return whether everything that a first pass needs is known."""
        inputs = self._policies.current is not None and self._lookout.current is not None
        return inputs and self._namespaces.synced and self._standing.synced

    def start(self) -> None:
        """Start the watches, the poller of the cluster info and the workers, each on its own thread."""
        self._namespaces.on_change(self._on_namespace)
        self._standing.on_change(self._on_policy)
        self._namespaces.start()
        self._standing.watch_kinds(kind for kind in WRITTEN_KINDS if kind.group == PLAIN)
        for name, follower in self._followers.items():
            follower.start(on_change=partial(self._queue.add, name, after=FIRST))
        self._lookout.start()
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Stop every thread after its current step, and wait for the workers."""
        self._lookout.stop()
        self._namespaces.stop()
        self._standing.stop()
        for follower in self._followers.values():
            follower.stop()
        self._queue.close()
        until = monotonic() + SHUTDOWN_SECONDS
        for worker in self._workers:
            worker.join(max(0.0, until - monotonic()))

    def policy_changed(self) -> None:
        """Reconcile everything under the new policy, and read the cluster info, as the policy may name another engine.

        The webhook configurations come first: until they fit, the gate does not cover all namespaces.
        """
        for name in self._followers:
            self._queue.add(name, after=FIRST)
        self._lookout.poll_now()
        self._enqueue_all()

    def _enqueue_all(self) -> None:
        """Enqueue everything behind new and deleted objects, as thousands of policies may have to be written."""
        inputs = self._inputs()
        if inputs is not None and (missing := unsupported_features(*inputs)):
            logger.error("%s", missing)
        self._queue.add(CLUSTER_SCOPE, after=LAST)
        for found in self._namespaces.objects():
            self._queue.add(found["metadata"]["name"], after=LAST)

    def _on_namespace(self, found: Json) -> None:
        name, version = found["metadata"]["name"], found["metadata"]["resourceVersion"]
        again = self._resource_versions.get(name) == version  # from a full list; a deletion has its own resourceVersion
        self._resource_versions[name] = version
        self._queue.add(name, after=LAST if again else 0.0)

    def _on_policy(self, kind: PolicyKind, found: Json) -> None:
        name = found["metadata"].get("namespace", CLUSTER_SCOPE)
        inputs, parse_namespace = self._inputs(), self._namespace(name)
        if inputs is None or (name and parse_namespace is None):
            return
        if not self._reconciler.matches_desired(kind, found, parse_namespace, *inputs):
            # Every replica sees this event at once. A replica that waits longer finds the repair done.
            self._reconciler.restart_round(name)
            jitter = random.uniform(0, JITTER_SECONDS)  # noqa: S311 (no secret)
            self._queue.add(name, after=self._reconciler.repair_delay(name) + jitter)

    def _on_cluster_info(self, around: ClusterInfo) -> None:
        # Also if plain policies are written: an earlier policy file may have left Calico's.
        self._standing.watch_kinds(
            kind for kind in WRITTEN_KINDS if kind.group == CALICO and kind.resource in around.calico
        )
        self._enqueue_all()

    def _work(self) -> None:
        while (name := self._queue.take()) is not None:
            failed = False
            try:
                self._reconcile(name)
            except Exception as error:  # noqa: BLE001 (no namespace may end the worker)
                failed = True
                self._metrics.reconcile_failures.inc()
                logger.warning(
                    "%s", error if isinstance(error, ReconcileIncomplete) else f"{self._pending(name)}: {error}"
                )
            self._queue.done(name, failed=failed)

    def _pending(self, name: str) -> str:
        """Return what is not done yet, in words."""
        if name == CLUSTER_SCOPE:
            return "the cluster-wide default deny is not complete yet"
        follower = self._followers.get(name)
        return follower.pending if follower else f"namespace {name} is not isolated yet"

    def _inputs(self) -> tuple[Loaded, ClusterInfo] | None:
        """Return the inputs of every reconciliation; None until they are known."""
        loaded, around = self._policies.current, self._lookout.current
        return None if loaded is None or around is None else (loaded, around)

    def _namespace(self, name: str) -> Namespace | None:
        """Return a namespace as the watch last saw it; None after its deletion."""
        found = self._namespaces.get(name)
        return None if found is None else parse_namespace(found)

    def _reconcile(self, name: str) -> None:
        if (follower := self._followers.get(name)) is not None:
            if self._policies.current is not None and (wait := follower.sync(self._policies.current)):
                self._queue.add(name, after=wait)
            return
        inputs, found = self._inputs(), self._namespace(name)
        if name and found is None:
            self._managed.discard(name)
            self._resource_versions.pop(name, None)
            self._reconciler.forget(name)
        if inputs is None or (name and found is None):
            return  # the first policy and the first cluster info enqueue every namespace again
        more = False
        if not (self._standing.synced or monotonic() > self._cache_deadline):
            self._queue.add(name, after=JITTER_SECONDS)
        elif found is None:
            more = self._reconciler.reconcile_cluster_scope(*inputs)
        else:
            (self._managed.add if self._reconciler.desired.is_managed(found, *inputs) else self._managed.discard)(name)
            self._metrics.managed_namespaces.set(len(self._managed))
            more = self._reconciler.reconcile(found, *inputs)
        if more:  # behind every other namespace, so that each has its default-deny before any has all its policies
            self._queue.add(name, after=LAST)
