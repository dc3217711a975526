"""One namespace's closing where the API server refuses or fails; what succeeds is tested on a real one."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.audit.sink import AuditLogUnwritable
from webhook.config.parse import parse
from webhook.controller.reconcile import Reconciler
from webhook.controller.recording import Recording
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.standing import Standing
from webhook.kube.surroundings import Surroundings
from webhook.metrics import Metrics
from webhook.model.namespace import Namespace
from webhook.netpol.intent import Engine

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
AROUND: Final = Surroundings(engine=Engine.KUBERNETES, calico=frozenset(), detected_dns="kube-dns", closed_since=AT)
SHOP: Final = Namespace("shop", "1", {}, AT, terminating=False)
PATH: Final = "/api/v1/namespaces/shop"
STANDS: Final[Json] = {"metadata": {"name": "shop", "uid": "1"}}
GOING: Final[Json] = {"metadata": {"name": "shop", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
MADE_ANEW: Final[Json] = {"metadata": {"name": "shop", "uid": "2"}}


class Refusing(Api):
    """An API server that holds one namespace, no policy, and answers every write with an error."""

    def __init__(self, status: int, namespace: Json | ApiError | None) -> None:
        self.calls: list[tuple[str, str]] = []
        self._status = status
        self._namespace = namespace

    def get(self, path: str, **query: str) -> Json | None:
        """The namespace, or what asking for it raises."""
        assert query == {}
        self.calls.append(("GET", path))
        if path != PATH:
            return None
        if isinstance(self._namespace, ApiError):
            raise self._namespace
        return self._namespace

    def create(self, path: str, body: Json) -> Json | None:
        """Refuse it."""
        assert body["metadata"]["namespace"] == "shop"
        self.calls.append(("CREATE", f"{path}/{body['metadata']['name']}"))
        raise ApiError(self._status, "refused")


class Willing(Refusing):
    """One that takes every write."""

    def create(self, path: str, body: Json) -> Json | None:
        """Take it."""
        self.calls.append(("CREATE", f"{path}/{body['metadata']['name']}"))
        return body

    def merge(self, path: str, body: Json) -> Json:
        """Take it."""
        self.calls.append(("MERGE", path))
        return body


def reconcile(
    api: Refusing, log: str, namespace: Namespace = SHOP, around: Surroundings = AROUND, text: str = ""
) -> Metrics:
    """Look at a namespace once."""
    metrics = Metrics()
    Reconciler(
        api=api,
        standing=Standing(api),
        recording=Recording(AuditLog(log, process="serve"), lambda: AT),
        metrics=metrics,
        own_namespace="guards",
        now=lambda: AT,
    ).reconcile(namespace, parse(HEAD + text), around)
    return metrics


@pytest.mark.parametrize("status", [404, 403], ids=["not found", "forbidden, as in a namespace that goes"])
@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="it is gone"),
        pytest.param(GOING, id="it goes"),
        pytest.param(MADE_ANEW, id="it was made anew"),
    ],
)
def test_a_namespace_that_went_is_no_failure(tmp_path: Path, status: int, found: Json | None) -> None:
    """Nothing more is written, nothing is recorded."""
    api = Refusing(status, found)
    reconcile(api, str(tmp_path / "audit.log"))
    policy = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/catflap-default-deny"
    assert api.calls == [("GET", policy), ("CREATE", policy), ("GET", PATH)]
    assert (tmp_path / "audit.log").read_bytes() == b""


@pytest.mark.parametrize("status", [404, 403], ids=["the API is not served", "we lack the right"])
def test_a_refusal_in_a_namespace_that_stands_is_a_failure(tmp_path: Path, status: int) -> None:
    """It comes back, and is told of."""
    with pytest.raises(ApiError, match="refused"):
        reconcile(Refusing(status, STANDS), str(tmp_path / "audit.log"))


@pytest.mark.parametrize("status", [0, 409, 422, 429, 500, 503])
def test_any_other_error_is_a_failure(tmp_path: Path, status: int) -> None:
    """Whatever became of the namespace; nobody asks."""
    api = Refusing(status, None)
    with pytest.raises(ApiError, match="refused"):
        reconcile(api, str(tmp_path / "audit.log"))
    assert ("GET", PATH) not in api.calls


def test_not_to_know_is_a_failure(tmp_path: Path) -> None:
    """Doubt is never taken for gone."""
    with pytest.raises(ApiError, match="nobody answers"):
        reconcile(Refusing(403, ApiError(0, "nobody answers")), str(tmp_path / "audit.log"))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: {"namespace": Namespace("shop", "1", {}, AT, terminating=True)}, id="it goes"),
        pytest.param(lambda: {"namespace": Namespace("guards", "1", {}, AT, terminating=False)}, id="it is our own"),
        pytest.param(lambda: {"text": "namespaces: {exempt: [shop]}"}, id="it is exempt"),
        pytest.param(
            lambda: {"around": replace(AROUND, closed_since=datetime(2027, 1, 1, tzinfo=UTC))},
            id="it is older than catflap",
        ),
    ],
)
def test_a_namespace_that_is_not_to_be_closed_is_not_even_looked_at(
    tmp_path: Path, change: Callable[[], dict[str, Any]]
) -> None:
    """No request leaves."""
    api = Refusing(500, STANDS)
    reconcile(api, str(tmp_path / "audit.log"), **change())
    assert api.calls == []


def test_the_default_deny_is_stored_first_and_the_stamp_last(tmp_path: Path) -> None:
    """The stamp says that it is closed; before, that would be a lie."""
    api = Willing(0, STANDS)
    metrics = reconcile(api, str(tmp_path / "audit.log"))
    policies = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
    assert [call for call in api.calls if call[0] != "GET"] == [
        ("CREATE", f"{policies}/catflap-default-deny"),
        ("CREATE", f"{policies}/catflap-allow-dns"),
        ("MERGE", PATH),
    ]
    assert metrics.registry.get_sample_value("catflap_policies_written_total", {"outcome": "created"}) == 2.0
    assert (tmp_path / "audit.log").read_bytes().count(b'"type":"write"') == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the device of full disks, on this system")
def test_a_write_that_cannot_be_recorded_is_a_failure() -> None:
    """Nothing further is written."""
    api = Willing(0, STANDS)
    with pytest.raises(AuditLogUnwritable):
        reconcile(api, "/dev/full")
    assert len([call for call in api.calls if call[0] != "GET"]) == 1
