"""Warnings of the impact of a policy file."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from tests.unit.admission.test_preview import GOOD, INSTALLED, ROLELESS, YOUNGER, seen, stamp, stored
from tests.unit.samples import policy
from webhook.admission.impact_warnings import MAX_WARNING_LENGTH, impact_warnings, not_previewed, truncated, with_names
from webhook.admission.preview import PreviewContext
from webhook.model.namespace import Namespace

OLD: Final = Namespace("old", "1", {}, INSTALLED - timedelta(days=1), terminating=False)
NEW: Final = Namespace("new", "2", {}, datetime(2026, 6, 2, tzinfo=UTC), terminating=False)
SETTING: Final = PreviewContext(namespaces={"old": OLD, "new": NEW}, isolation_since=INSTALLED, installed=INSTALLED)


def told(after: str, before: str, *, more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the warnings for a valid Deployment, an older invalid one and a younger invalid CronJob."""
    objects = seen(
        stored("Deployment", "good", GOOD),
        stored("Deployment", "older", ROLELESS),
        stored("CronJob", "younger", ROLELESS, creationTimestamp=stamp(YOUNGER)),
    )
    return impact_warnings(objects, policy(after), policy(before), SETTING, more=more)


@pytest.mark.parametrize(
    ("after", "before", "lines"),
    [
        pytest.param("", "", (), id="nothing changes"),
        pytest.param("mode: warn", "mode: audit", (), id="nobody is refused"),
        pytest.param(
            "",
            "mode: warn",
            (
                "2 running workloads would be rejected: CronJob shop/younger, Deployment shop/older",
                "1 of them are older than catflap: their Pods are admitted until the workload changes",
            ),
            id="newly refused",
        ),
        pytest.param(
            "mode: off",
            "",
            ("2 running workloads would no longer be rejected: CronJob shop/younger, Deployment shop/older",),
            id="no longer refused",
        ),
        pytest.param(
            "custom: [{id: mine, resources: [workloads], cel: \"request.userInfo.username == 'x'\"}]",
            "",
            ("custom rules not previewed (they read data that is unavailable): mine",),
            id="nobody knows who will ask",
        ),
        pytest.param("namespaces: {includeExisting: all}", "", ("1 namespace will be isolated: old",), id="included"),
        pytest.param(
            "network: {engine: none}", "", ("1 namespace will no longer be isolated: new",), id="nothing is closed"
        ),
    ],
)
def test_each_change_has_a_warning(after: str, before: str, lines: tuple[str, ...]) -> None:
    """And nothing else."""
    assert told(after, before) == lines


def test_a_look_at_a_part_says_so() -> None:
    """Unlisted objects may be affected too."""
    assert told("", "", more=("deployments", "cronjobs")) == (
        "incomplete preview: the cluster has more deployments, cronjobs than the preview reads; see catflap preview",
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5, 500])
@pytest.mark.parametrize("length", [1, 20, 59, 60, 253])
def test_a_warning_is_short(count: int, length: int) -> None:
    """However many there are, and however long their names."""
    line = with_names(f"{count} running workloads would be rejected", [str(n).rjust(length, "x") for n in range(count)])
    assert len(line) <= MAX_WARNING_LENGTH
    assert line.startswith(f"{count} running workloads would be rejected: ")


def test_a_warning_has_as_many_names_as_fit() -> None:
    """The rest by their number."""
    assert with_names("9 things", [f"Deployment shop/number-{n}" for n in range(9)]) == (
        "9 things: Deployment shop/number-0, Deployment shop/number-1, Deployment shop/number-2 and 6 more"
    )


def test_a_reason_is_one_short_line() -> None:
    """A warning with a control character is dropped by the API server."""
    assert not_previewed("GET /x:\n 403") == "not previewed: GET /x: 403"
    assert len(not_previewed("x" * 1000)) == len(truncated("x" * 1000)) == MAX_WARNING_LENGTH
