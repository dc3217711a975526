"""Each review gets one answer, also where the policy changes meanwhile."""

import json
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.reviews import GOOD, Json, encoded, pod, review
from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.audit.log_config import Durability, LogConfig, LogObserver
from webhook.audit.log_lines import read_records
from webhook.config.parse import Loaded, parse
from webhook.config.store import PolicyStore
from webhook.metrics import Metrics
from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.model.reason import ReasonCode
from webhook.model.steps import Step
from webhook.model.timeouts import REVIEW_SECONDS
from webhook.server.cluster_lookup import ClusterLookup, OfflineLookup
from webhook.server.http_reply import HttpReply
from webhook.server.review_handler import MAX_LIGHT_BYTES, ReviewHandler
from webhook.server.review_steps import Deferred
from webhook.server.unavailable import Unavailable

WIDGETS = (
    f"{HEAD}workloads: {{extraKinds: [{{group: example.com, resource: widgets, kind: Widget, template: spec.pod}}]}}\n"
)
WIDGET: Json = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": {}}


class ChangingPolicies(PolicyStore):
    """A store that returns another policy at each read."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)

    @property
    def current(self) -> Loaded | None:  # type: ignore[override]  # read-only here
        """Return the next policy."""
        return parse(self._texts.pop(0))


def make_handler(folder: Path, *texts: str, lookup: ClusterLookup | None = None, **options: Any) -> ReviewHandler:
    """Return a handler whose store returns one policy after the other, with an audit log in a folder."""
    return ReviewHandler(
        policies=ChangingPolicies(*texts),
        audit=AuditLog(str(folder / "audit.log"), process="serve", **options),
        metrics=Metrics(),
        lookup=lookup or OfflineLookup(),
        own_namespace="guards",
    )


def response_to_widget(folder: Path, *texts: str) -> Json:
    """Return the response to a Widget without labels."""
    reply = make_handler(folder, *texts).handle(Phase.VALIDATE, encoded(WIDGET))
    assert isinstance(reply, HttpReply)
    response: Json = json.loads(reply.body)["response"]
    return response


def test_a_review_is_decoded_and_decided_under_one_policy(tmp_path: Path) -> None:
    """A policy that changes in between must not leave the object both undecoded and unjudged."""
    refused = response_to_widget(tmp_path, WIDGETS, HEAD)
    assert (refused["allowed"], refused["status"]["code"]) == (False, 403)
    assert "Widget shop/web has 2 violations" in refused["status"]["message"]
    passed = response_to_widget(tmp_path, HEAD, WIDGETS)
    assert (passed["allowed"], passed["auditAnnotations"]["decision"]) == (True, "unjudged")
    assert '"reason":"no rule checks widgets.example.com"' in (tmp_path / "audit.log").read_text("utf-8")


class TestSynced:
    """Answers that wait for fdatasync."""

    SYNCED = LogConfig(durability=Durability.SYNCED)

    def deferred(self, folder: Path, **options: Any) -> Deferred:
        """Return the deferred step of an answer."""
        found = make_handler(folder, HEAD, config=self.SYNCED, **options).handle(Phase.VALIDATE, encoded(WIDGET))
        assert isinstance(found, Deferred)
        return found

    def test_nothing_waits_on_the_event_loop(self, tmp_path: Path) -> None:
        """The thread that completes the answer writes and syncs the record."""
        synced: list[float] = []
        deferred = self.deferred(tmp_path, observer=LogObserver(synced=synced.append))
        assert (tmp_path / "audit.log").read_bytes() == b""
        finished = deferred.complete()
        assert isinstance(finished, HttpReply)
        assert json.loads(finished.body)["response"]["allowed"] is True
        assert len(synced) == 1

    def test_a_rejected_step_is_refused_at_once(self, tmp_path: Path) -> None:
        """The refusal is recorded without a sync."""
        synced: list[float] = []
        refused = self.deferred(tmp_path, observer=LogObserver(synced=synced.append)).reject()
        assert json.loads(refused.body)["response"]["status"]["code"] == 503
        assert '"decision":"unavailable"' in (tmp_path / "audit.log").read_text("utf-8")
        assert synced == []


class TestHeavy:
    """Reviews that take too long to decide for the event loop."""

    POD = pod(GOOD, annotations={"example.com/long": "x" * MAX_LIGHT_BYTES})

    def deferred(self, folder: Path, body: bytes) -> Deferred:
        """Return the deferred step of an answer."""
        found = make_handler(folder, HEAD).handle(Phase.VALIDATE, body)
        assert isinstance(found, Deferred)
        return found

    def test_a_large_review_is_decided_in_the_thread_for_heavy_steps(self, tmp_path: Path) -> None:
        """A step that waits for the cluster is not heavy, so the thread is free for the next heavy step."""
        judging = self.deferred(tmp_path, encoded(self.POD))
        assert judging.is_heavy
        asking = judging.complete()
        assert isinstance(asking, Deferred)
        assert not asking.is_heavy
        finished = asking.complete()
        assert isinstance(finished, HttpReply)
        assert json.loads(finished.body)["response"]["allowed"] is True

    def test_a_large_review_is_refused_on_record_where_too_many_wait(self, tmp_path: Path) -> None:
        """The refusal does not need the objects."""
        refused = self.deferred(tmp_path, encoded(self.POD)).reject()
        response = json.loads(refused.body)["response"]
        assert (response["status"]["code"], response["uid"]) == (503, review(self.POD)["request"]["uid"])
        assert "too many expensive requests are waiting" in response["status"]["message"]
        assert '"decision":"unavailable"' in (tmp_path / "audit.log").read_text("utf-8")

    def test_a_large_review_that_breaks_the_protocol_is_a_bad_review(self, tmp_path: Path) -> None:
        """The object is decoded in the deferred step, with the same error."""
        body = encoded(self.POD, kind={"group": "", "version": "v1", "kind": "Secret"})
        reply = self.deferred(tmp_path, body).complete()
        assert isinstance(reply, HttpReply)
        assert (reply.status, json.loads(reply.body)["error"]) == (
            400,
            "request.kind.kind: pods must have the kind Pod, got 'Secret'",
        )

    def test_a_policy_file_is_read_in_that_thread_whatever_its_size(self, tmp_path: Path) -> None:
        """Reading a policy file takes up to one second."""
        file = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "catflap-policy"},
            "data": {"policy.yaml": ""},
        }
        assert self.deferred(tmp_path, encoded(file, namespace="guards")).is_heavy

    def test_custom_rules_that_cost_much_run_in_that_thread_after_the_lookup_of_the_namespace(
        self, tmp_path: Path
    ) -> None:
        """The event loop and the threads that wait for the cluster stay free."""
        cel = "object.metadata.annotations.all(a, object.metadata.annotations.exists(b, a == b)) && namespaceObject == null"
        many = {f"example.com/{number}": "x" * 90 for number in range(60)}
        handler = make_handler(tmp_path, f"{HEAD}custom: [{{id: dear, resources: [pods], cel: {cel!r}}}]")
        steps: list[bool] = []
        step: HttpReply | Deferred = handler.handle(Phase.VALIDATE, encoded(pod(GOOD, annotations=many)))
        while isinstance(step, Deferred):
            steps.append(step.is_heavy)
            step = step.complete()
        assert steps == [False, True, False]  # the namespace, the rule, the isolation
        assert step.status == HTTPStatus.OK

    def test_a_review_past_its_deadline_is_not_decided(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The API server's timeout has passed by then."""
        judging = self.deferred(tmp_path, encoded(self.POD))
        monkeypatch.setattr("webhook.server.review_handler.monotonic", lambda: monotonic() + REVIEW_SECONDS)
        reply = judging.complete()
        assert isinstance(reply, HttpReply)
        assert "the request waited too long" in json.loads(reply.body)["response"]["status"]["message"]


class FailingLookup(OfflineLookup):
    """A cluster whose API server quotes the request in its error."""

    def look_up(self, *_: Any, **__: Any) -> Any:
        """Raise the error."""
        raise Unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "GET /api/v1/namespaces/secret: 403: forbidden")


@pytest.mark.parametrize("authentication", Authentication)
def test_only_an_authenticated_sender_reads_errors_of_the_api_server(
    tmp_path: Path, authentication: Authentication
) -> None:
    """Only an authenticated sender reads the error; the record has the decision either way."""
    handler = make_handler(tmp_path, HEAD, lookup=FailingLookup())
    step = handler.handle(Phase.VALIDATE, encoded(pod(GOOD)), authentication)
    assert isinstance(step, Deferred)
    reply = step.complete()
    assert isinstance(reply, HttpReply)
    assert (b"secret" in reply.body) is (authentication is not Authentication.NONE)
    [record] = [one for one in read_records([str(tmp_path / "audit.log")]) if one["type"] == "decision"]
    assert (record["decision"], record["senderAuthentication"]) == ("unavailable", authentication)


class ImpactLookup(OfflineLookup):
    """A cluster lookup that returns an impact of the policy file."""

    def look_up(self, step: Step[Any], loaded: Loaded, *, until: float) -> Any:  # noqa: ARG002 (a ClusterLookup)
        """Return a text that only some users may read."""
        return ("secret",)


@pytest.mark.parametrize("lookup", [OfflineLookup(), ImpactLookup()], ids=["offline", "with an impact"])
def test_a_policy_file_with_a_former_key_is_admitted_with_a_warning(tmp_path: Path, lookup: OfflineLookup) -> None:
    """The user reads the current name, the place, and the command that rewrites the file."""
    configmap = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "catflap-policy"},
        "data": {"policy.yaml": f"{HEAD}namespaces:\n  adopt: all\ngate: {{freshness: 5}}\n"},
    }
    handler = make_handler(tmp_path, HEAD, lookup=lookup)
    review = encoded(configmap, namespace="guards")
    step: HttpReply | Deferred = handler.handle(Phase.VALIDATE, review, Authentication.CLIENT_CERTIFICATE)
    while isinstance(step, Deferred):
        step = step.complete()
    response = json.loads(step.body)["response"]
    renamed, removed, *_ = response["warnings"]
    assert response["allowed"]
    assert renamed == (
        "namespaces.adopt: this key is now namespaces.includeExisting, and the next release does not read the former name; "
        "catflap config migrate FILE renames it (line 4, column 3)"
    )
    assert removed.startswith("gate: this key no longer has an effect: ")
    assert removed.endswith("; catflap config migrate FILE removes it (line 5, column 1)")


@pytest.mark.parametrize("authentication", Authentication)
def test_only_an_authenticated_sender_reads_the_impact(tmp_path: Path, authentication: Authentication) -> None:
    """An unauthenticated review may be forged and name any user."""
    configmap = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "catflap-policy"},
        "data": {"policy.yaml": HEAD},
    }
    handler = make_handler(tmp_path, HEAD, lookup=ImpactLookup())
    step: HttpReply | Deferred = handler.handle(Phase.VALIDATE, encoded(configmap, namespace="guards"), authentication)
    while isinstance(step, Deferred):
        step = step.complete()
    assert (b"secret" in step.body) is (authentication is not Authentication.NONE)
