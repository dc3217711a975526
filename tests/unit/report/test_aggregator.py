"""Test the effect of records on a report: their reason codes count, and their words never do."""

from typing import Any

import pytest

from tests.entries import DECISION, WRITE, make_entry, without_reason_code
from tests.reasons import codes
from webhook.model.names import DEFAULT_DENY
from webhook.model.reason import Activity, ReasonCode, Verdict
from webhook.report.aggregator import (
    NAMESPACE_TERMINATING,
    POLICY_CREATED,
    POLICY_DELETED,
    POLICY_REMOVED,
    POLICY_RESTORED,
    POLICY_WRITTEN,
    Aggregator,
)

TARGET = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "namespace": "shop", "name": DEFAULT_DENY}
REMOVAL: dict[str, Any] = DECISION | {
    "decision": "exempt",
    "verb": "delete",
    "objectRef": {
        "apiGroup": "networking.k8s.io",
        "apiVersion": "v1",
        "resource": "networkpolicies",
        "namespace": "shop",
        "name": DEFAULT_DENY,
    },
}
NAMESPACE_CONTROLLER = {"username": "system:serviceaccount:kube-system:namespace-controller", "groups": []}
# Words that programs once interpreted, and others.
WORDS = [
    "",
    "restored: a Pod waits for the policy",
    "break-glass: member of a",
    "the namespace is on its way out",
    "not repaired",
]


def aggregate(*records: dict[str, Any]) -> Aggregator:
    """Return the gathering of these records."""
    gathering = Aggregator()
    for record in records:
        gathering.add(make_entry(record), "audit.log")
    return gathering


def events(*records: dict[str, Any]) -> list[str]:
    """Return the events of a namespace's default-deny policy in these records."""
    return [one.kind for one in aggregate(*records).counts.events()]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(
    ("code", "verb", "expected"),
    [
        (ReasonCode.POLICY_CREATED, "apply", [POLICY_CREATED]),
        (ReasonCode.POLICY_UPDATED, "apply", [POLICY_CREATED]),
        (ReasonCode.POLICY_RESTORED, "apply", [POLICY_RESTORED]),
        (ReasonCode.POLICY_REPLACED, "apply", [POLICY_CREATED]),
        (ReasonCode.POLICY_REMOVED, "delete", [POLICY_DELETED]),
        (ReasonCode.POLICY_NOT_REPAIRED, "get", []),
    ],
)
def test_only_successful_writes_change_a_namespace(code: str, verb: str, words: str, expected: list[str]) -> None:
    """A failed repair isolates nothing."""
    assert events(WRITE | {"objectRef": TARGET, "verb": verb, "reasonCode": code, "reason": words}) == expected


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("code", codes(Verdict.EXEMPT))
def test_namespace_ends_when_kubernetes_empties_it(code: ReasonCode, words: str) -> None:
    """The removal of the policy by any other user opens the namespace."""
    expected = NAMESPACE_TERMINATING if code is ReasonCode.NAMESPACE_TERMINATING else POLICY_REMOVED
    assert events(REMOVAL | {"reasonCode": code, "reason": words}) == [expected]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("verdict", [Verdict.ALLOWED, Verdict.EXEMPT])
def test_break_glass_and_exceptions_are_counted_by_code(verdict: Verdict, words: str) -> None:
    """The test has each code of each verdict, with any words."""
    for code in codes(verdict):
        ledger = aggregate(DECISION | {"decision": verdict, "reasonCode": code, "reason": words}).counts
        assert ledger.total("break-glass") == (code is ReasonCode.BREAK_GLASS)
        assert ledger.total("waived") == (code is ReasonCode.EXCEPTION_APPLIED)
        assert not ledger.total("exempt without code")


@pytest.mark.parametrize("code", codes(Activity.WRITE))
def test_writes_are_counted_by_their_codes(code: ReasonCode) -> None:
    """Several words for one code make no difference."""
    records = [WRITE | {"reasonCode": code, "reason": words} for words in WORDS]
    [row] = aggregate(*records).counts.top("written", 10).rows
    assert (row.name, row.count) == (f"NetworkPolicy: {code}", len(WORDS))


class TestEarlierFormats:
    """Records without a code: their other fields count, and their words never do."""

    @pytest.mark.parametrize("words", WORDS)
    def test_a_write_may_be_a_restoration_or_not(self, words: str) -> None:
        """The verb says whether anything was written at all."""
        record = without_reason_code(WRITE | {"objectRef": TARGET, "reason": words})
        assert events(record) == [POLICY_WRITTEN]
        assert events(record | {"verb": "delete"}) == [POLICY_DELETED]
        assert events(record | {"verb": "get"}) == []

    @pytest.mark.parametrize("words", WORDS)
    def test_user_of_a_removal_shows_whether_the_namespace_ends(self, words: str) -> None:
        """The namespace controller deletes nothing else."""
        record = without_reason_code(REMOVAL | {"reason": words})
        assert events(record) == [POLICY_REMOVED]
        assert events(record | {"user": NAMESPACE_CONTROLLER}) == [NAMESPACE_TERMINATING]

    @pytest.mark.parametrize("words", WORDS)
    def test_break_glass_is_not_known(self, words: str) -> None:
        """The report therefore counts the requests for which this is unknown."""
        ledger = aggregate(without_reason_code(DECISION | {"decision": "exempt", "reason": words})).counts
        assert (ledger.total("break-glass"), ledger.total("exempt without code")) == (0, 1)
        assert ledger.total("without code") == 1

    def test_allowed_request_with_a_reason_is_an_exception(self) -> None:
        """The words of the reason make no difference."""
        assert aggregate(without_reason_code(DECISION | {"reason": "x"})).counts.total("waived") == 1
        assert aggregate(without_reason_code(DECISION)).counts.total("waived") == 0
