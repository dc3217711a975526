"""Why a policy is written, and what its record may say."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from webhook.controller.causes import Asked, Cause, cause_of, explained, was_isolated
from webhook.kube.policies import Outcome
from webhook.kube.surroundings import Surroundings
from webhook.model.reason import ReasonCode
from webhook.netpol.dns import Detected
from webhook.netpol.intent import Engine

AROUND: Final = Surroundings(Engine.KUBERNETES, frozenset(), Detected("kube-dns"), datetime(2026, 1, 1, tzinfo=UTC))
ONE, OTHER = Asked("1", AROUND), Asked("2", AROUND)


@pytest.mark.parametrize(
    ("settled", "knows", "stood", "cause"),
    [
        pytest.param(None, False, False, Cause.NEW, id="never looked at"),
        pytest.param(None, False, True, Cause.REPAIR, id="never looked at, and other policies show that it stood"),
        pytest.param(ONE, True, False, Cause.REPAIR, id="all stood under the same file"),
        pytest.param(OTHER, True, False, Cause.ASKED, id="all stood under another file"),
        pytest.param(None, True, True, Cause.ASKED, id="nothing was wanted before"),
    ],
)
def test_a_cause_is_what_is_known(settled: Asked | None, cause: Cause, *, knows: bool, stood: bool) -> None:
    """No clock has a part in it."""
    assert cause_of(settled, ONE, knows=knows, stood=stood) is cause


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("outcome", [Outcome.CREATED, Outcome.REPAIRED, Outcome.REPLACED])
def test_only_what_stood_is_restored(cause: Cause, outcome: Outcome) -> None:
    """What catflap never wrote is not restored, however it came to be there."""
    _, why = explained(cause, outcome)
    may = cause is Cause.REPAIR or (cause is Cause.NEW and outcome is Outcome.REPAIRED)
    assert (why.code is ReasonCode.POLICY_RESTORED) is (may and outcome is not Outcome.REPLACED)


def policy(uid: str = "1", manager: str = "catflap", name: str = "catflap-allow-dns") -> dict[str, Any]:
    """Another policy in the namespace."""
    return {
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "catflap"},
            "annotations": {"catflap.dev/namespace-uid": uid},
            "managedFields": [{"manager": manager}],
        }
    }


@pytest.mark.parametrize(
    ("others", "isolated"),
    [
        ([], False),
        ([policy()], True),
        ([policy(manager="kubectl")], False),
        ([policy(uid="0")], False),
        ([policy(name="theirs")], False),
        ([{"metadata": {"name": "catflap-allow-dns"}}], False),
    ],
)
def test_another_policy_of_catflaps_shows_that_the_default_deny_stood(others: Any, *, isolated: bool) -> None:
    """It is written first; what somebody else made, or what belongs to an earlier namespace of the name, shows nothing."""
    assert was_isolated(others, "1") is isolated
