"""Reports as they stand, made to say what a scan found: what differs is written, what has no subject any more is removed."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from threading import Event
from typing import Final

from msgspec import Struct

from webhook.config.parse import Loaded
from webhook.controller.openreports import over, report
from webhook.controller.recording import Recording
from webhook.guard.preview import Preview, Row
from webhook.kube.api import CONFLICT, NOT_FOUND, Api, ApiError, Json
from webhook.kube.reports import API_VERSION, collection_of, ours, path, remove, served
from webhook.metrics import Metrics
from webhook.model.reason import Reason, ReasonCode

logger = logging.getLogger(__name__)

# The first scan of a large cluster writes as many reports as there are namespaces; nobody waits for them.
PAUSE_SECONDS: Final = 0.1
# The namespace goes, or somebody was faster; the next scan sees what stands then.
PASSING: Final = frozenset({HTTPStatus.FORBIDDEN, NOT_FOUND, CONFLICT})


class Subject(Struct, frozen=True):
    """What a report is about: so many owners of a namespace, and their faults."""

    owners: int
    rows: Sequence[Row]


class Reporting:
    """Writes reports where the cluster takes them; `pause` waits between two writes."""

    def __init__(
        self,
        api: Api,
        *,
        recording: Recording,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._api = api
        self._recording = recording
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._pause = pause or Event().wait
        self._served: bool | None = None

    def write(self, found: Preview, loaded: Loaded, *, go_on: Callable[[], None] = lambda: None) -> None:
        """See that each namespace's report says what was found there; `go_on` is called before each write, and may raise.

        Raises ApiError, AuditLogUnwritable.
        """
        self._settle(self._subjects(found, loaded), loaded, go_on)

    def clear(self, loaded: Loaded) -> None:
        """Remove every report of ours.  Raises ApiError, AuditLogUnwritable."""
        self._settle({}, loaded, lambda: None)

    def _subjects(self, found: Preview, loaded: Loaded) -> dict[str, Subject]:
        """What there is to report on, by namespace; what is exempt, and catflap itself, is not judged."""
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in found.rows:
            rows[row.owner.namespace].append(row)
        return {
            space: Subject(owners, rows.get(space, ()))
            for space, owners in found.owners_in.items()
            if space != self._own_namespace and not loaded.policy.namespaces.exempts(space)
        }

    def _settle(self, subjects: dict[str, Subject], loaded: Loaded, go_on: Callable[[], None]) -> None:
        self._recording.require()
        if not self._is_served():
            return
        for stored in ours(self._api):
            subject = subjects.pop(stored["metadata"].get("namespace", ""), None)
            if subject is None:
                self._try(self._remove, stored, loaded, go_on)
                continue
            space = stored["metadata"].get("namespace", "")
            wanted = over(report(space, subject.owners, subject.rows, self._now()), stored)
            if wanted != stored:
                self._try(self._replace, wanted, loaded, go_on)
        for space, subject in subjects.items():
            self._try(self._create, report(space, subject.owners, subject.rows, self._now()), loaded, go_on)

    def _is_served(self) -> bool:
        """Whether the cluster takes reports; that it does not is told once."""
        before, self._served = self._served, served(self._api)
        if before is not self._served:
            logger.info(
                "%s is %s here", API_VERSION, "served" if self._served else "not served, so no report is written"
            )
        return self._served

    def _try(self, act: Callable[[Json], str], one: Json, loaded: Loaded, go_on: Callable[[], None]) -> None:
        """Write one report, on record; one that cannot be written now must not keep the others from it."""
        go_on()
        try:
            outcome = act(one)
        except ApiError as error:
            if error.status not in PASSING:
                raise
            logger.info("report on %s is not written: %s", one["metadata"].get("namespace", "the cluster"), error)
            return
        finally:
            self._pause(PAUSE_SECONDS)
        if outcome:
            self._metrics.reports_written[outcome].inc()
            why, verb = REASONS[outcome]
            self._recording.record(one, policy_digest=loaded.digest, why=why, verb=verb)

    def _create(self, wanted: Json) -> str:
        return "created" if self._api.create(collection_of(wanted), wanted) is not None else ""

    def _replace(self, wanted: Json) -> str:
        self._api.replace(path(wanted), wanted)
        return "updated"

    def _remove(self, stored: Json) -> str:
        return "removed" if remove(self._api, stored) else ""


# What the record of a write says, and what kind of write it was.
REASONS: Final[Mapping[str, tuple[Reason, str]]] = {
    "created": (Reason(ReasonCode.REPORT_CREATED, "created: a scan found something to report on"), "create"),
    "updated": (Reason(ReasonCode.REPORT_UPDATED, "updated: a scan found something else"), "update"),
    "removed": (Reason(ReasonCode.REPORT_REMOVED, "removed: there is nothing to report on"), "delete"),
}
