"""Tests which reports are written, and what prevents a write."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.unit.samples import HEAD
from webhook.admission.preview import Preview
from webhook.audit.log import AuditLog
from webhook.config.parse import parse
from webhook.controller.report_writer import PAUSE_SECONDS, ReportWriter
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import Api, ApiError, Json
from webhook.metrics import Metrics

AT: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
RESOURCES: Final = {"resources": [{"name": "reports"}, {"name": "clusterreports"}]}
LOADED: Final = parse(HEAD)


class Cluster(Api):
    """Accepts reports, except in these namespaces."""

    def __init__(self, **refused: int) -> None:
        self.reports: dict[str, Json] = {}
        self.writes: list[str] = []
        self._refused = refused
        self.served = True

    def get(self, path: str, **_query: str) -> Json | None:
        """Return whether the API is served."""
        assert path == "/apis/openreports.io/v1alpha1"
        return RESOURCES if self.served else None

    def pages(self, path: str, *, size: int = 0, **query: str) -> Iterator[Json]:
        """Yield the reports, one per page."""
        assert query == {"labelSelector": "app.kubernetes.io/managed-by=catflap"}
        assert size == 50
        for name, one in list(self.reports.items()):
            if name.rpartition("/")[0] == path or ("/reports" in path and "/namespaces/" in name):
                yield {"items": [one], "metadata": {}}

    def create(self, path: str, body: Json) -> Json | None:
        """Create a report."""
        name = f"{path}/{body['metadata']['name']}"
        self._write("create", body)
        return None if name in self.reports else self._store(name, body)

    def replace(self, path: str, body: Json) -> Json:
        """Replace the existing report."""
        self._write("replace", body)
        return self._store(path, body)

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Delete the report that was read."""
        self._write("delete", self.reports[path])
        found = self.reports.pop(path)["metadata"]
        assert (found["uid"], found["resourceVersion"]) == (uid, version)
        return True

    def _write(self, verb: str, body: Json) -> None:
        space = body["metadata"].get("namespace", "")
        if space in self._refused:
            raise ApiError(self._refused[space], f"{space} is refused")
        self.writes.append(f"{verb} {space}")

    def _store(self, name: str, body: Json) -> Json:
        metadata = {**body["metadata"], "uid": name, "resourceVersion": "1", "managedFields": [{"manager": "catflap"}]}
        return self.reports.setdefault(name, {**body, "metadata": metadata})


def reporting(cluster: Cluster, metrics: Metrics | None = None, **more: Any) -> ReportWriter:
    """Return the tested writer; it does not wait unless `pause` is given."""
    recorder = WriteRecorder(AuditLog("/dev/null", process="controller"), lambda: AT)
    return ReportWriter(
        cluster,
        recorder=recorder,
        metrics=metrics or Metrics(),
        own_namespace="guards",
        now=lambda: AT,
        pause=more.get("pause", lambda _: None),
    )


def found(**owners: int) -> Preview:
    """Return a scan result with a number of compliant owners in each namespace."""
    return Preview((), objects=0, owners=0, owners_in=owners)


def test_each_namespace_that_is_judged_has_one() -> None:
    """Neither catflap's own namespace nor an exempt one gets a report."""
    cluster = Cluster()
    owners: dict[str, int] = {"shop": 1, "guards": 1, "kube-system": 1, "": 1}
    reporting(cluster).write(found(**owners), LOADED)
    assert sorted(cluster.writes) == ["create ", "create shop"]


def test_only_what_differs_is_written() -> None:
    """A report without a subject is removed."""
    cluster, metrics = Cluster(), Metrics()
    one = reporting(cluster, metrics)
    one.write(found(shop=1, other=1, third=1), LOADED)
    cluster.writes.clear()
    one.write(found(shop=1, other=1, third=1), LOADED)
    assert cluster.writes == []
    one.write(found(shop=1, fourth=1), LOADED)
    assert sorted(cluster.writes) == ["create fourth", "delete other", "delete third"]
    assert metrics.registry.get_sample_value("catflap_reports_written_total", {"outcome": "removed"}) == 2
    one.clear(LOADED)
    assert cluster.reports == {}


@pytest.mark.parametrize("status", [403, 404, 409])
def test_a_namespace_that_goes_keeps_none_from_its_report(status: int) -> None:
    """A report that was not written is neither counted nor recorded."""
    cluster, metrics = Cluster(going=status), Metrics()
    reporting(cluster, metrics).write(found(going=1, shop=1), LOADED)
    assert cluster.writes == ["create shop"]
    assert metrics.registry.get_sample_value("catflap_reports_written_total", {"outcome": "created"}) == 1


@pytest.mark.parametrize("status", [0, 429, 500])
def test_an_api_server_that_is_busy_is_left_alone(status: int) -> None:
    """The next scan writes the others."""
    with pytest.raises(ApiError):
        reporting(Cluster(shop=status)).write(found(shop=1, other=1), LOADED)


def test_writes_are_spread() -> None:
    """The first scan of a large cluster writes one report per namespace."""
    pauses: list[float] = []
    reporting(Cluster(), pause=pauses.append).write(found(**{f"space-{number}": 1 for number in range(10)}), LOADED)
    assert pauses == [PAUSE_SECONDS] * 10


class Stopped(Exception):  # noqa: N818 (it says what happened)
    """Another replica leads."""


def test_a_former_leader_writes_no_more_reports() -> None:
    """The check runs before each write."""
    cluster = Cluster()

    def check_running() -> None:
        if len(cluster.writes) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        reporting(cluster).write(
            found(**{f"space-{number}": 1 for number in range(10)}), LOADED, check_running=check_running
        )
    assert len(cluster.writes) == 2


def test_a_missing_reports_api_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is written."""
    caplog.set_level("INFO")
    cluster = Cluster()
    cluster.served = False
    one = reporting(cluster)
    for _ in range(3):
        one.write(found(shop=1), LOADED)
    assert cluster.writes == []
    assert len(caplog.records) == 1
