"""The audit annotations for the API server's audit log."""

from webhook.model.decision import Decision, Verdict
from webhook.model.rule import Violation
from webhook.server.audit_annotations import MAX_VALUE_CHARS, audit_annotations


def test_the_list_of_violated_rules_is_bounded() -> None:
    """A hundred custom rules may have ids of any length."""
    denied = tuple(Violation("x" * 1_000 + "y" * number, "", "no") for number in range(100))
    found = audit_annotations(Decision(Verdict.DENIED, denied=denied), "0123", None)
    assert len(found["violated-rules"]) <= MAX_VALUE_CHARS
    assert audit_annotations(Decision(Verdict.DENIED, denied=denied[:2]), "", None)["violated-rules"].count(",") == 1
