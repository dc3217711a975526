"""The gate where what it writes is changed on its way, or cannot be recorded; the rest is tested on a real API server."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.audit.owed import OwedRecords
from webhook.config.parse import parse
from webhook.kube.api import Api, Json
from webhook.kube.cluster_info import ClusterInfo
from webhook.metrics import Metrics
from webhook.model.decision import Closure, ClosureWanted
from webhook.netpol.dns import DetectedDns
from webhook.netpol.intent import Engine
from webhook.server.gate import Gate
from webhook.server.unavailable import Unavailable

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
AROUND: Final = ClusterInfo(
    engine=Engine.KUBERNETES, calico=frozenset(), detected_dns=DetectedDns("kube-dns"), isolation_since=AT
)
SHOP: Final[Json] = {"metadata": {"name": "shop", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}}
WANTED: Final = ClosureWanted("shop", dry_run=False)


class Cluster(Api):
    """An API server with one namespace, on which something changes each policy."""

    def __init__(self, change: Callable[[Json], Json]) -> None:
        self._change = change
        self._stored: Json | None = None

    def get(self, path: str, **query: str) -> Json | None:
        """The namespace, or the policy."""
        assert query == {}
        return SHOP if path == "/api/v1/namespaces/shop" else self._stored

    def create(self, path: str, body: Json) -> Json | None:
        """Store it, changed."""
        assert path.endswith("/networkpolicies")
        self._stored = self._change(body)
        return self._stored


def gate(log: str) -> tuple[Gate, OwedRecords]:
    """A gate, and what it owes."""
    records = OwedRecords(AuditLog(log, process="serve"))
    made = Gate(
        cached=lambda _: SHOP,
        around=lambda: AROUND,
        records=records,
        metrics=Metrics(),
        own_namespace="guards",
        now=lambda: AT,
    )
    return made, records


def owned(body: Json) -> Json:
    """A policy with an owner."""
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [{"uid": "9"}]}}


def opened(body: Json) -> Json:
    """A policy that opens everything."""
    return {**body, "spec": {**body["spec"], "ingress": [{}]}}


def test_what_is_opened_on_its_way_proves_nothing(tmp_path: Path) -> None:
    """The Pod is refused for now, with what differs."""
    made, _ = gate(str(tmp_path / "audit.log"))
    with pytest.raises(Unavailable, match=r"is not stored as it was written; what differs: spec\.ingress"):
        made.prove(Cluster(opened), WANTED, parse(HEAD))
    assert b'"write"' not in (tmp_path / "audit.log").read_bytes()


def test_what_is_owned_on_its_way_isolates_all_the_same(tmp_path: Path) -> None:
    """The controller has more to say about it; the Pod may be stored."""
    made, _ = gate(str(tmp_path / "audit.log"))
    assert made.prove(Cluster(owned), WANTED, parse(HEAD)) is Closure.WRITTEN


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the device of full disks, on this system")
def test_what_cannot_be_recorded_is_owed() -> None:
    """The policy stands; its record is not lost."""
    made, records = gate("/dev/full")
    assert made.prove(Cluster(lambda body: body), WANTED, parse(HEAD)) is Closure.WRITTEN
    assert len(records) == 1


def test_a_namespace_is_known_by_its_uid(tmp_path: Path) -> None:
    """What was proven of an earlier one of its name is none of its proofs."""
    made, _ = gate(str(tmp_path / "audit.log"))
    assert made.seen("shop") == "1"
