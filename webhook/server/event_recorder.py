"""Kubernetes Events about refusals and repairs, written by a background thread so that no request waits for them."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from queue import Empty, Full, Queue
from threading import Thread
from time import monotonic

from webhook.admission.message import violation_line
from webhook.kube.api import ApiError
from webhook.kube.event_series import EventOutcome, EventRequest, EventSeriesRecorder
from webhook.kube.events import EventDetails, policy_file_reference, repair_details
from webhook.kube.policies import WriteOutcome
from webhook.metrics import Metrics
from webhook.model.decision import Decision, Verdict
from webhook.model.request import Operation, PolicyObject, Request
from webhook.model.rule import Violation
from webhook.model.workload import Owner, Workload
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

# Events that wait while one is written, which takes at most a few seconds. Each takes less than 2 kB of memory.
MAX_WAITING = 1000
# The count of an Event that users see lags by at most this time.
CATCH_UP_SECONDS = 60.0

RecordEvent = Callable[[EventRequest], None]


def discard_event(_request: EventRequest) -> None:
    """Record nothing: the recorder of a process without a cluster."""


class EventRecorder:
    """Writes Events in the background; drops and counts those for which the queue has no room."""

    def __init__(self, series: EventSeriesRecorder, *, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._series = series
        self._metrics = metrics
        self._now = now
        self._waiting: Queue[EventRequest] = Queue(MAX_WAITING)
        self._failing = False

    def start(self) -> None:
        """Start the background thread."""
        Thread(target=self._work, name="announcer", daemon=True).start()

    def record(self, request: EventRequest) -> None:
        """Queue an Event; never waits and never raises."""
        try:
            self._waiting.put_nowait(request)
        except Full:
            self._metrics.events[EventOutcome.DROPPED].inc()

    def _work(self) -> None:
        due = monotonic() + CATCH_UP_SECONDS
        while True:
            with suppress(Empty):
                self.write(
                    self._waiting.get(
                        timeout=max(0.0, due - monotonic()) if self._series.has_unwritten_counts else None
                    )
                )
            if monotonic() >= due:
                due = monotonic() + CATCH_UP_SECONDS
                self._try(self._series.write_counts)

    def write(self, request: EventRequest) -> None:
        """Write one Event now and count its outcome; never raises."""
        outcome = self._try(lambda: self._series.record(request, self._now()))
        if outcome is not None:
            self._metrics.events[outcome].inc()

    def _try(self, act: Callable[[], EventOutcome | None]) -> EventOutcome | None:
        """Return the outcome of a write; log the first failure of consecutive ones."""
        try:
            done = act()
        except Exception as error:
            if not self._failing:
                logger.warning("cannot write an Event: %s", error, exc_info=not isinstance(error, ApiError))
            self._failing = True
            return EventOutcome.FAILED
        if done is EventOutcome.CREATED:
            self._failing = False
        return done


def refusal_event(request: Request, decision: Decision) -> EventRequest | None:
    """Return the Event about a refusal that other people than the caller need to see, or None.

    The Event refers to an existing object: the owner of a Pod that a controller creates, else the object that the request
    changes, else the namespace. There is no Event about a dry run, which changes nothing, and none about a failed lookup (503),
    which says nothing about the object.
    """
    if request.policy_file_deleted and not request.dry_run:
        return policy_file_deletion_event(request, decision)
    if decision.verdict is not Verdict.DENIED or request.dry_run or not request.target.namespace:
        return None
    subject = request.subject
    if subject is None:
        return None
    owner = trusted_owner(request)
    what = f"a {subject.kind} of {owner.kind} {owner.name}" if owner else f"{subject.kind} {subject.name}"
    reason = "WorkloadRefused" if request.workload else "NetworkPolicyRefused"
    happened = EventDetails(reason, "Refuse", f"{what} was rejected: {violations_line(decision.denied)}")
    return EventRequest(involved_object(request, subject), happened, owner)


def policy_file_deletion_event(request: Request, decision: Decision) -> EventRequest | None:
    """Return the Event about an allowed or refused deletion of the policy file; None for a ConfigMap in another namespace."""
    if decision.verdict not in {Verdict.DENIED, Verdict.EXEMPT}:
        return None
    allowed = decision.verdict is Verdict.EXEMPT
    did = (
        (f"deletes the policy file ({decision.reason})")
        if allowed
        else "may not delete the policy file: the request was rejected"
    )
    happened = EventDetails(
        "PolicyFileDeleted" if allowed else "PolicyFileDeletionRefused", "Delete", f"user {request.user.name} {did}"
    )
    return EventRequest(policy_file_reference(request.target.namespace), happened)


def trusted_owner(request: Request) -> Owner | None:
    """Return the owner that a Kubernetes controller creates an object for.

    Other callers have none, as any user can write ownerReferences.
    """
    made = request.operation is Operation.CREATE and request.user.is_controller and request.workload is not None
    return request.workload.owner if made and request.workload else None


def involved_object(request: Request, subject: Workload | PolicyObject) -> Manifest:
    """Return the object that an Event without an owner refers to: the object if it exists already, else the namespace.

    The reference to the namespace has that namespace itself as its namespace. Otherwise the Event would be stored in `default`,
    where the users of the namespace do not look.
    """
    space = request.target.namespace
    if request.operation is Operation.CREATE:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"namespace": space, "name": space}}
    api_version = f"{request.target.group}/{request.target.version}".lstrip("/")
    uid = request.workload.uid if request.workload else ""
    return {
        "apiVersion": api_version,
        "kind": subject.kind,
        "metadata": {"namespace": space, "name": subject.name, "uid": uid},
    }


def violations_line(violations: tuple[Violation, ...]) -> str:
    """Return all violations on one line."""
    return "; ".join(map(violation_line, violations))


def repaired_event(manifest: Manifest, outcome: WriteOutcome) -> EventRequest:
    """Return the Event about a policy that catflap restored."""
    return EventRequest(manifest, repair_details(manifest, outcome))
