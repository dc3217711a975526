"""Which refusals are told as Events, of what, and that no request waits for one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.reviews import GOOD, Json, deployment, pod
from tests.unit.samples import OWNER, REPLICASET_CONTROLLER, asked, policy
from webhook.guard.decide import OFFLINE_DEFAULTS, decide
from webhook.kube.api import ApiError
from webhook.kube.series import Series, Statement, Told
from webhook.metrics import EVENTS, Metrics
from webhook.model.decision import Decision
from webhook.server.announcing import MOST_WAITING, Announcer, refused

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def said(manifest: Json, text: str = "", **options: Any) -> Statement | None:
    """What is told of the decision on an object under a policy."""
    request = asked(manifest, **options)
    decision = decide(request, policy(text), known=OFFLINE_DEFAULTS)
    assert isinstance(decision, Decision)
    return refused(request, decision)


def of(statement: Statement | None) -> tuple[str, str, str]:
    """What it is about, why, and in which words."""
    assert statement is not None
    regarding = statement.regarding
    about = f"{regarding['apiVersion']} {regarding['kind']} {regarding['metadata']['name']}"
    return about, statement.happened.reason, statement.happened.note


def test_a_refused_object_is_told_of_its_namespace() -> None:
    """It was not stored, so nothing else is there to tell it of."""
    about, reason, note = of(said(deployment({"role": "frontend"})))
    assert (about, reason) == ("v1 Namespace shop", "WorkloadRefused")
    assert note == (
        "Deployment web was refused: require-app: spec.template.metadata.labels.app: "
        "the label 'app' is missing; it names the application"
    )


def test_a_refused_change_is_told_of_the_object_that_stands() -> None:
    """Under its uid, by which `kubectl describe` finds it."""
    before = deployment(GOOD, uid="7")
    statement = said(deployment({}, uid="7"), before=before)
    assert of(statement)[0] == "apps/v1 Deployment web"
    assert statement is not None
    assert statement.regarding["metadata"]["uid"] == "7"


def test_a_pod_that_a_controller_makes_is_told_of_its_owner() -> None:
    """In words that hold for the next try as well, whatever that Pod's name."""
    each = [
        said(pod({}, name=f"web-7d4b-{number}", ownerReferences=[OWNER]), "workloads: {existing: judge}\n",
             userInfo=REPLICASET_CONTROLLER)
        for number in range(2)
    ]  # fmt: skip
    assert len({one.key for one in each if one}) == 1
    assert each[0] is not None
    assert each[0].owner is not None
    assert each[0].owner.uid == "42"
    assert of(each[0])[2].startswith("a Pod of ReplicaSet web-7d4b was refused: require-app: ")


def test_nobody_else_is_believed_about_an_owner() -> None:
    """Anyone can write ownerReferences."""
    statement = said(pod({}, ownerReferences=[OWNER]))
    assert statement is not None
    assert statement.owner is None
    assert of(statement)[2].startswith("Pod web was refused: ")


@pytest.mark.parametrize(
    ("manifest", "text", "options"),
    [
        pytest.param(deployment(GOOD), "", {}, id="it is admitted"),
        pytest.param(deployment({}), "", {"dryRun": True}, id="a dry run"),
        pytest.param(deployment({}), "mode: warn\n", {}, id="the person is warned, and the object stored"),
        pytest.param(deployment({}), "mode: audit\n", {}, id="it is recorded, and the object stored"),
        pytest.param(deployment({}), "", {"namespace": "kube-system"}, id="it is exempt"),
    ],
)
def test_nothing_else_is_told(manifest: Json, text: str, options: dict[str, Any]) -> None:
    """What is stored is the scan's to tell."""
    assert said(manifest, text, **options) is None


class Unreachable(Series):
    """An API server that takes no Event."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def tell(self, statement: Statement, at: datetime) -> Told:  # noqa: ARG002 (a Series)
        """Fail."""
        raise self._error


def counted(metrics: Metrics) -> dict[str, float]:
    """What became of all that was to be told, where anything did."""
    values = {name: metrics.registry.get_sample_value("catflap_events_total", {"outcome": name}) for name in EVENTS}
    return {name: value for name, value in values.items() if value}


def test_what_is_too_much_is_dropped_and_counted() -> None:
    """While the API server takes none: no request waits, memory is bounded."""
    metrics = Metrics()
    announcer = Announcer(Unreachable(ApiError(0, "down")), metrics=metrics, now=lambda: AT)
    statement = said(deployment({}))
    assert statement is not None
    for _ in range(MOST_WAITING + 7):
        announcer.announce(statement)
    assert counted(metrics) == {"dropped": 7.0}


@pytest.mark.parametrize("error", [ApiError(0, "down"), KeyError("metadata")])
def test_a_failure_is_counted_and_told_once(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is, the next one is tried."""
    metrics = Metrics()
    announcer = Announcer(Unreachable(error), metrics=metrics, now=lambda: AT)
    statement = said(deployment({}))
    assert statement is not None
    for _ in range(3):
        announcer.tell(statement)
    assert counted(metrics) == {"failed": 3.0}
    assert len(caplog.records) == 1


def test_the_metric_has_a_value_for_all_that_can_happen() -> None:
    """Two lists of the same words."""
    assert set(EVENTS) == {str(one) for one in Told}
