"""Refusals and repairs on the way of requests, told as Events by a thread of their own: no request waits for one."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from queue import Empty, Full, Queue
from threading import Thread
from time import monotonic

from webhook.guard.message import violation_line
from webhook.kube.api import ApiError
from webhook.kube.events import Happened, policy_file, restored
from webhook.kube.policies import Outcome
from webhook.kube.series import Series, Statement, Told
from webhook.metrics import Metrics
from webhook.model.decision import Decision, Verdict
from webhook.model.request import Operation, PolicyObject, Request
from webhook.model.rule import Violation
from webhook.model.workload import Owner, Workload
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

# What waits while one Event is written, at most a few seconds; one takes less than 2 kB.
MOST_WAITING = 1000
# How far the count that people see may be behind.
CATCH_UP_SECONDS = 60.0

Announce = Callable[[Statement], None]


def nobody(_statement: Statement) -> None:
    """Tell nobody."""


class Announcer:
    """Tells what it is given, in the background; what is too much is dropped and counted."""

    def __init__(self, series: Series, *, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._series = series
        self._metrics = metrics
        self._now = now
        self._waiting: Queue[Statement] = Queue(MOST_WAITING)
        self._failing = False

    def start(self) -> None:
        """Begin, on a thread of its own."""
        Thread(target=self._work, name="announcer", daemon=True).start()

    def announce(self, statement: Statement) -> None:
        """Have a statement told; never waits, never raises."""
        try:
            self._waiting.put_nowait(statement)
        except Full:
            self._metrics.events[Told.DROPPED].inc()

    def _work(self) -> None:
        due = monotonic() + CATCH_UP_SECONDS
        while True:
            with suppress(Empty):
                self.tell(self._waiting.get(timeout=max(0.0, due - monotonic()) if self._series.behind else None))
            if monotonic() >= due:
                due = monotonic() + CATCH_UP_SECONDS
                self._try(self._series.catch_up)

    def tell(self, statement: Statement) -> None:
        """Tell one statement now, and count what became of it; never raises."""
        told = self._try(lambda: self._series.tell(statement, self._now()))
        if told is not None:
            self._metrics.events[told].inc()

    def _try(self, act: Callable[[], Told | None]) -> Told | None:
        """What comes of it; a failure is counted, and the first one in a row is told."""
        try:
            done = act()
        except Exception as error:
            if not self._failing:
                logger.warning("no Event: %s", error, exc_info=not isinstance(error, ApiError))
            self._failing = True
            return Told.FAILED
        if done is Told.CREATED:
            self._failing = False
        return done


def refused(request: Request, decision: Decision) -> Statement | None:
    """What is told of a decision: of a refusal that somebody else than the caller may have to hear of; None of others.

    It is about what stands: the owner that a controller made a Pod for, else the object that was to be changed, else the
    namespace. A dry run changes nothing, and what could not be found out (503) says nothing of the object.
    """
    if request.policy_file_deleted and not request.dry_run:
        return deletion(request, decision)
    if decision.verdict is not Verdict.DENIED or request.dry_run or not request.target.namespace:
        return None
    subject = request.subject
    if subject is None:
        return None
    owner = owner_of(request)
    what = f"a {subject.kind} of {owner.kind} {owner.name}" if owner else f"{subject.kind} {subject.name}"
    reason = "WorkloadRefused" if request.workload else "NetworkPolicyRefused"
    happened = Happened(reason, "Refuse", f"{what} was refused: {faults(decision.denied)}")
    return Statement(standing(request, subject), happened, owner)


def deletion(request: Request, decision: Decision) -> Statement | None:
    """What is told of a deletion of the policy file, whether it was refused or not; None of a ConfigMap elsewhere."""
    if decision.verdict not in {Verdict.DENIED, Verdict.EXEMPT}:
        return None
    allowed = decision.verdict is Verdict.EXEMPT
    did = f"deletes it ({decision.reason})" if allowed else "was refused its deletion"
    happened = Happened(
        "PolicyFileDeleted" if allowed else "PolicyFileDeletionRefused", "Delete", f"user {request.user.name} {did}"
    )
    return Statement(policy_file(request.target.namespace), happened)


def owner_of(request: Request) -> Owner | None:
    """Whom something was made for: believed of Kubernetes' own controllers only, for anyone can write ownerReferences."""
    made = request.operation is Operation.CREATE and request.user.is_controller and request.workload is not None
    return request.workload.owner if made and request.workload else None


def standing(request: Request, subject: Workload | PolicyObject) -> Manifest:
    """What a refusal is about, where no owner is: the object, if it stands already, else the namespace.

    An Event about what is in no namespace would lie in `default`, where the namespace's people do not look.
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


def faults(violations: tuple[Violation, ...]) -> str:
    """All faults on one line."""
    return "; ".join(map(violation_line, violations))


def mended(manifest: Manifest, outcome: Outcome) -> Statement:
    """What is told of a policy that was put right."""
    return Statement(manifest, restored(manifest, outcome))
