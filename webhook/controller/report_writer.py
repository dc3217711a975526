"""Brings the stored reports in line with a scan: writes those that differ, removes those without a subject."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from threading import Event
from typing import Final

from msgspec import Struct

from webhook.admission.preview import Preview, PreviewRow
from webhook.config.parse import Loaded
from webhook.controller.openreports import merge_report, report
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import CONFLICT, NOT_FOUND, Api, ApiError, Json
from webhook.kube.reports import API_VERSION, collection_of, delete_report, is_served, own_reports, path
from webhook.metrics import Metrics
from webhook.model.reason import Reason, ReasonCode

logger = logging.getLogger(__name__)

# The first scan of a large cluster writes one report per namespace. These writes are not urgent.
PAUSE_SECONDS: Final = 0.1
# The namespace terminates, or another replica wrote first. The next scan reads the new state.
PASSING: Final = frozenset({HTTPStatus.FORBIDDEN, NOT_FOUND, CONFLICT})


class ReportSubject(Struct, frozen=True):
    """The contents of a report: the number of owners in a namespace, and their violations."""

    owners: int
    rows: Sequence[PreviewRow]


class ReportWriter:
    """Writes reports if the cluster serves their API; `pause` waits between two writes."""

    def __init__(
        self,
        api: Api,
        *,
        recorder: WriteRecorder,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._pause = pause or Event().wait
        self._served: bool | None = None

    def write(self, found: Preview, loaded: Loaded, *, check_running: Callable[[], None] = lambda: None) -> None:
        """Write the report of each namespace; `check_running` is called before each write, and may raise.

        Raises ApiError, AuditLogUnwritable.
        """
        self._reconcile(self._subjects(found, loaded), loaded, check_running)

    def clear(self, loaded: Loaded) -> None:
        """Remove all of catflap's reports. Raises ApiError, AuditLogUnwritable."""
        self._reconcile({}, loaded, lambda: None)

    def _subjects(self, found: Preview, loaded: Loaded) -> dict[str, ReportSubject]:
        """Return the subjects by namespace, without exempt namespaces and catflap's own."""
        rows: dict[str, list[PreviewRow]] = defaultdict(list)
        for row in found.rows:
            rows[row.owner.namespace].append(row)
        return {
            space: ReportSubject(owners, rows.get(space, ()))
            for space, owners in found.owners_in.items()
            if space != self._own_namespace and not loaded.policy.namespaces.exempts(space)
        }

    def _reconcile(self, subjects: dict[str, ReportSubject], loaded: Loaded, check_running: Callable[[], None]) -> None:
        self._recorder.require()
        if not self._is_served():
            return
        for stored in own_reports(self._api):
            subject = subjects.pop(stored["metadata"].get("namespace", ""), None)
            if subject is None:
                self._try(self._remove, stored, loaded, check_running)
                continue
            space = stored["metadata"].get("namespace", "")
            wanted = merge_report(report(space, subject.owners, subject.rows, self._now()), stored)
            if wanted != stored:
                self._try(self._replace, wanted, loaded, check_running)
        for space, subject in subjects.items():
            self._try(self._create, report(space, subject.owners, subject.rows, self._now()), loaded, check_running)

    def _is_served(self) -> bool:
        """Return whether the cluster serves the API of reports; log a change once."""
        before, self._served = self._served, is_served(self._api)
        if before is not self._served:
            logger.info(
                "%s is %s here", API_VERSION, "served" if self._served else "not served, so catflap writes no report"
            )
        return self._served

    def _try(self, act: Callable[[Json], str], one: Json, loaded: Loaded, check_running: Callable[[], None]) -> None:
        """Write and record one report; a transient failure does not prevent the other reports."""
        check_running()
        try:
            outcome = act(one)
        except ApiError as error:
            if error.status not in PASSING:
                raise
            logger.info("cannot write the report on %s: %s", one["metadata"].get("namespace", "the cluster"), error)
            return
        finally:
            self._pause(PAUSE_SECONDS)
        if outcome:
            self._metrics.reports_written[outcome].inc()
            why, verb = REASONS[outcome]
            self._recorder.record(one, policy_digest=loaded.digest, why=why, verb=verb)

    def _create(self, wanted: Json) -> str:
        return "created" if self._api.create(collection_of(wanted), wanted) is not None else ""

    def _replace(self, wanted: Json) -> str:
        self._api.replace(path(wanted), wanted)
        return "updated"

    def _remove(self, stored: Json) -> str:
        return "removed" if delete_report(self._api, stored) else ""


# The reason and the verb in the record of each write.
REASONS: Final[Mapping[str, tuple[Reason, str]]] = {
    "created": (Reason(ReasonCode.REPORT_CREATED, "created: a scan found results"), "create"),
    "updated": (Reason(ReasonCode.REPORT_UPDATED, "updated: the results of the scan changed"), "update"),
    "removed": (Reason(ReasonCode.REPORT_REMOVED, "removed: the report has no results"), "delete"),
}
