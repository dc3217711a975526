"""Scans the existing objects periodically under the policy in force; the results go to metrics and reports.

The scanner has its own thread and yields to other work: after each page of objects it pauses for as long as the page
took. A lower scheduling priority is no alternative, as a thread that holds the interpreter lock must not be
preempted.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from random import uniform
from threading import Event, Thread
from time import monotonic
from typing import Final

from webhook.admission.owner_graph import ExistingObject
from webhook.admission.preview import Effect, Preview, preview
from webhook.config.parse import Loaded
from webhook.config.store import PolicyStore
from webhook.controller.report_writer import ReportWriter
from webhook.kube.api import Api
from webhook.kube.install_record import InstallRecord
from webhook.kube.listing import SMALL_PAGE, ListProgress, ObjectLister
from webhook.kube.preview_setting import build_setting
from webhook.kube.unsupported_kinds import unsupported_kind_notes
from webhook.metrics import CUSTOM, Metrics
from webhook.model.kinds import POD_MAKERS
from webhook.review.existing_objects import existing_objects
from webhook.rules import RULES

logger = logging.getLogger(__name__)

# A user who fixes a Deployment soon sees it leave the report. For 10,000 objects a scan costs a third of a percent of
# a core.
SCAN_SECONDS: Final = 600.0
# Spreads the scans of replicas and clusters.
JITTER_SECONDS: Final = 30.0
# After a start or an edit of the policy file: another edit may follow, and more urgent work comes first.
SETTLE_SECONDS: Final = 2.0
# How soon the scanner notices that this replica leads.
LOOK_SECONDS: Final = 5.0
LONGEST_REST_SECONDS: Final = 1.0
# A hundred times the cost of the built-in rules, and too short to delay other threads noticeably.
SLOW_OBJECT_SECONDS: Final = 0.01


class ScanIncomplete(Exception):  # noqa: N818 (a state of the cluster)
    """Some objects could not be listed, and may be at the next scan; the message names them."""


class ScanInterrupted(Exception):  # noqa: N818 (nothing went wrong)
    """This replica does not lead any more, or stops."""


class Scanner:
    """Scans while this replica leads."""

    def __init__(
        self,
        api: Api,
        *,
        is_leader: Callable[[], bool],
        policies: PolicyStore,
        report_writer: ReportWriter,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._is_leader = is_leader
        self._policies = policies
        self._epoch = InstallRecord(api, own_namespace=own_namespace)
        self._report_writer = report_writer
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._wake = Event()
        self._stopped = Event()
        self._page_began = 0.0
        self._last_unseen: tuple[str, ...] = ()
        self._last_unread: tuple[str, ...] = ()

    def start(self) -> None:
        """Start scanning on its own thread."""
        Thread(target=self._run, name="scanner", daemon=True).start()

    def stop(self) -> None:
        """Stop after the current page."""
        self._stopped.set()
        self._wake.set()

    def scan_soon(self) -> None:
        """Scan soon, because the policy file changed."""
        self._wake.set()

    def _run(self) -> None:
        due = monotonic() + SETTLE_SECONDS
        while not self._stopped.is_set():
            if self._wake.wait(wait_seconds(due - monotonic())):
                self._wake.clear()
                due = min(due, monotonic() + SETTLE_SECONDS)
            elif monotonic() >= due and self._is_leader():
                self._try()
                due = monotonic() + SCAN_SECONDS + uniform(0, JITTER_SECONDS)  # noqa: S311 (no secret)

    def _try(self) -> None:
        try:
            self.scan()
        except ScanInterrupted:
            logger.info("another replica continues the scan")
        except Exception as error:  # noqa: BLE001 (the next one may go better)
            self._metrics.scan_failures.inc()
            logger.warning("a scan failed, and the reports do not change: %s", error)

    def scan(self) -> None:
        """Scan once, and publish the result. Raises ApiError, AuditLogUnwritable, ScanIncomplete, ScanInterrupted."""
        loaded = self._policies.current
        if loaded is None:
            return
        if loaded.policy.reports == "off":
            self._metrics.forget_scan()
            self._report_writer.clear(loaded)
            return
        begun = monotonic()
        found = self._preview(loaded)
        self._report_writer.write(found, loaded, check_running=self._check_running)
        self._count(found, monotonic() - begun, digest=loaded.digest)

    def _preview(self, loaded: Loaded) -> Preview:
        """Return the result of the policy for all existing objects."""
        extra = loaded.policy.workloads.extra_by_kind
        listing = ObjectLister(
            self._api, makers=(*POD_MAKERS, *extra.values()), size=SMALL_PAGE, on_page=self._pause_after_page
        )
        self._page_began = monotonic()
        namespaces = listing.namespaces() or {}
        where = build_setting(self._own_namespace, self._now(), namespaces.values(), self._epoch.read(self._api))
        objects = self._throttled(existing_objects(listing.objects(), listing.unlisted, extra=extra))
        [found] = preview(objects, [loaded.policy], where)
        if listing.failed:
            raise ScanIncomplete("; ".join(listing.unlisted))
        if tuple(listing.unlisted) != self._last_unseen:
            self._last_unseen = tuple(listing.unlisted)
            logger.warning("the scan does not read: %s", "; ".join(self._last_unseen) or "nothing any more")
        if (unread := tuple(unsupported_kind_notes(self._api, extra))) != self._last_unread:
            self._last_unread = unread
            logger.info("kinds of this cluster that catflap does not read: %s", "; ".join(unread) or "none now")
        return found

    def _throttled(self, objects: Iterable[ExistingObject]) -> Iterator[ExistingObject]:
        """Yield the objects, with a pause after each one that took long to judge, as a custom rule blocks all threads.

        Raises ScanInterrupted.
        """
        for one in objects:
            begun = monotonic()
            yield one
            if (took := monotonic() - begun) > SLOW_OBJECT_SECONDS:
                self._stopped.wait(min(took, LONGEST_REST_SECONDS))
                self._check_running()

    def _pause_after_page(self, _seen: ListProgress) -> None:
        """Pause for as long as the last page took. Raises ScanInterrupted."""
        self._stopped.wait(min(monotonic() - self._page_began, LONGEST_REST_SECONDS))
        self._check_running()
        self._page_began = monotonic()

    def _check_running(self) -> None:
        """Raise ScanInterrupted if the scan must not continue."""
        if self._stopped.is_set() or not self._is_leader():
            raise ScanInterrupted

    def _count(self, found: Preview, seconds: float, *, digest: str) -> None:
        counts = Counter((row.rule if row.rule in RULES else CUSTOM, row.effect) for row in found.rows)
        for rule in (*RULES, CUSTOM):
            for effect in Effect:
                self._metrics.scan_violations.labels(rule, effect).set(counts[rule, effect])
        self._metrics.scan_objects.set(found.objects)
        self._metrics.scan_seconds.set(seconds)
        self._metrics.scan_completed.set(self._now().timestamp())
        self._metrics.scan_policy.clear()
        self._metrics.scan_policy.labels(digest).set(1)
        logger.info(
            "scanned %d objects of %d owners in %.1f s: %d violations",
            found.objects,
            found.owners,
            seconds,
            len(found.rows),
        )


def wait_seconds(left: float) -> float:
    """Return how long to wait before checking again whether a scan is due in `left` seconds."""
    return min(left, LOOK_SECONDS) if left > 0 else LOOK_SECONDS
