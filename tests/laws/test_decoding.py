"""Every input decodes to a request or to a bad review, and every request gets an answer."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.audit_logs import assert_valid, with_chain_fields
from tests.decisions import settled
from tests.laws.strategies import LAW, json_values, policies, reviews, spoilt_reviews, torn_reviews
from tests.reviews import GOOD, Json, pod, review
from webhook.admission.mutate import mutate
from webhook.audit.record import decision_record
from webhook.model.decision import Decision, Phase, Verdict
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.steps import OwnerLookup
from webhook.review.decode import decode
from webhook.review.encode import encode_mutation, encode_validation
from webhook.review.envelope import BadReview

DEFAULT: Final = GuardPolicy(apiVersion="catflap.dev/v1", kind="GuardPolicy")
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def try_decode(body: bytes) -> Request | None:
    """Return the request, or None for a bad review with a message of one line; any other result is a failure."""
    try:
        return decode(body)
    except BadReview as bad:
        complaint = str(bad)
    assert complaint
    assert "\n" not in complaint.partition(" value ")[0]
    return None


@LAW
@given(st.binary())
def test_any_bytes_are_a_request_or_a_bad_review(body: bytes) -> None:
    """Any other exception would be a status 500."""
    assert try_decode(body) is None


@LAW
@given(json_values)
def test_any_json_is_a_request_or_a_bad_review(value: Any) -> None:
    """Such a value alone is never a review."""
    assert try_decode(json.dumps(value).encode()) is None


@LAW
@given(json_values, json_values, st.sampled_from(["object", "oldObject", "userInfo", "resource", "kind", "uid"]))
def test_any_json_in_a_review_is_a_request_or_a_bad_review(value: Any, other: Any, where: str) -> None:
    """The replaced value is in a field that catflap reads."""
    body = review(pod(GOOD), before=other if where == "object" else pod(GOOD))
    body["request"][where] = value
    try_decode(json.dumps(body).encode())


@LAW
@given(torn_reviews())
def test_a_torn_review_is_a_request_or_a_bad_review(body: bytes) -> None:
    """The bytes are truncated, or some of them are changed."""
    try_decode(body)


@LAW
@given(reviews())
def test_a_review_of_the_api_servers_is_a_request(body: Json) -> None:
    """The request has the fields of the review."""
    request = decode(json.dumps(body).encode())
    sent = body["request"]
    assert (request.uid, request.operation, request.dry_run) == (sent["uid"], sent["operation"], bool(sent["dryRun"]))
    assert request.target.namespace == sent["namespace"]
    assert request.user.name == sent["userInfo"]["username"]


@LAW
@given(
    body=spoilt_reviews() | reviews().map(lambda body: json.dumps(body).encode()),
    policy=policies(),
    predates=st.booleans(),
)
@example(body=json.dumps(review(pod(GOOD), uid="\0\u2028'\"")).encode(), policy=DEFAULT, predates=False)
def test_every_request_gets_a_decision_an_answer_and_a_record(
    body: bytes, policy: GuardPolicy, *, predates: bool
) -> None:
    """This holds under any policy and in both phases; the answer has the uid of the request."""
    request = try_decode(body)
    assume(request is not None)
    assert request is not None
    decided = settled(request, policy, own_namespace="guards")
    if isinstance(decided, OwnerLookup):
        decided = settled(request, policy, own_namespace="guards", owner_predates=predates)
    assert isinstance(decided, Decision)
    amended = mutate(request, policy, own_namespace="guards")
    assert amended.allowed
    validating = json.loads(encode_validation(request, decided, annotations={"decision": str(decided.verdict)}))
    mutating = json.loads(encode_mutation(request, amended))
    for answer in (validating, mutating):
        assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        assert answer["response"]["uid"] == request.uid
    assert validating["response"]["allowed"] == decided.allowed
    assert not {"patch", "patchType"} & validating["response"].keys()
    assert ("status" in validating["response"]) == (not decided.allowed)
    assert all(text.isprintable() and len(text) <= 256 for text in validating["response"].get("warnings", ()))
    assert mutating["response"]["allowed"] is True
    assert ("patch" in mutating["response"]) == ("patchType" in mutating["response"]) == bool(amended.labels)
    for phase, decision in ((Phase.VALIDATE, decided), (Phase.MUTATE, amended)):
        record = decision_record(phase, request, decision, policy_digest="0", at=AT, microseconds=1)
        assert_valid(with_chain_fields(record))
        assert record["id"] == request.uid


@LAW
@given(reviews(), policies())
def test_only_a_doubtful_or_faulty_request_is_refused(body: Json, policy: GuardPolicy) -> None:
    """A refusal has a violation of an enforcing rule, and a message that names the rule."""
    decided = settled(decode(json.dumps(body).encode()), policy, own_namespace="guards")
    assume(isinstance(decided, Decision))
    assert isinstance(decided, Decision)
    assert decided.verdict is not Verdict.UNAVAILABLE
    assert decided.allowed == (decided.denied == ())
    assert all(policy.mode_of(fault.rule) == "enforce" and fault.path in decided.message for fault in decided.denied)
    assert all(policy.mode_of(fault.rule) == "warn" for fault in decided.warned)
