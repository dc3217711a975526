"""Events about refusals: which ones are recorded, which object they refer to, and that no request waits for them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.decisions import answered
from tests.reviews import GOOD, Json, deployment, encoded, pod
from tests.unit.samples import OWNER, REPLICASET_CONTROLLER, asked, policy
from webhook.admission.decide import decide
from webhook.kube.api import ApiError
from webhook.kube.event_series import EventOutcome, EventRequest, EventSeriesRecorder
from webhook.metrics import EVENTS, Metrics
from webhook.model.steps import complete
from webhook.review.truncated_review import decode_beginning
from webhook.server.event_recorder import MAX_WAITING, EventRecorder, refusal_event

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def event_about(manifest: Json, text: str = "", **options: Any) -> EventRequest | None:
    """Return the Event about the decision on an object under a policy."""
    request = asked(manifest, **options)
    return refusal_event(request, complete(decide(request, policy(text))))


def parts_of(event: EventRequest | None) -> tuple[str, str, str]:
    """Return the object, the reason and the note of an Event."""
    assert event is not None
    regarding = event.regarding
    about = f"{regarding['apiVersion']} {regarding['kind']} {regarding['metadata']['name']}"
    return about, event.happened.reason, event.happened.note


def test_the_refusal_of_a_new_object_refers_to_its_namespace() -> None:
    """The object was not stored, so its namespace is the only object to refer to."""
    about, reason, note = parts_of(event_about(deployment({"role": "frontend"})))
    assert (about, reason) == ("v1 Namespace shop", "WorkloadRefused")
    assert note == (
        "Deployment web was rejected: require-app: spec.template.metadata.labels.app: "
        "the label 'app' is missing; set it to the name of the application"
    )


def test_the_refusal_of_a_change_refers_to_the_existing_object() -> None:
    """The Event has the object's uid, by which `kubectl describe` finds it."""
    before = deployment(GOOD, uid="7")
    event = event_about(deployment({}, uid="7"), before=before)
    assert parts_of(event)[0] == "apps/v1 Deployment web"
    assert event is not None
    assert event.regarding["metadata"]["uid"] == "7"


def test_the_refusal_of_a_controllers_pod_refers_to_its_owner() -> None:
    """The note is the same for the next attempt, which has another Pod name."""
    each = [
        event_about(pod({}, name=f"web-7d4b-{number}", ownerReferences=[OWNER]), "workloads: {existingWorkloads: judge}\n",
             userInfo=REPLICASET_CONTROLLER)
        for number in range(2)
    ]  # fmt: skip
    assert len({one.key for one in each if one}) == 1
    assert each[0] is not None
    assert each[0].owner is not None
    assert each[0].owner.uid == "42"
    assert parts_of(each[0])[2].startswith("a Pod of ReplicaSet web-7d4b was rejected: require-app: ")


def test_other_callers_cannot_name_an_owner() -> None:
    """Any user can write ownerReferences."""
    event = event_about(pod({}, ownerReferences=[OWNER]))
    assert event is not None
    assert event.owner is None
    assert parts_of(event)[2].startswith("Pod web was rejected: ")


@pytest.mark.parametrize(
    ("manifest", "text", "options"),
    [
        pytest.param(deployment(GOOD), "", {}, id="admitted"),
        pytest.param(deployment({}), "", {"dryRun": True}, id="a dry run"),
        pytest.param(deployment({}), "mode: warn\n", {}, id="warned and stored"),
        pytest.param(deployment({}), "mode: audit\n", {}, id="recorded and stored"),
        pytest.param(deployment({}), "", {"namespace": "kube-system"}, id="exempt"),
    ],
)
def test_other_decisions_have_no_event(manifest: Json, text: str, options: dict[str, Any]) -> None:
    """The scan reports objects that were stored."""
    assert event_about(manifest, text, **options) is None


class Unreachable(EventSeriesRecorder):
    """An API server that rejects every Event."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def record(self, request: EventRequest, at: datetime) -> EventOutcome:  # noqa: ARG002 (a Series)
        """Raise the error."""
        raise self._error


def outcome_counts(metrics: Metrics) -> dict[str, float]:
    """Return the count of each outcome that is not zero."""
    values = {name: metrics.registry.get_sample_value("catflap_events_total", {"outcome": name}) for name in EVENTS}
    return {name: value for name, value in values.items() if value}


def test_events_beyond_the_queue_are_dropped_and_counted() -> None:
    """No request waits, and memory is bounded, while the API server takes no Event."""
    metrics = Metrics()
    recorder = EventRecorder(Unreachable(ApiError(0, "down")), metrics=metrics, now=lambda: AT)
    event = event_about(deployment({}))
    assert event is not None
    for _ in range(MAX_WAITING + 7):
        recorder.record(event)
    assert outcome_counts(metrics) == {"dropped": 7.0}


@pytest.mark.parametrize("error", [ApiError(0, "down"), KeyError("metadata")])
def test_each_failure_is_counted_and_the_first_one_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """After any error, the recorder tries the next Event."""
    metrics = Metrics()
    recorder = EventRecorder(Unreachable(error), metrics=metrics, now=lambda: AT)
    event = event_about(deployment({}))
    assert event is not None
    for _ in range(3):
        recorder.write(event)
    assert outcome_counts(metrics) == {"failed": 3.0}
    assert len(caplog.records) == 1


def test_the_metric_has_each_outcome() -> None:
    """The metric and the outcomes are two lists of the same words."""
    assert set(EVENTS) == {str(one) for one in EventOutcome}


def test_the_deletion_of_a_policy_file_that_is_not_read_has_its_event() -> None:
    """A policy file can be too large to be read, and its deletion stops catflap's next start."""
    file = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "catflap-policy"},
        "data": {"a": "x" * 10_000},
    }
    body = encoded(None, before=file, operation="DELETE", namespace="guards", name="catflap-policy")
    head = json.dumps(json.loads(body), separators=(",", ":")).encode()[:5_000]  # as the API server writes it
    request = decode_beginning(head, "the review is too large")
    event = refusal_event(request, answered(request, policy(), own_namespace="guards"))
    assert parts_of(event)[:2] == ("v1 ConfigMap catflap-policy", "PolicyFileDeletionRefused")
