"""What the API server's own audit log is given."""

from tests.reasons import some
from webhook.model.decision import Decision, Verdict
from webhook.model.violation import Violation
from webhook.server.annotations import LONGEST, annotations


def test_the_rules_that_are_violated_have_a_bound() -> None:
    """A hundred rules of an admin's own may have ids of any length."""
    denied = tuple(Violation("x" * 1_000 + "y" * number, "", "no") for number in range(100))
    found = annotations(Decision(some(Verdict.DENIED), denied=denied), "0123", None)
    assert len(found["violated-rules"]) <= LONGEST
    assert annotations(Decision(some(Verdict.DENIED), denied=denied[:2]), "", None)["violated-rules"].count(",") == 1
