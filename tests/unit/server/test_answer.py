"""One review to one answer, whatever happens to the policy file meanwhile."""

import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.reviews import GOOD, Json, encoded, pod, review
from tests.unit.samples import HEAD
from webhook.audit.keeping import Durability, Keeping, Observer
from webhook.audit.log import AuditLog
from webhook.audit.reading import read_records
from webhook.config.parse import Loaded, parse
from webhook.config.store import PolicyStore
from webhook.metrics import Metrics
from webhook.model.authentication import Authentication
from webhook.model.decision import Known, Phase
from webhook.model.reason import ReasonCode
from webhook.server.answer import LIGHT_BYTES, Answerer, Cluster, Waiting
from webhook.server.asking import NoClusterToAsk
from webhook.server.intake import Reply
from webhook.server.patience import REQUEST_SECONDS
from webhook.server.unavailable import Unavailable

WIDGETS = (
    f"{HEAD}workloads: {{extraKinds: [{{group: example.com, resource: widgets, kind: Widget, template: spec.pod}}]}}\n"
)
WIDGET: Json = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": {}}


class EditedWhileAsked(PolicyStore):
    """A store whose policy is another one each time that it is looked at."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)

    @property
    def current(self) -> Loaded | None:  # type: ignore[override]  # looked at only
        """The next one."""
        return parse(self._texts.pop(0))


def answering(folder: Path, *texts: str, cluster: Cluster | None = None, **options: Any) -> Answerer:
    """What answers, under one text after the other, with an audit log in a folder."""
    return Answerer(
        policies=EditedWhileAsked(*texts),
        audit=AuditLog(str(folder / "audit.log"), process="serve", **options),
        metrics=Metrics(),
        cluster=cluster or NoClusterToAsk(),
        own_namespace="guards",
    )


def answered(folder: Path, *texts: str) -> Json:
    """What comes back for a Widget without labels."""
    reply = answering(folder, *texts).answer(Phase.VALIDATE, encoded(WIDGET))
    assert isinstance(reply, Reply)
    response: Json = json.loads(reply.body)["response"]
    return response


def test_a_kind_is_judged_by_the_policy_that_it_was_read_by(tmp_path: Path) -> None:
    """An edit in between must not leave it neither read as one nor told to be none."""
    refused = answered(tmp_path, WIDGETS, HEAD)
    assert (refused["allowed"], refused["status"]["code"]) == (False, 403)
    assert "Widget shop/web has 2 faults" in refused["status"]["message"]
    passed = answered(tmp_path, HEAD, WIDGETS)
    assert (passed["allowed"], passed["auditAnnotations"]["decision"]) == (True, "unjudged")
    assert '"reason":"no rule is about widgets.example.com"' in (tmp_path / "audit.log").read_text("utf-8")


class TestSynced:
    """Answers that wait for the disk."""

    SYNCED = Keeping(durability=Durability.SYNCED)

    def waiting(self, folder: Path, **options: Any) -> Waiting:
        """The answer before it has waited."""
        found = answering(folder, HEAD, keeping=self.SYNCED, **options).answer(Phase.VALIDATE, encoded(WIDGET))
        assert isinstance(found, Waiting)
        return found

    def test_nothing_waits_on_the_event_loop(self, tmp_path: Path) -> None:
        """The record is written and synced by whoever finishes the answer."""
        synced: list[float] = []
        waiting = self.waiting(tmp_path, observer=Observer(synced=synced.append))
        assert (tmp_path / "audit.log").read_bytes() == b""
        finished = waiting.finish()
        assert isinstance(finished, Reply)
        assert json.loads(finished.body)["response"]["allowed"] is True
        assert len(synced) == 1

    def test_who_has_no_room_to_wait_in_is_refused_at_once(self, tmp_path: Path) -> None:
        """On record, without waiting for the disk."""
        synced: list[float] = []
        refused = self.waiting(tmp_path, observer=Observer(synced=synced.append)).give_up()
        assert json.loads(refused.body)["response"]["status"]["code"] == 503
        assert '"decision":"unavailable"' in (tmp_path / "audit.log").read_text("utf-8")
        assert synced == []


class TestHeavy:
    """Reviews that take longer to judge than the event loop has."""

    POD = pod(GOOD, annotations={"example.com/long": "x" * LIGHT_BYTES})

    def waiting(self, folder: Path, body: bytes) -> Waiting:
        """The answer before it is judged."""
        found = answering(folder, HEAD).answer(Phase.VALIDATE, body)
        assert isinstance(found, Waiting)
        return found

    def test_a_large_review_is_judged_in_the_thread_for_heavy_steps(self, tmp_path: Path) -> None:
        """A step that waits for the cluster is none of these, so the thread is free for the next one."""
        judging = self.waiting(tmp_path, encoded(self.POD))
        assert judging.heavy
        asking = judging.finish()
        assert isinstance(asking, Waiting)
        assert not asking.heavy
        finished = asking.finish()
        assert isinstance(finished, Reply)
        assert json.loads(finished.body)["response"]["allowed"] is True

    def test_a_large_review_is_refused_on_record_where_too_many_wait(self, tmp_path: Path) -> None:
        """Without a look at its objects."""
        refused = self.waiting(tmp_path, encoded(self.POD)).give_up()
        response = json.loads(refused.body)["response"]
        assert (response["status"]["code"], response["uid"]) == (503, review(self.POD)["request"]["uid"])
        assert "too many requests wait that take long" in response["status"]["message"]
        assert '"decision":"unavailable"' in (tmp_path / "audit.log").read_text("utf-8")

    def test_a_large_review_that_breaks_the_protocol_is_a_bad_review(self, tmp_path: Path) -> None:
        """Its object is decoded late, and answered as any other."""
        body = encoded(self.POD, kind={"group": "", "version": "v1", "kind": "Secret"})
        reply = self.waiting(tmp_path, body).finish()
        assert isinstance(reply, Reply)
        assert (reply.status, json.loads(reply.body)["error"]) == (
            400,
            "request.kind.kind: pods are of kind Pod, got 'Secret'",
        )

    def test_a_policy_file_is_read_in_that_thread_whatever_its_size(self, tmp_path: Path) -> None:
        """Reading one takes up to a second."""
        file = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "catflap-policy"},
            "data": {"policy.yaml": ""},
        }
        assert self.waiting(tmp_path, encoded(file, namespace="guards")).heavy

    def test_what_waited_too_long_is_not_judged_any_more(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The API server has given up by then."""
        judging = self.waiting(tmp_path, encoded(self.POD))
        monkeypatch.setattr("webhook.server.answer.monotonic", lambda: monotonic() + REQUEST_SECONDS)
        reply = judging.finish()
        assert isinstance(reply, Reply)
        assert "it waited too long" in json.loads(reply.body)["response"]["status"]["message"]


class Failing(NoClusterToAsk):
    """A cluster whose API server quotes what it was asked."""

    def ask(self, *_: Any, **__: Any) -> Any:
        """As its error says."""
        raise Unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "GET /api/v1/namespaces/secret: 403: forbidden")


@pytest.mark.parametrize("authentication", Authentication)
def test_what_the_api_server_says_to_us_is_not_for_anybody(tmp_path: Path, authentication: Authentication) -> None:
    """Who proved to be the API server reads it, in the answer and in the record; anybody else does not."""
    answerer = answering(tmp_path, HEAD, cluster=Failing())
    step = answerer.answer(Phase.VALIDATE, encoded(pod(GOOD)), authentication)
    assert isinstance(step, Waiting)
    reply = step.finish()
    assert isinstance(reply, Reply)
    assert (b"secret" in reply.body) is (authentication is not Authentication.NONE)
    [record] = [one for one in read_records([str(tmp_path / "audit.log")]) if one["type"] == "decision"]
    assert (record["decision"], record["senderAuthentication"]) == ("unavailable", authentication)


class Seer(NoClusterToAsk):
    """A cluster that foretells."""

    def ask(self, question: Any, known: Known, loaded: Loaded, *, until: float) -> Known:  # noqa: ARG002 (a Cluster)
        """What only some may read."""
        return Known(foreseen=("secret",))


@pytest.mark.parametrize("authentication", Authentication)
def test_nothing_is_foretold_to_anybody(tmp_path: Path, authentication: Authentication) -> None:
    """A forged review may name any user."""
    configmap = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "catflap-policy"},
        "data": {"policy.yaml": HEAD},
    }
    answerer = answering(tmp_path, HEAD, cluster=Seer())
    step: Reply | Waiting = answerer.answer(Phase.VALIDATE, encoded(configmap, namespace="guards"), authentication)
    while isinstance(step, Waiting):
        step = step.finish()
    assert (b"secret" in step.body) is (authentication is not Authentication.NONE)
