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
from webhook.config.default import DEFAULT_POLICY
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded, parse
from webhook.config.store import PolicyStore
from webhook.guard.amend import amend
from webhook.guard.decide import NOTHING, decide, unavailable
from webhook.kube.identity import Acting
from webhook.metrics import Metrics
from webhook.model.decision import ClusterQuestion, Decision, FaultsWanted, Known, Phase, Question
from webhook.model.identity import chart_accounts
from webhook.model.kinds import NO_EXTRA_KINDS
from webhook.model.request import Request
from webhook.model.violation import Violation
from webhook.review.decode import BadReview, decode
from webhook.review.encode import encode_mutation, encode_validation
from webhook.server.announcing import Announce, nobody, refused
from webhook.server.intake import Reply, bad_review
from webhook.server.probe import is_probe, probed
from webhook.server.unavailable import Unavailable

logger = logging.getLogger(__name__)

NO_POLICY = unavailable("no policy file is in force yet")
OUR_FAULT = unavailable("an error of catflap's own, see its log")
POLICY_FILE = "policy-file"  # in the place of a rule's id
TOO_MANY = unavailable("too many requests wait for the API server, or for the audit log's disk")
NOT_RECORDED = unavailable("the audit log cannot be written")

# For all questions together; the webhook's own timeout is 5 s.
REQUEST_SECONDS = 4.0

NO_FILE = Loaded(policy=parse(DEFAULT_POLICY).policy, digest="")

Clock = Callable[[], datetime]


class Cluster(Protocol):
    """Whom to ask what the request itself does not tell."""

    def ask(self, question: ClusterQuestion, known: Known, loaded: Loaded, *, until: float) -> Known:
        """`known` with the answer to `question` added; may block, not beyond `until` on the monotonic clock.

        Raises Unavailable.
        """


class Waiting(Struct, frozen=True):
    """An answer that has to ask the API server first, or to wait for the disk: `finish` does so and may block for its budget.

    `give_up` refuses without waiting, for a caller that has no room left to wait in.
    """

    finish: Callable[[], Reply]
    give_up: Callable[[], Reply]


class Answerer:
    """Answers reviews under the policy in force.

    `cluster` answers what only the cluster can tell, and raises `Unavailable` where it cannot.
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
        self._policies = policies
        self._audit = audit
        self._metrics = metrics
        self._cluster = cluster
        self._own_namespace = own_namespace
        self._announce = announce
        self._acting = acting or Acting(chart_accounts(own_namespace))
        self._now = now

    def answer(self, phase: Phase, body: bytes) -> Reply | Waiting:
        """The reply to one review, at once where nothing has to be asked; never raises."""
        begun = perf_counter_ns()
        loaded = self._policies.current  # the one to decode by and to decide by
        try:
            request = decode(body, loaded.policy.workloads.extra_by_resource if loaded else NO_EXTRA_KINDS)
        except BadReview as bad:
            self._metrics.bad_reviews[400].inc()
            return bad_review(HTTPStatus.BAD_REQUEST, str(bad))
        if is_probe(request):
            return Reply(HTTPStatus.OK, probed(request, ready=loaded is not None, user=self._acting.user))
        if loaded is None and request.policy_file is not None:
            loaded = NO_FILE  # a good file is how to mend that, so it must not be waited for
        decision = self._decide(phase, request, loaded, NOTHING) if loaded else NO_POLICY
        if isinstance(decision, Decision) and not self._audit.may_block:
            return self._reply(phase, request, decision, loaded, begun)
        return Waiting(
            finish=lambda: self._reply(phase, request, self._ask(phase, request, loaded, decision), loaded, begun),
            give_up=lambda: self._reply(phase, request, TOO_MANY, loaded, begun, settled=False),
        )

    def close(self) -> None:
        """End the audit log in order: nothing is answered after that."""
        self._audit.stop()

    def refuse(self, reply: Reply) -> Reply:
        """Count a review that was refused before it was parsed."""
        self._metrics.bad_reviews[reply.status].inc()
        return reply

    def _decide(self, phase: Phase, request: Request, loaded: Loaded, known: Known) -> Decision | Question:
        try:
            if phase is Phase.MUTATE:
                return amend(request, loaded.policy, own_namespace=self._own_namespace)
            own, accounts = self._own_namespace, self._acting.accounts
            return decide(request, loaded.policy, own_namespace=own, own_accounts=accounts, known=known, at=self._now())
        except Exception:
            logger.exception("no decision on %s", request.uid)
            return OUR_FAULT

    def _ask(self, phase: Phase, request: Request, loaded: Loaded | None, question: Decision | Question) -> Decision:
        known, until = NOTHING, monotonic() + REQUEST_SECONDS
        try:
            while not isinstance(question, Decision):
                assert loaded is not None  # without a file there is a decision
                known = self._learn(question, known, loaded, until)
                question = self._decide(phase, request, loaded, known)
        except Unavailable as bad:
            return unavailable(str(bad))
        except Exception:
            logger.exception("no decision on %s", request.uid)
            return OUR_FAULT
        return question

    def _learn(self, question: Question, known: Known, loaded: Loaded, until: float) -> Known:
        """`known` with the answer to `question` added.  Raises Unavailable."""
        if isinstance(question, FaultsWanted):
            return replace(known, faults=violations_in(question.text))
        return self._cluster.ask(question, known, loaded, until=until)

    def _reply(
        self,
        phase: Phase,
        request: Request,
        decision: Decision,
        loaded: Loaded | None,
        begun: int,
        *,
        settled: bool = True,
    ) -> Reply:
        digest = loaded.digest if loaded else ""
        elapsed = perf_counter_ns() - begun
        link: Link | None = None
        try:
            link = self._audit.append(
                decision_record(
                    phase, request, decision, policy_digest=digest, at=self._now(), microseconds=elapsed // 1000
                ),
                settled=settled,
            )
        except AuditLogUnwritable:  # which the log itself tells
            decision = NOT_RECORDED
        self._metrics.decisions[phase, decision.verdict].inc()
        self._metrics.latency[phase].observe(elapsed / 1e9)
        if (told := refused(request, decision)) is not None:
            self._announce(told)
        if phase is Phase.MUTATE:
            return Reply(HTTPStatus.OK, encode_mutation(request, decision))
        return Reply(
            HTTPStatus.OK, encode_validation(request, decision, annotations=annotations(decision, digest, link))
        )


def violations_in(text: str) -> tuple[Violation, ...]:
    """What is wrong with a policy file, as a refusal says it."""
    try:
        parse(text)
    except BadPolicy as bad:
        return tuple(Violation(rule=POLICY_FILE, path=fault.path, message=located(fault)) for fault in bad.faults)
    return ()


def located(fault: PolicyFault) -> str:
    """A fault with its line, counted within the file."""
    return f"{fault.message} (line {fault.place.line}, column {fault.place.column})" if fault.place else fault.message


def annotations(decision: Decision, digest: str, link: Link | None) -> dict[str, str]:
    """What the API server's own audit log says about a decision, and about its record: by its hash neither log can be edited alone."""
    said = {"decision": str(decision.verdict), "policy-digest": digest}
    if link is not None:
        said |= {"record-chain": link.chain, "record-seq": str(link.seq), "record-hash": link.hash}
    if decision.closure is not None:
        said["closure"] = str(decision.closure)
    rules = sorted({fault.rule for fault in (*decision.denied, *decision.warned, *decision.audited)})
    if rules:
        said["violated-rules"] = ",".join(rules)
    return said
