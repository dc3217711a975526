"""Tests when a scan runs, and what interrupts it; its results are tested on a real API server."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.config.parse import digest
from webhook.config.store import PolicyStore
from webhook.controller.report_writer import ReportWriter
from webhook.controller.scanner import LOOK_SECONDS, ScanIncomplete, ScanInterrupted, Scanner, wait_seconds
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import Api, ApiError, Json
from webhook.metrics import Metrics
from webhook.rules import RULES

AT: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
PODS: Final = "/api/v1/pods"
NAMESPACES: Final = "/api/v1/namespaces"


def one(name: str, **more: Any) -> Json:
    """Return an object as lists contain it."""
    return {"metadata": {"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z", **more}}


class Cluster(Api):
    """An API server with two unlabelled Pods in a namespace, and reports."""

    def __init__(self, broken: dict[str, ApiError] | None = None) -> None:
        self.created: list[Json] = []
        self.deleted: list[str] = []
        self.asked: list[str] = []
        self._broken = broken or {}

    def get(self, path: str, **_query: str) -> Json | None:
        """Return the API group of reports; no other object exists."""
        served: dict[str, Json] = {
            "/apis/openreports.io/v1alpha1": {"resources": [{"name": "reports"}, {"name": "clusterreports"}]},
            "/apis": {"groups": [{"name": "cilium.io", "preferredVersion": {"groupVersion": "cilium.io/v2"}}]},
            "/apis/cilium.io/v2": {"resources": [{"name": "ciliumnetworkpolicies", "kind": "CiliumNetworkPolicy"}]},
        }
        return served.get(path)

    def pages(self, path: str, *, size: int = 0, **_query: str) -> Iterator[Json]:
        """Yield the lists, one object per page."""
        assert size <= 250
        self.asked.append(path)
        if path in self._broken:
            raise self._broken[path]
        items = {
            NAMESPACES: [one("shop")],
            PODS: [one("a", namespace="shop"), one("b", namespace="shop")],
            "/apis/openreports.io/v1alpha1/reports": [report("gone")],
        }
        for item in items.get(path, []):
            yield {"items": [item], "metadata": {}}

    def create(self, _path: str, body: Json) -> Json | None:
        """Create a report."""
        self.created.append(body)
        return body

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Replace a report."""
        assert (uid, version) == ("1", "2")
        self.deleted.append(path)
        return True


def report(space: str) -> Json:
    """Return a report of catflap's on a namespace that was deleted since."""
    labels = {"app.kubernetes.io/managed-by": "catflap"}
    known = {"uid": "1", "resourceVersion": "2", "managedFields": [{"manager": "catflap"}]}
    return {"metadata": {"name": "catflap", "namespace": space, "labels": labels, **known}}


def scanner(
    cluster: Cluster, metrics: Metrics, text: str = HEAD, *, is_leader: Callable[[], bool] = lambda: True
) -> Scanner:
    """Return the tested scanner under a policy file."""
    policies = PolicyStore(on_refusal=lambda bad: pytest.fail(str(bad)))
    policies.offer(text)
    recorder = WriteRecorder(AuditLog("/dev/null", process="controller"), lambda: AT)
    names: dict[str, Any] = {"metrics": metrics, "own_namespace": "guards", "now": lambda: AT}
    reporting = ReportWriter(cluster, recorder=recorder, pause=lambda _: None, **names)
    return Scanner(cluster, is_leader=is_leader, policies=policies, report_writer=reporting, **names)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return the value of a metric."""
    return metrics.registry.get_sample_value(name, labels)


def test_existing_objects_are_counted_and_reported() -> None:
    """Each combination of rule and effect has a value, and the report of a deleted namespace is removed."""
    cluster, metrics = Cluster(), Metrics()
    scanner(cluster, metrics).scan()
    [made] = cluster.created
    assert (made["metadata"]["namespace"], made["summary"]["fail"]) == ("shop", 4)
    assert cluster.deleted == ["/apis/openreports.io/v1alpha1/namespaces/gone/reports/catflap"]
    assert value(metrics, "catflap_scan_violations", rule="require-app", effect="refused") == 2
    assert value(metrics, "catflap_scan_violations", rule="require-app", effect="warned") == 0
    assert value(metrics, "catflap_scan_objects") == 2
    assert value(metrics, "catflap_scan_completed_timestamp_seconds") == AT.timestamp()
    assert value(metrics, "catflap_scan_policy_info", digest=digest(HEAD)) == 1


def test_rules_of_the_files_own_are_counted_together() -> None:
    """The set of their names is open."""
    text = f"{HEAD}mode: warn\ncustom: [{{id: mine, resources: [pods], cel: 'false'}}]\n"
    metrics = Metrics()
    scanner(Cluster(), metrics, text).scan()
    assert value(metrics, "catflap_scan_violations", rule="custom", effect="warned") == 2
    shown = {sample.labels["rule"] for family in metrics.registry.collect() if family.name == "catflap_scan_violations"
             for sample in family.samples}  # fmt: skip
    assert shown == {*RULES, "custom"}


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({PODS: ApiError(403, "forbidden")}, id="no right to Kubernetes' own kinds"),
        pytest.param({NAMESPACES: ApiError(403, "forbidden")}, id="nor to namespaces"),
        pytest.param({"/apis/projectcalico.org/v3/networkpolicies": ApiError(503, "not now")}, id="it may go better"),
        pytest.param({PODS: ApiError(410, "expired")}, id="a list that took too long"),
    ],
)
def test_what_is_not_seen_whole_is_not_reported(broken: dict[str, ApiError]) -> None:
    """A kind that cannot be read is neither compliant nor deleted."""
    cluster, metrics = Cluster(broken), Metrics()
    with pytest.raises(ScanIncomplete):
        scanner(cluster, metrics).scan()
    assert (cluster.created, cluster.deleted) == ([], [])
    assert value(metrics, "catflap_scan_completed_timestamp_seconds") == 0


def test_kinds_that_are_not_read_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """Without a message, the report would look as if there were no such objects."""
    tested = scanner(Cluster(), Metrics())
    with caplog.at_level("INFO"):
        tested.scan()
        tested.scan()
    told = [one.message for one in caplog.records if "does not read" in one.message]
    assert told == [
        (
            "kinds of this cluster that catflap does not read: not checked, although they allow or deny connections: "
            "ciliumnetworkpolicies.cilium.io"
        )
    ]


def test_vendors_kinds_without_permission_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """The scan covers all other kinds."""
    cluster = Cluster({"/apis/projectcalico.org/v3/tiers": ApiError(403, "forbidden")})
    tested = scanner(cluster, Metrics())
    tested.scan()
    tested.scan()
    assert cluster.created
    assert [one.message for one in caplog.records] == [
        "the scan does not read: tiers.projectcalico.org: the account may not list this resource"
    ]


def test_a_former_leader_ends_its_scan_at_the_next_page() -> None:
    """Nothing is written after that."""
    cluster = Cluster()
    tested = scanner(cluster, Metrics(), is_leader=lambda: PODS not in cluster.asked)
    with pytest.raises(ScanInterrupted):
        tested.scan()
    assert cluster.asked[-1] == PODS
    assert (cluster.created, cluster.deleted) == ([], [])


def test_a_stopped_scan_ends_at_the_next_page() -> None:
    """The Pod has only some seconds to stop."""
    cluster, metrics = Cluster(), Metrics()
    tested = scanner(cluster, metrics)
    tested.stop()
    with pytest.raises(ScanInterrupted):
        tested.scan()
    assert cluster.created == []


def test_turned_off_it_looks_at_nothing_and_shows_nothing() -> None:
    """Existing reports are removed."""
    cluster, metrics = Cluster(), Metrics()
    scanner(cluster, metrics).scan()
    cluster.asked.clear()
    scanner(cluster, metrics, f"{HEAD}reports: off\n").scan()
    assert all(path.startswith("/apis/openreports.io/") for path in cluster.asked)
    assert len(cluster.deleted) == 2
    assert value(metrics, "catflap_scan_objects") == 0
    assert value(metrics, "catflap_scan_policy_info", digest=digest(HEAD)) is None
    assert value(metrics, "catflap_scan_violations", rule="require-app", effect="refused") is None


@pytest.mark.parametrize(
    ("left", "wait"),
    [(600.0, LOOK_SECONDS), (0.5, 0.5), (0.0, LOOK_SECONDS), (-600.0, LOOK_SECONDS)],
)
def test_a_replica_that_does_not_lead_waits(left: float, wait: float) -> None:
    """A scan that is due stays due until the replica leads. Waiting for that must not busy-loop."""
    assert wait_seconds(left) == wait
