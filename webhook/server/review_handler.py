"""Handles one review: its bytes become the bytes of an answer. The ASGI app and the WSGI app both call this module."""

import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from time import monotonic, perf_counter_ns
from typing import Any

from msgspec.structs import replace

from webhook.admission.decide import decide, unavailable
from webhook.admission.decision_message import with_message
from webhook.admission.mutate import mutate
from webhook.audit.chain import Link
from webhook.audit.log import AuditLog
from webhook.audit.record import decision_record, utc_now
from webhook.audit.sink import AuditLogUnwritable
from webhook.config.apart import ReadingTooSlowError
from webhook.config.store import PolicyStore
from webhook.kube.identity import ProcessIdentity
from webhook.metrics import Metrics
from webhook.model.abbreviation import shortened
from webhook.model.authentication import Authentication
from webhook.model.decision import Decision, Phase
from webhook.model.identity import chart_accounts
from webhook.model.kinds import NO_EXTRA_KINDS
from webhook.model.reason import ReasonCode
from webhook.model.steps import HeavyWork, PolicyImpactLookup, PolicyValidation, Resumable, Step, resume
from webhook.model.timeouts import REVIEW_SECONDS
from webhook.review.decode import with_objects
from webhook.review.encode import encode_mutation, encode_validation
from webhook.review.envelope import AdmissionRequest, BadReview, envelope, without_objects
from webhook.review.truncated_review import decode_beginning
from webhook.server.answer_deadline import LateReviewCounter
from webhook.server.audit_annotations import audit_annotations
from webhook.server.cluster_lookup import ClusterLookup
from webhook.server.event_recorder import RecordEvent, discard_event, refusal_event
from webhook.server.fair_queue import flow_of
from webhook.server.http_reply import BODY_TOO_LARGE, TRUNCATED_REASON, HttpReply, TruncatedBody, error_reply
from webhook.server.policy_validation import FALLBACK_POLICY, validate_policy_file
from webhook.server.probe import is_probe, probe_response
from webhook.server.review_steps import Deferred, ReviewContext
from webhook.server.unavailable import Unavailable

logger = logging.getLogger(__name__)

NO_POLICY = unavailable(ReasonCode.NO_POLICY_FILE, "the server has not read a valid policy file yet")
INTERNAL_ERROR = unavailable(ReasonCode.INTERNAL_ERROR, "internal error of catflap, see its log")
QUEUE_FULL = unavailable(ReasonCode.OVERLOAD, "too many requests are waiting for the API server or the audit log")
HEAVY_QUEUE_FULL = unavailable(ReasonCode.OVERLOAD, "too many expensive requests are waiting")
DEADLINE_EXCEEDED = unavailable(ReasonCode.TIMEOUT, "the request waited too long")
LOOKUP_FAILED = unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "a lookup in the cluster failed, see the log of catflap")
AUDIT_FAILED = unavailable(ReasonCode.AUDIT_LOG_UNWRITABLE, "cannot write the audit log")

# Both objects of a review together. Decoding and deciding take 20 ms for 1 MiB of a workload and 100 ms for 1 MiB of a network policy
# (benchmarks/fuzzing.py), so 32 KiB take at most 3 ms. Few Pods have 10 KiB.
MAX_LIGHT_BYTES = 1 << 15

Clock = Callable[[], datetime]


class ReviewHandler:
    """Answers reviews under the active policy.

    `lookup` looks facts up in the cluster, and raises `Unavailable` where it cannot. `late_reviews` counts the reviews that had no
    answer in time; the ASGI app and the WSGI app count them, as they send the answers.
    """

    def __init__(
        self,
        *,
        policies: PolicyStore,
        audit: AuditLog,
        metrics: Metrics,
        lookup: ClusterLookup,
        own_namespace: str,
        record_event: RecordEvent = discard_event,
        acting: ProcessIdentity | None = None,
        now: Clock = utc_now,
    ) -> None:
        self.late_reviews = LateReviewCounter()
        self._policies = policies
        self._audit = audit
        self._metrics = metrics
        self._lookup = lookup
        self._own_namespace = own_namespace
        self._record_event = record_event
        self._acting = acting or ProcessIdentity(chart_accounts(own_namespace))
        self._now = now

    def handle(
        self,
        phase: Phase,
        body: bytes | TruncatedBody,
        authentication: Authentication = Authentication.NONE,
        *,
        until: float | None = None,
    ) -> HttpReply | Deferred:
        """Return the reply to one review, or its next step where the review is large or needs a lookup; never raises.

        `authentication` is how the sender proved to be the API server. `until` is the deadline of the answer on the monotonic clock.
        """
        begun, until = perf_counter_ns(), monotonic() + REVIEW_SECONDS if until is None else until
        if isinstance(body, TruncatedBody):
            return self._handle_truncated(phase, body, authentication, begun, until)
        loaded = self._policies.current  # decoding and deciding use the same policy
        try:
            asked = envelope(body)
        except BadReview as bad:
            return self.count_rejected(error_reply(HTTPStatus.BAD_REQUEST, str(bad)))
        request = replace(without_objects(asked), authentication=authentication)
        if is_probe(request):
            return HttpReply(
                HTTPStatus.OK,
                probe_response(request, ready=loaded is not None, user=self._acting.user, late=str(self.late_reviews)),
            )
        context = ReviewContext(phase, request, loaded, begun, until)
        if asked.size <= MAX_LIGHT_BYTES:
            return self._decode_and_decide(context, asked)
        return self._defer_heavy(context, lambda heavy: self._decode_and_decide(heavy, asked))

    def _handle_truncated(
        self, phase: Phase, unread: TruncatedBody, authentication: Authentication, begun: int, until: float
    ) -> HttpReply | Deferred:
        """Return the reply to a review that is too large to be read: each rule about its objects reports a violation."""
        try:
            request = replace(decode_beginning(unread.head, TRUNCATED_REASON), authentication=authentication)
        except BadReview:
            return self.count_rejected(BODY_TOO_LARGE)
        context = ReviewContext(phase, request, self._policies.current, begun, until)
        return self._continue(context, self._decide(context))

    def close(self) -> None:
        """Stop the audit log; no review is answered after that."""
        self._audit.stop()

    def count_rejected(self, reply: HttpReply) -> HttpReply:
        """Count a call that fails before its review is decoded, and return the reply."""
        self._metrics.bad_reviews[reply.status].inc()
        return reply

    def _decode_and_decide(self, context: ReviewContext, asked: AdmissionRequest) -> HttpReply | Deferred:
        """Decode the objects of a review and decide."""
        loaded = context.loaded
        try:
            extra = loaded.policy.workloads.extra_by_resource if loaded else NO_EXTRA_KINDS
            request = with_objects(context.request, asked, extra)
        except BadReview as bad:
            return self.count_rejected(error_reply(HTTPStatus.BAD_REQUEST, str(bad)))
        if loaded is None and request.is_policy_file:
            loaded = FALLBACK_POLICY  # applying a valid file is how a user repairs that
        context = replace(context, request=request, loaded=loaded)
        return self._continue(context, self._decide(context))

    def _decide(self, context: ReviewContext) -> Resumable[Decision]:
        """Decide on a review, with the message of a refusal."""
        request, loaded = context.request, context.loaded
        if loaded is None:
            return NO_POLICY
        try:
            if context.phase is Phase.MUTATE:
                return mutate(request, loaded.policy, own_namespace=self._own_namespace)
            own, accounts, at = self._own_namespace, self._acting.accounts, self._now()
            decision = yield from decide(request, loaded.policy, own_namespace=own, own_accounts=accounts, at=at)
            return with_message(decision, request, loaded.policy)
        except Exception:
            logger.exception("no decision on %s", shortened(request.uid))
            return INTERNAL_ERROR

    def _continue(
        self, context: ReviewContext, deciding: Resumable[Decision], result: Any = None
    ) -> HttpReply | Deferred:
        """Resume a decision with the result of its step; return the reply, or the next step in its queue."""
        step = resume(deciding, result)
        while isinstance(step, HeavyWork) and not context.on_loop:
            step = resume(deciding, None)
        if isinstance(step, HeavyWork):
            return self._defer_heavy(context, lambda heavy: self._continue(heavy, deciding))
        if isinstance(step, PolicyValidation):
            text = step.text
            return self._defer_heavy(context, lambda heavy: self._validate_policy_file(heavy, deciding, text))
        if isinstance(step, Decision) and not self._audit.may_block:
            return self._reply(context, step)
        return Deferred(
            complete=lambda: self._look_up(context, deciding, step),
            reject=lambda: self._reply(context, QUEUE_FULL, settled=False),
            flow=flow_of(context.request),
        )

    def _defer_heavy(
        self, context: ReviewContext, compute: Callable[[ReviewContext], HttpReply | Deferred]
    ) -> Deferred:
        """Return a step that computes, and that only refuses where it begins after the deadline."""
        heavy = replace(context, on_loop=False)
        return Deferred(
            complete=lambda: (
                compute(heavy)
                if monotonic() < context.until
                else self._reply(context, DEADLINE_EXCEEDED, settled=False)
            ),
            reject=lambda: self._reply(context, HEAVY_QUEUE_FULL, settled=False),
            flow=flow_of(context.request),
            is_heavy=True,
        )

    def _validate_policy_file(
        self, context: ReviewContext, deciding: Resumable[Decision], text: str
    ) -> HttpReply | Deferred:
        """Validate a policy file and continue with the decision."""
        try:
            found = validate_policy_file(text, seconds=context.until - monotonic())
        except ReadingTooSlowError:
            return self._reply(context, DEADLINE_EXCEEDED, settled=False)
        return self._continue(context, deciding, found)

    def _look_up(
        self, context: ReviewContext, deciding: Resumable[Decision], step: Decision | Step[Any]
    ) -> HttpReply | Deferred:
        """Do the lookups of a decision in a thread that may wait; return the reply, or a heavy step."""
        try:
            while not isinstance(step, Decision | HeavyWork):
                step = resume(deciding, self._result_of(context, step))
        except Unavailable as bad:
            step = unavailable(bad.code, str(bad)) if context.is_authenticated else self._without_details(context, bad)
        except Exception:
            logger.exception("no decision on %s", shortened(context.request.uid))
            step = INTERNAL_ERROR
        if isinstance(step, Decision):
            return self._reply(context, step)
        return self._defer_heavy(context, lambda heavy: self._continue(heavy, deciding))

    def _result_of(self, context: ReviewContext, step: Step[Any]) -> Any:
        """Return the result of a lookup; an unauthenticated sender gets no impact of a policy file.  Raises Unavailable."""
        assert context.loaded is not None  # without a policy there is a decision
        if isinstance(step, PolicyImpactLookup) and not context.is_authenticated:
            return ()
        return self._lookup.look_up(step, context.loaded, until=context.until)

    def _without_details(self, context: ReviewContext, bad: Unavailable) -> Decision:
        """Return a decision without details for an unauthenticated sender, as an error may quote the API server."""
        logger.warning("no decision on %s: %s", context.request.uid, bad)
        return LOOKUP_FAILED

    def _reply(self, context: ReviewContext, decision: Decision, *, settled: bool = True) -> HttpReply:
        phase, request = context.phase, context.request
        digest = context.loaded.digest if context.loaded else ""
        elapsed = perf_counter_ns() - context.begun
        link: Link | None = None
        try:
            at, took = self._now(), elapsed // 1000
            record = decision_record(phase, request, decision, policy_digest=digest, at=at, microseconds=took)
            link = self._audit.append(record, wait_for_sync=settled)
        except AuditLogUnwritable:  # the audit log itself reports it
            decision = AUDIT_FAILED
        self._metrics.decisions[phase, decision.verdict].inc()
        self._metrics.found(decision)
        self._metrics.latency[phase].observe(elapsed / 1e9)
        if (event := refusal_event(request, decision)) is not None:
            self._record_event(event)
        if phase is Phase.MUTATE:
            return HttpReply(HTTPStatus.OK, encode_mutation(request, decision))
        return HttpReply(
            HTTPStatus.OK, encode_validation(request, decision, annotations=audit_annotations(decision, digest, link))
        )
