"""Reasons for tests that are about something else."""

from webhook.model.reason import Activity, Reason, ReasonCode, Verdict


def codes(kind: Verdict | Activity) -> list[ReasonCode]:
    """Every code of a verdict, or of a type of record."""
    return [code for code in ReasonCode if code.kind is kind]


def some(kind: Verdict | Activity, words: str = "") -> Reason:
    """A reason that leads to this verdict, or that is in this type of record."""
    return Reason(codes(kind)[0], words)
