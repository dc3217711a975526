"""What stands, looked at again and again under the policy file in force: counted, and told in reports.

It has a thread of its own and yields to all else: as much as a page of objects took, it rests before the next one.
(A lower priority by the operating system would not do: whoever holds the interpreter's lock must not be put off.)
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from random import uniform
from threading import Event, Thread
from time import monotonic
from typing import Final

from webhook.config.parse import Loaded
from webhook.config.store import PolicyStore
from webhook.controller.reporting import Reporting
from webhook.guard.owner_graph import ExistingObject
from webhook.guard.preview import Effect, Preview, preview
from webhook.kube.api import Api
from webhook.kube.epoch import Epoch
from webhook.kube.listing import SMALL_PAGE, Listing, Seen
from webhook.kube.setting import setting
from webhook.kube.unread_kinds import unread_notes
from webhook.metrics import CUSTOM, Metrics
from webhook.model.kinds import POD_MAKERS
from webhook.review.manifests import each_existing
from webhook.rules import RULES

logger = logging.getLogger(__name__)

# Who mends a Deployment sees it leave the report while they still look; of 10,000 objects it costs a third of a percent of a core.
SCAN_SECONDS: Final = 600.0
# Replicas, and clusters, should not all ask at once.
JITTER_SECONDS: Final = 30.0
# After a start or an edit of the policy file: there may be another one, and what follows from it is done first.
SETTLE_SECONDS: Final = 2.0
# How soon it is noticed that we lead.
LOOK_SECONDS: Final = 5.0
LONGEST_REST_SECONDS: Final = 1.0
# A hundred times as long as the built-in rules take, and as much as nobody notices.
DEAR_SECONDS: Final = 0.01


class Incomplete(Exception):  # noqa: N818 (a state of the cluster)
    """Not everything could be looked at, and more may be the next time; the message says what."""


class Interrupted(Exception):  # noqa: N818 (nothing went wrong)
    """This replica leads no longer, or ends."""


class Scanner:
    """Scans while this replica leads."""

    def __init__(
        self,
        api: Api,
        *,
        leads: Callable[[], bool],
        policies: PolicyStore,
        reporting: Reporting,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._leads = leads
        self._policies = policies
        self._epoch = Epoch(api, own_namespace=own_namespace)
        self._reporting = reporting
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._wake = Event()
        self._stopped = Event()
        self._page_began = 0.0
        self._unseen: tuple[str, ...] = ()
        self._unread: tuple[str, ...] = ()

    def start(self) -> None:
        """Begin, on a thread of its own."""
        Thread(target=self._keep_scanning, name="scanner", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end after the page that it is at."""
        self._stopped.set()
        self._wake.set()

    def scan_soon(self) -> None:
        """Do not wait for the next turn: the policy file is another one."""
        self._wake.set()

    def _keep_scanning(self) -> None:
        due = monotonic() + SETTLE_SECONDS
        while not self._stopped.is_set():
            if self._wake.wait(patience(due - monotonic())):
                self._wake.clear()
                due = min(due, monotonic() + SETTLE_SECONDS)
            elif monotonic() >= due and self._leads():
                self._try()
                due = monotonic() + SCAN_SECONDS + uniform(0, JITTER_SECONDS)  # noqa: S311 (no secret)

    def _try(self) -> None:
        try:
            self.scan()
        except Interrupted:
            logger.info("a scan is left to another replica")
        except Exception as error:  # noqa: BLE001 (the next one may go better)
            self._metrics.scan_failures.inc()
            logger.warning("a scan was not completed, reports stay as they were: %s", error)

    def scan(self) -> None:
        """Look at all that stands once, and tell of it.  Raises ApiError, AuditLogUnwritable, Incomplete, Interrupted."""
        loaded = self._policies.current
        if loaded is None:
            return
        if loaded.policy.reports == "off":
            self._metrics.forget_scan()
            self._reporting.clear(loaded)
            return
        begun = monotonic()
        found = self._look(loaded)
        self._reporting.write(found, loaded, go_on=self._go_on)
        self._count(found, monotonic() - begun)

    def _look(self, loaded: Loaded) -> Preview:
        """What the policy file says of all that stands."""
        extra = loaded.policy.workloads.extra_by_kind
        listing = Listing(self._api, makers=(*POD_MAKERS, *extra.values()), size=SMALL_PAGE, on_page=self._rest)
        self._page_began = monotonic()
        namespaces = listing.namespaces() or {}
        where = setting(self._own_namespace, self._now(), namespaces.values(), self._epoch.read(self._api))
        objects = self._in_peace(each_existing(listing.objects(), listing.unseen, extra=extra))
        [found] = preview(objects, [loaded.policy], where)
        if listing.failed:
            raise Incomplete("; ".join(listing.unseen))
        if tuple(listing.unseen) != self._unseen:
            self._unseen = tuple(listing.unseen)
            logger.warning("not looked at by scans: %s", "; ".join(self._unseen) or "nothing any more")
        if (unread := tuple(unread_notes(self._api, extra))) != self._unread:
            self._unread = unread
            logger.info("kinds of this cluster that catflap does not read: %s", "; ".join(unread) or "none any more")
        return found

    def _in_peace(self, objects: Iterable[ExistingObject]) -> Iterator[ExistingObject]:
        """The objects, with a rest after each one that took long to judge: a custom rule holds all threads meanwhile.

        Raises Interrupted.
        """
        for one in objects:
            begun = monotonic()
            yield one
            if (took := monotonic() - begun) > DEAR_SECONDS:
                self._stopped.wait(min(took, LONGEST_REST_SECONDS))
                self._go_on()

    def _rest(self, _seen: Seen) -> None:
        """Let others have as much time as the last page took.  Raises Interrupted."""
        self._stopped.wait(min(monotonic() - self._page_began, LONGEST_REST_SECONDS))
        self._go_on()
        self._page_began = monotonic()

    def _go_on(self) -> None:
        """Raises Interrupted where we should not."""
        if self._stopped.is_set() or not self._leads():
            raise Interrupted

    def _count(self, found: Preview, seconds: float) -> None:
        counts = Counter((row.rule if row.rule in RULES else CUSTOM, row.effect) for row in found.rows)
        for rule in (*RULES, CUSTOM):
            for effect in Effect:
                self._metrics.scan_violations.labels(rule, effect).set(counts[rule, effect])
        self._metrics.scan_objects.set(found.objects)
        self._metrics.scan_seconds.set(seconds)
        self._metrics.scan_completed.set(self._now().timestamp())
        logger.info(
            "scanned %d objects of %d owners in %.1f s: %d faulty",
            found.objects,
            found.owners,
            seconds,
            len(found.rows),
        )


def patience(left: float) -> float:
    """How long to wait before looking whether to scan, where so many seconds are left until that is due."""
    return min(left, LOOK_SECONDS) if left > 0 else LOOK_SECONDS
