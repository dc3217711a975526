"""Which verdicts let a request go on."""

import pytest

from tests.reasons import some
from webhook.model.decision import Decision, Verdict

GOES_ON = {
    Verdict.ALLOWED: True,
    Verdict.EXEMPT: True,
    Verdict.UNJUDGED: True,
    Verdict.DENIED: False,
    Verdict.UNAVAILABLE: False,
}


@pytest.mark.parametrize("verdict", Verdict)
def test_only_a_refusal_and_doubt_stop_a_request(verdict: Verdict) -> None:
    """A new verdict has to say here what it does."""
    assert Decision(some(verdict)).allowed is GOES_ON[verdict]
