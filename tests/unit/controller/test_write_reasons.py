"""Tests why a policy is written, and which reason its record may have."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from webhook.controller.write_reasons import PolicyInputs, WriteCause, cause_of, was_isolated, write_reason
from webhook.kube.cluster_info import ClusterInfo
from webhook.kube.policies import WriteOutcome
from webhook.model.reason import ReasonCode
from webhook.netpol.dns import DetectedDns
from webhook.netpol.intent import PolicyEngine

AROUND: Final = ClusterInfo(
    PolicyEngine.KUBERNETES, frozenset(), DetectedDns("kube-dns"), datetime(2026, 1, 1, tzinfo=UTC)
)
ONE, OTHER = PolicyInputs("1", AROUND), PolicyInputs("2", AROUND)


@pytest.mark.parametrize(
    ("settled", "is_known", "existed", "cause"),
    [
        pytest.param(None, False, False, WriteCause.NEW, id="never looked at"),
        pytest.param(None, False, True, WriteCause.REPAIR, id="never looked at, and other policies show that it stood"),
        pytest.param(ONE, True, False, WriteCause.REPAIR, id="all stood under the same file"),
        pytest.param(OTHER, True, False, WriteCause.CHANGED, id="all stood under another file"),
        pytest.param(None, True, True, WriteCause.CHANGED, id="nothing was wanted before"),
    ],
)
def test_a_cause_is_what_is_known(
    settled: PolicyInputs | None, cause: WriteCause, *, is_known: bool, existed: bool
) -> None:
    """No clock is involved."""
    assert cause_of(settled, ONE, is_known=is_known, existed=existed) is cause


@pytest.mark.parametrize("cause", WriteCause)
@pytest.mark.parametrize("outcome", [WriteOutcome.CREATED, WriteOutcome.REPAIRED, WriteOutcome.REPLACED])
def test_only_an_existing_policy_is_restored(cause: WriteCause, outcome: WriteOutcome) -> None:
    """A policy that catflap never wrote is not restored, whatever its origin."""
    _, why = write_reason(cause, outcome)
    may = cause is WriteCause.REPAIR or (cause is WriteCause.NEW and outcome is WriteOutcome.REPAIRED)
    assert (why.code is ReasonCode.POLICY_RESTORED) is (may and outcome is not WriteOutcome.REPLACED)


def policy(uid: str = "1", manager: str = "catflap", name: str = "catflap-allow-dns") -> dict[str, Any]:
    """Return another policy in the namespace."""
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
def test_another_policy_of_catflaps_shows_that_the_default_deny_existed(others: Any, *, isolated: bool) -> None:
    """The default-deny is written first. A foreign policy, or one of an earlier namespace with the name, shows nothing."""
    assert was_isolated(others, "1") is isolated
