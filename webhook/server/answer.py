"""The bytes of a review to the bytes of an answer; both lanes call nothing else."""

import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from time import monotonic, perf_counter_ns
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from webhook.audit.chain import Link
from webhook.audit.log import AuditLog
from webhook.audit.record import decision_record, utc_now
from webhook.audit.sink import AuditLogUnwritable
from webhook.config.apart import ReadingTooSlowError
from webhook.config.parse import Loaded
from webhook.config.store import PolicyStore
from webhook.custom.judging import price_of_all
from webhook.guard.amend import amend
from webhook.guard.decide import decide, unavailable
from webhook.guard.explaining import explained
from webhook.kube.identity import Acting
from webhook.metrics import Metrics
from webhook.model.abbreviation import shortened
from webhook.model.authentication import Authentication
from webhook.model.decision import (
    ClusterQuestion,
    Decision,
    FaultsWanted,
    Findings,
    ForesightWanted,
    Known,
    Phase,
    Question,
)
from webhook.model.identity import chart_accounts
from webhook.model.kinds import NO_EXTRA_KINDS
from webhook.model.reason import ReasonCode
from webhook.model.request import Request
from webhook.review.beginning import beginning
from webhook.review.decode import AdmissionRequest, BadReview, envelope, without_objects
from webhook.review.decode import parse as parse_request
from webhook.review.encode import encode_mutation, encode_validation
from webhook.server.annotations import annotations
from webhook.server.announcing import Announce, nobody, refused
from webhook.server.examining import NO_FILE, violations_in
from webhook.server.fairness import Share, share_of
from webhook.server.intake import TOO_LARGE, UNREAD, Reply, Unread, bad_review
from webhook.server.patience import REQUEST_SECONDS, LateReviews
from webhook.server.probe import is_probe, probed
from webhook.server.unavailable import Unavailable

logger = logging.getLogger(__name__)

NO_POLICY = unavailable(ReasonCode.NO_POLICY_FILE, "no policy file is in force yet")
OUR_FAULT = unavailable(ReasonCode.INTERNAL_ERROR, "an error of catflap's own, see its log")
TOO_MANY = unavailable(
    ReasonCode.TOO_MANY_REQUESTS, "too many requests wait for the API server, or for the audit log's disk"
)
TOO_MANY_HEAVY = unavailable(ReasonCode.TOO_MANY_REQUESTS, "too many requests wait that take long to be judged")
TOO_LATE = unavailable(ReasonCode.TIMEOUT, "it waited too long to be judged")
NOT_TOLD = unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "the cluster could not be asked, see catflap's log")
NOT_RECORDED = unavailable(ReasonCode.AUDIT_LOG_UNWRITABLE, "the audit log cannot be written")

# Of both objects of a review. Decoding and deciding take 20 ms for 1 MiB of a workload and 100 ms for 1 MiB of a network policy
# (benchmarks/fuzzing.py), so as much takes 3 ms at most. Few Pods have 10 KiB.
LIGHT_BYTES = 1 << 15
# Of all custom rules together (webhook.custom.cost): 0.1 ms as a rule, 25 ms where an expression does nothing but what is dear.
LIGHT_PRICE = 5_000_000

Clock = Callable[[], datetime]


class Cluster(Protocol):
    """Whom to ask what the request itself does not tell."""

    def ask(self, question: ClusterQuestion, known: Known, loaded: Loaded, *, until: float) -> Known:
        """`known` with the answer to `question` added; may block, not beyond `until` on the monotonic clock.

        Raises Unavailable.
        """


class Waiting(Struct, frozen=True):
    """An answer that takes more time than the event loop has: `finish` is the next step towards it, in a thread.

    A step that is `heavy` computes for up to two seconds and waits for nothing; any other waits for the API server or the disk. A
    step may lead to another one. `give_up` refuses at once, for a caller that has no room left to wait in; `share` is whose room
    it takes.
    """

    finish: Callable[[], "Reply | Waiting"]
    give_up: Callable[[], Reply]
    share: Share
    heavy: bool = False


class Case(Struct, frozen=True):
    """One review with the policy that decides it; `begun` is in nanoseconds, `until` on the monotonic clock."""

    phase: Phase
    request: Request
    loaded: Loaded | None
    begun: int
    until: float


class Answerer:
    """Answers reviews under the policy in force.

    `cluster` answers what only the cluster can tell, and raises `Unavailable` where it cannot. `late` counts the reviews that had no
    answer in time, which those find out who send the answers.
    """

    def __init__(
        self,
        *,
        policies: PolicyStore,
        audit: AuditLog,
        metrics: Metrics,
        cluster: Cluster,
        own_namespace: str,
        announce: Announce = nobody,
        acting: Acting | None = None,
        now: Clock = utc_now,
    ) -> None:
        self.late = LateReviews()
        self._policies = policies
        self._audit = audit
        self._metrics = metrics
        self._cluster = cluster
        self._own_namespace = own_namespace
        self._announce = announce
        self._acting = acting or Acting(chart_accounts(own_namespace))
        self._now = now

    def answer(
        self,
        phase: Phase,
        body: bytes | Unread,
        authentication: Authentication = Authentication.NONE,
        *,
        until: float | None = None,
    ) -> Reply | Waiting:
        """The reply to one review, at once where it is small and nothing has to be asked; never raises.

        `authentication` is how its sender proved to be the API server; `until` is when the answer must be there, on the monotonic clock.
        """
        begun, until = perf_counter_ns(), monotonic() + REQUEST_SECONDS if until is None else until
        if isinstance(body, Unread):
            return self._beginning_answered(phase, body, authentication, begun, until)
        loaded = self._policies.current  # the one to decode by and to decide by
        try:
            asked = envelope(body)
        except BadReview as bad:
            return self._bad(bad)
        request = replace(without_objects(asked), authentication=authentication)
        if is_probe(request):
            return Reply(
                HTTPStatus.OK, probed(request, ready=loaded is not None, user=self._acting.user, late=str(self.late))
            )
        case = Case(phase, request, loaded, begun, until)
        if asked.size <= LIGHT_BYTES:
            return self._judged(case, asked, is_light=True)
        return self._heavy(case, lambda: self._judged(case, asked, is_light=False))

    def _beginning_answered(
        self, phase: Phase, unread: Unread, authentication: Authentication, begun: int, until: float
    ) -> Reply | Waiting:
        """The reply to a review that is too large to be read: each rule that would judge its objects has a fault."""
        try:
            request = replace(beginning(unread.head, UNREAD), authentication=authentication)
        except BadReview:
            return self.refuse(TOO_LARGE)
        case, known = Case(phase, request, self._policies.current, begun, until), Known(findings=Findings())
        return self._led(case, self._decide(case, known), known)

    def close(self) -> None:
        """End the audit log in order: nothing is answered after that."""
        self._audit.stop()

    def refuse(self, reply: Reply) -> Reply:
        """Count a review that was refused before it was parsed."""
        self._metrics.bad_reviews[reply.status].inc()
        return reply

    def _judged(self, case: Case, asked: AdmissionRequest, *, is_light: bool) -> Reply | Waiting:
        """The reply to a review whose objects are not decoded yet, or the next step; a light one is on the event loop."""
        loaded = case.loaded
        try:
            request = parse_request(asked, loaded.policy.workloads.extra_by_resource if loaded else NO_EXTRA_KINDS)
        except BadReview as bad:
            return self._bad(bad)
        if loaded is None and (request.policy_file is not None or request.policy_file_deleted):
            loaded = NO_FILE  # a good file is how to mend that, so it must not be waited for
        request = replace(request, authentication=case.request.authentication)
        case, known = replace(case, request=request, loaded=loaded), Known(findings=Findings())
        if is_light and loaded and price_of_all(request, loaded.policy, known) > LIGHT_PRICE:
            return self._heavy(case, lambda: self._led(case, self._decide(case, known), known))
        return self._led(case, self._decide(case, known), known)

    def _heavy(self, case: Case, compute: Callable[[], Reply | Waiting]) -> Waiting:
        """A step that computes, which is not begun where it comes too late."""
        return Waiting(
            finish=lambda: compute() if monotonic() < case.until else self._reply(case, TOO_LATE, settled=False),
            give_up=lambda: self._reply(case, TOO_MANY_HEAVY, settled=False),
            share=share_of(case.request),
            heavy=True,
        )

    def _led(self, case: Case, found: Decision | Question, known: Known) -> Reply | Waiting:
        """The reply, or the step that leads to it."""
        if isinstance(found, Decision) and not self._audit.may_block:
            return self._reply(case, found)
        if isinstance(found, FaultsWanted):
            return self._heavy(case, lambda: self._examined(case, found.text, known))
        return Waiting(
            finish=lambda: self._reply(case, self._ask(case, found, known)),
            give_up=lambda: self._reply(case, TOO_MANY, settled=False),
            share=share_of(case.request),
        )

    def _examined(self, case: Case, text: str, known: Known) -> Reply | Waiting:
        """The reply, or the next step, once it is known what is wrong with a policy file."""
        try:
            known = replace(known, faults=violations_in(text, seconds=case.until - monotonic()))
        except ReadingTooSlowError:
            return self._reply(case, TOO_LATE, settled=False)
        return self._led(case, self._decide(case, known), known)

    def _bad(self, bad: BadReview) -> Reply:
        return self.refuse(bad_review(HTTPStatus.BAD_REQUEST, str(bad)))

    def _decide(self, case: Case, known: Known) -> Decision | Question:
        request, loaded = case.request, case.loaded
        if loaded is None:
            return NO_POLICY
        try:
            if case.phase is Phase.MUTATE:
                return amend(request, loaded.policy, own_namespace=self._own_namespace)
            own, accounts, at = self._own_namespace, self._acting.accounts, self._now()
            found = decide(request, loaded.policy, own_namespace=own, own_accounts=accounts, known=known, at=at)
            return explained(found, request, loaded.policy) if isinstance(found, Decision) else found
        except Exception:
            logger.exception("no decision on %s", shortened(request.uid))
            return OUR_FAULT

    def _ask(self, case: Case, question: Decision | Question, known: Known) -> Decision:
        try:
            while not isinstance(question, Decision):
                assert case.loaded is not None  # without a file there is a decision
                assert not isinstance(question, FaultsWanted)  # which is the first question on a policy file
                learned = self._learn(case, case.loaded, question, known)
                known = replace(learned, faults=known.faults, findings=known.findings)  # the cluster does not know them
                question = self._decide(case, known)
        except Unavailable as bad:
            return unavailable(bad.code, str(bad)) if is_authenticated(case) else self._told_nothing(case, bad)
        except Exception:
            logger.exception("no decision on %s", shortened(case.request.uid))
            return OUR_FAULT
        return question

    def _learn(self, case: Case, loaded: Loaded, question: ClusterQuestion, known: Known) -> Known:
        """`known` with the answer to a question; nothing is foretold to a sender who may be anybody.  Raises Unavailable."""
        if isinstance(question, ForesightWanted) and not is_authenticated(case):
            return replace(known, foreseen=())
        return self._cluster.ask(question, known, loaded, until=case.until)

    def _told_nothing(self, case: Case, bad: Unavailable) -> Decision:
        """What a sender who may be anybody reads of a failure: it may quote what the API server says to us."""
        logger.warning("no decision on %s: %s", case.request.uid, bad)
        return NOT_TOLD

    def _reply(self, case: Case, decision: Decision, *, settled: bool = True) -> Reply:
        phase, request = case.phase, case.request
        digest = case.loaded.digest if case.loaded else ""
        elapsed = perf_counter_ns() - case.begun
        link: Link | None = None
        try:
            at, took = self._now(), elapsed // 1000
            record = decision_record(phase, request, decision, policy_digest=digest, at=at, microseconds=took)
            link = self._audit.append(record, settled=settled)
        except AuditLogUnwritable:  # which the log itself tells
            decision = NOT_RECORDED
        self._metrics.decisions[phase, decision.verdict].inc()
        self._metrics.found(decision)
        self._metrics.latency[phase].observe(elapsed / 1e9)
        if (told := refused(request, decision)) is not None:
            self._announce(told)
        if phase is Phase.MUTATE:
            return Reply(HTTPStatus.OK, encode_mutation(request, decision))
        return Reply(
            HTTPStatus.OK, encode_validation(request, decision, annotations=annotations(decision, digest, link))
        )


def is_authenticated(case: Case) -> bool:
    """Whether the sender of a review proved to be the API server."""
    return case.request.authentication is not Authentication.NONE
