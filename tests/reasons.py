"""Reasons for tests that are about something else."""

from webhook.model.decision import Decision
from webhook.model.reason import Activity, Reason, ReasonCode, Verdict


def codes(kind: Verdict | Activity) -> list[ReasonCode]:
    """Every code of a verdict, or of a type of record."""
    return [code for code in ReasonCode if code.kind is kind]


def some(kind: Verdict | Activity, words: str = "") -> Reason:
    """A reason that leads to this verdict, or that is in this type of record."""
    return Reason(codes(kind)[0], words)


def assert_consistent(found: Decision) -> None:
    """Assert that a decision contains what its reason code says."""
    assert found.verdict in Verdict
    assert bool(found.denied) == (found.verdict is Verdict.DENIED)
    if found.why.code is ReasonCode.NO_VIOLATION:
        assert (found.warned, found.audited) == ((), ())
    if found.why.code is ReasonCode.VIOLATION_NOT_ENFORCED:
        assert found.warned or found.audited
    if found.why.code is ReasonCode.EXCEPTION_APPLIED:
        assert found.audited
