"""The controller: events and the clock fill the queue, workers empty it."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from webhook.config.parse import Loaded
from webhook.config.store import PolicyStore
from webhook.controller.queue import WorkQueue
from webhook.controller.reconcile import Reconciler
from webhook.controller.surroundings import Surroundings
from webhook.kube.api import Json
from webhook.kube.namespaces import namespace
from webhook.kube.watch import Watch
from webhook.metrics import Metrics

logger = logging.getLogger(__name__)

WORKERS = 4
# How soon a change of the cluster itself (Calico's API comes or goes, the webhook is registered) is noticed.
LOOK_AROUND_SECONDS = 5.0
FIRST_LOOK_SECONDS = 0.5

LookAround = Callable[[PolicyStore], Surroundings]


class Controller:
    """Looks at every namespace at each of its events, at each change of policy or surroundings, and at each resync.

    `look_around` asks the cluster for its surroundings and raises where it cannot tell.
    """

    def __init__(
        self,
        *,
        namespaces: Watch,
        policies: PolicyStore,
        reconciler: Reconciler,
        look_around: LookAround,
        metrics: Metrics,
    ) -> None:
        self._namespaces = namespaces
        self._policies = policies
        self._reconciler = reconciler
        self._look_around = look_around
        self._metrics = metrics
        self._queue = WorkQueue()
        self._around: Surroundings | None = None
        self._stopped = Event()
        self._wake = Event()

    @property
    def ready(self) -> bool:
        """Whether everything that a first pass needs is known."""
        return self._policies.current is not None and self._around is not None and self._namespaces.synced

    def start(self) -> None:
        """Begin: the watch, the look around, the workers, each on threads of their own."""
        self._namespaces.on_change(self._seen)
        self._namespaces.start()
        Thread(target=self._keep_looking, name="surroundings", daemon=True).start()
        for number in range(WORKERS):
            Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def stop(self) -> None:
        """Let every thread end after what it is doing."""
        self._stopped.set()
        self._wake.set()
        self._namespaces.stop()
        self._queue.close()

    def policy_changed(self) -> None:
        """Look at every namespace under the policy that is now in force, and around, for it may name another engine."""
        self._wake.set()
        self._look_again()

    def _look_again(self) -> None:
        for found in self._namespaces.objects():
            self._queue.add(found["metadata"]["name"])

    def _seen(self, found: Json) -> None:
        self._queue.add(found["metadata"]["name"])

    def _keep_looking(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                around = self._look_around(self._policies)
            except Exception:
                logger.warning("the cluster's surroundings are not known", exc_info=True)
            else:
                if around != self._around:
                    logger.info("surroundings: %s", around)
                    self._around = around
                    self._look_again()
            self._count()
            self._wake.wait(LOOK_AROUND_SECONDS if self._around else FIRST_LOOK_SECONDS)

    def _count(self) -> None:
        loaded, around = self._policies.current, self._around
        if loaded is None or around is None:
            return
        found = map(namespace, self._namespaces.objects())
        self._metrics.guarded_namespaces.set(sum(self._reconciler.guarded(one, loaded, around) for one in found))

    def _work(self) -> None:
        while (name := self._queue.take()) is not None:
            failed = False
            try:
                self._reconcile(name)
            except Exception as error:  # noqa: BLE001 (no namespace may end the worker)
                failed = True
                self._metrics.reconcile_failures.inc()
                logger.warning("namespace %s is not closed yet: %s", name, error)
            self._queue.done(name, failed=failed)

    def _reconcile(self, name: str) -> None:
        found = self._namespaces.get(name)
        loaded: Loaded | None = self._policies.current
        # A look around, or the first policy, brings every namespace back.
        if found is not None and loaded is not None and self._around is not None:
            self._reconciler.reconcile(namespace(found), loaded, self._around)
