"""The isolation gate where its policy is changed during the write, or cannot be recorded.

Other tests run it on a real API server.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.audit.retry_queue import RetryQueue
from webhook.config.parse import parse
from webhook.kube.api import Api, Json
from webhook.kube.cluster_info import ClusterInfo
from webhook.metrics import Metrics
from webhook.model.steps import IsolationLookup, IsolationStatus
from webhook.netpol.dns import DetectedDns
from webhook.netpol.intent import PolicyEngine
from webhook.server.isolation_gate import IsolationGate
from webhook.server.unavailable import Unavailable

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER_INFO: Final = ClusterInfo(
    engine=PolicyEngine.KUBERNETES, calico=frozenset(), detected_dns=DetectedDns("kube-dns"), isolation_since=AT
)
SHOP: Final[Json] = {"metadata": {"name": "shop", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}}
WANTED: Final = IsolationLookup("shop", dry_run=False)


class MutatingApi(Api):
    """An API server with one namespace and a mutating webhook that changes each policy."""

    def __init__(self, change: Callable[[Json], Json]) -> None:
        self._change = change
        self._stored: Json | None = None

    def get(self, path: str, **query: str) -> Json | None:
        """Return the namespace or the policy."""
        assert query == {}
        return SHOP if path == "/api/v1/namespaces/shop" else self._stored

    def create(self, path: str, body: Json) -> Json | None:
        """Store the changed policy."""
        assert path.endswith("/networkpolicies")
        self._stored = self._change(body)
        return self._stored


def make_gate(log: str) -> tuple[IsolationGate, RetryQueue]:
    """Return a gate and its delayed records."""
    records = RetryQueue(AuditLog(log, process="serve"))
    made = IsolationGate(
        cached_namespace=lambda _: SHOP,
        cluster_info=lambda: CLUSTER_INFO,
        records=records,
        metrics=Metrics(),
        own_namespace="guards",
        now=lambda: AT,
    )
    return made, records


def with_owner(body: Json) -> Json:
    """Add an owner to a policy."""
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [{"uid": "9"}]}}


def with_open_ingress(body: Json) -> Json:
    """Make a policy allow all ingress traffic."""
    return {**body, "spec": {**body["spec"], "ingress": [{}]}}


def test_a_policy_that_a_webhook_opens_does_not_isolate(tmp_path: Path) -> None:
    """The Pod is refused for now, and the message lists the difference."""
    made, _ = make_gate(str(tmp_path / "audit.log"))
    with pytest.raises(
        Unavailable,
        match=r"is stored with other values than catflap wrote; differences: "
        r"spec\.ingress",
    ):
        made.verify(MutatingApi(with_open_ingress), WANTED, parse(HEAD))
    assert b'"write"' not in (tmp_path / "audit.log").read_bytes()


def test_a_policy_that_a_webhook_gives_an_owner_isolates(tmp_path: Path) -> None:
    """The controller reports the owner; the Pod may be stored."""
    made, _ = make_gate(str(tmp_path / "audit.log"))
    assert made.verify(MutatingApi(with_owner), WANTED, parse(HEAD)) is IsolationStatus.WRITTEN


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the device of full disks, on this system")
def test_a_write_that_cannot_be_recorded_is_owed() -> None:
    """The policy exists, and its record is written later."""
    made, records = make_gate("/dev/full")
    assert made.verify(MutatingApi(lambda body: body), WANTED, parse(HEAD)) is IsolationStatus.WRITTEN
    assert len(records) == 1


def test_a_namespace_is_identified_by_its_uid(tmp_path: Path) -> None:
    """A verification of an earlier namespace with the same name does not count for this one."""
    made, _ = make_gate(str(tmp_path / "audit.log"))
    assert made.cached_uid("shop") == "1"
