"""Each reason code of a decision that could not be made, by the situation that has it: in the record, and in the API server's log."""

import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Final

import pytest

from tests.reasons import codes
from tests.reviews import GOOD, encoded, pod
from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.audit.log_lines import read_records
from webhook.config.parse import Loaded, parse
from webhook.config.store import PolicyStore
from webhook.metrics import Metrics
from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.model.reason import ReasonCode, Verdict
from webhook.model.timeouts import REVIEW_SECONDS
from webhook.server.cluster_lookup import OfflineLookup
from webhook.server.http_reply import HttpReply
from webhook.server.review_handler import MAX_LIGHT_BYTES, ReviewHandler
from webhook.server.review_steps import Deferred
from webhook.server.unavailable import Unavailable

LOOKUPS: Final = [
    ReasonCode.CLUSTER_NOT_KNOWN,
    ReasonCode.CLUSTER_LOOKUP_FAILED,
    ReasonCode.NAMESPACE_NOT_FOUND,
    ReasonCode.ISOLATION_NOT_PROVEN,
]
DEFAULTS: Final = parse(HEAD)
LARGE: Final = pod(GOOD, annotations={"example.com/long": "x" * MAX_LIGHT_BYTES})


class FixedPolicy(PolicyStore):
    """A store that always returns the same policy, or none."""

    def __init__(self, loaded: Loaded | None) -> None:
        self._loaded = loaded

    @property
    def current(self) -> Loaded | None:  # type: ignore[override]  # read-only here
        """Return the policy."""
        return self._loaded


class FailingLookup(OfflineLookup):
    """A cluster lookup that raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def look_up(self, *_: Any, **__: Any) -> Any:
        """Raise the error."""
        raise self._error


def handled(
    log: Path,
    *,
    body: bytes = encoded(pod(GOOD)),
    error: Exception | None = None,
    loaded: Loaded | None = DEFAULTS,
    step: Callable[[Deferred], HttpReply | Deferred] = lambda deferred: deferred.complete(),
    sender: Authentication = Authentication.PATH,
) -> str:
    """Return the reason code in the audit annotations of the answer to a review; `step` is what happens to deferred steps."""
    handler = ReviewHandler(
        policies=FixedPolicy(loaded),
        audit=AuditLog(str(log), process="serve"),
        metrics=Metrics(),
        lookup=FailingLookup(error) if error else OfflineLookup(),
        own_namespace="guards",
    )
    reply = handler.handle(Phase.VALIDATE, body, sender)
    while isinstance(reply, Deferred):
        reply = step(reply)
    response = json.loads(reply.body)["response"]
    assert response["status"]["code"] == 503
    assert response["auditAnnotations"]["decision"] == "unavailable"
    return str(response["auditAnnotations"]["reason-code"])


def recorded(log: Path) -> str:
    """Return the reason code of the one decision in a log."""
    [record] = [one for one in read_records([str(log)]) if one["type"] == "decision"]
    return str(record["reasonCode"])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of an audit log."""
    return tmp_path / "audit.log"


@pytest.mark.parametrize("code", LOOKUPS)
def test_a_failed_lookup_has_its_code(log: Path, code: ReasonCode) -> None:
    """The code of the error is the code of the decision."""
    assert handled(log, error=Unavailable(code, "no")) == recorded(log) == code


@pytest.mark.parametrize("code", LOOKUPS)
def test_an_unauthenticated_sender_learns_no_more_than_that_a_lookup_failed(log: Path, code: ReasonCode) -> None:
    """Otherwise the code would show whether a namespace exists."""
    error = Unavailable(code, "no")
    assert handled(log, error=error, sender=Authentication.NONE) == recorded(log) == ReasonCode.CLUSTER_LOOKUP_FAILED


def test_without_a_policy_file(log: Path) -> None:
    """At the start of a server."""
    assert handled(log, loaded=None) == recorded(log) == ReasonCode.NO_POLICY_FILE


def test_an_error_of_catflap(log: Path) -> None:
    """An exception that no code expects."""
    assert handled(log, error=RuntimeError("x")) == recorded(log) == ReasonCode.INTERNAL_ERROR


@pytest.mark.parametrize("body", [encoded(pod(GOOD)), encoded(LARGE)], ids=["light", "heavy"])
def test_a_full_queue(log: Path, body: bytes) -> None:
    """Both queues have the same code."""
    assert handled(log, body=body, step=lambda deferred: deferred.reject()) == recorded(log) == ReasonCode.OVERLOAD


def test_a_missed_deadline(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heavy step that its thread begins too late."""

    def late(deferred: Deferred) -> HttpReply | Deferred:
        monkeypatch.setattr("webhook.server.review_handler.monotonic", lambda: monotonic() + REVIEW_SECONDS)
        return deferred.complete()

    assert handled(log, body=encoded(LARGE), step=late) == recorded(log) == ReasonCode.TIMEOUT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the device of full disks, on this system")
def test_a_decision_that_cannot_be_recorded() -> None:
    """Only the audit annotation has this code."""
    assert handled(Path("/dev/full")) == ReasonCode.AUDIT_LOG_UNWRITABLE


def test_each_code_has_its_situation() -> None:
    """A new code needs a test here."""
    others = {ReasonCode.NO_POLICY_FILE, ReasonCode.INTERNAL_ERROR, ReasonCode.OVERLOAD, ReasonCode.TIMEOUT}
    assert {*LOOKUPS, *others, ReasonCode.AUDIT_LOG_UNWRITABLE} == set(codes(Verdict.UNAVAILABLE))
