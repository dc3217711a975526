"""Tests reports on running workloads: one per namespace, of bounded size, written on change and removed with the namespace."""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.cluster.api_requests import catflap_requests
from tests.cluster.installation import NAMESPACE, Installation, eventually, run_controller
from tests.cluster.load_scenarios import without_right_to
from tests.cluster.manifests import GOOD, deployment, namespace
from tests.cluster.scans import REPORTS, find_report, metric, report, scan, wait_for_scan
from tests.controlplane.client import MERGE
from tests.programs import Program, stop
from webhook.controller.leader_election import RENEW_SECONDS
from webhook.controller.openreports import MAX_RESULTS

AUDIT = {"mode": "audit"}
ETCD_LIMIT = 1_500_000


@pytest.fixture(scope="module")
def reporting(apart: Installation) -> Installation:
    """Start a cluster that serves reports."""
    apart.cluster.install_openreports()
    return apart


@pytest.fixture
def catflap(reporting: Installation) -> Iterator[Installation]:
    """Use the default policy file, also afterwards."""
    reporting.configure()
    yield reporting
    reporting.configure()


@pytest.fixture
def space(catflap: Installation, namespace_name: str) -> Iterator[str]:
    """Return a namespace with two Deployments that are older than the rules: a good one, and one without a role."""
    catflap.configure(AUDIT)
    catflap.apply(namespace(namespace_name))
    make(catflap, namespace_name, "good", GOOD)
    make(catflap, namespace_name, "bad", {"app": "bad"})
    yield namespace_name
    catflap.cluster.api("DELETE", f"/apis/apps/v1/namespaces/{namespace_name}/deployments")


def make(catflap: Installation, space: str, name: str, labels: dict[str, str]) -> None:
    """Return a Deployment without Pods."""
    body = deployment(name, space, labels, replicas=0)
    catflap.cluster.api("POST", f"/apis/apps/v1/namespaces/{space}/deployments", body)


def test_a_report_says_who_has_which_fault(catflap: Installation, space: str) -> None:
    """The format is OpenReports', so that other programs show it."""
    scan(catflap)
    found = report(catflap, space)
    assert found["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "catflap"}
    assert (found["source"], found["summary"]) == ("catflap", {"pass": 1, "fail": 1, "warn": 0, "error": 0, "skip": 0})
    [result] = found["results"]
    [owner] = result.pop("resources")
    uid = catflap.cluster.api("GET", f"/apis/apps/v1/namespaces/{space}/deployments/bad")["metadata"]["uid"]
    assert owner == {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": space, "name": "bad", "uid": uid}
    assert abs(result.pop("timestamp")["seconds"] - time.time()) < 60
    assert result.pop("message").startswith("spec.template.metadata.labels.role: ")
    assert result == {
        "source": "catflap",
        "policy": "require-role",
        "rule": "require-role",
        "category": "Workloads",
        "severity": "high",
        "result": "fail",
        "scored": True,
        "properties": {"effect": "refused"},
    }
    shown = catflap.cluster.kubectl("get", "reports", "--namespace", space).stdout.splitlines()
    assert shown[1].split()[:4] == ["catflap", "1", "1", "0"]
    assert metric(catflap.controller, 'catflap_scan_violations{effect="refused",rule="require-role"}') >= 1


def test_the_mode_says_how_bad_it_is(catflap: Installation, space: str) -> None:
    """A warning is no failure."""
    scan(catflap, AUDIT)
    [result] = report(catflap, space)["results"]
    assert (result["result"], result["severity"]) == ("warn", "low")
    scan(catflap, {"mode": "warn"})
    [result] = report(catflap, space)["results"]
    assert (result["result"], result["severity"]) == ("warn", "medium")
    assert report(catflap, space)["summary"]["warn"] == 1


def test_a_scan_that_finds_nothing_new_writes_nothing(catflap: Installation, space: str) -> None:
    """KY#10761: neither reports nor other objects are written; a result keeps its timestamp."""
    scan(catflap)
    before, begin = report(catflap, space), catflap.cluster.audit_size()
    scan(catflap)
    scan(catflap)
    assert [
        one["requestURI"]
        for one in catflap_requests(catflap, after=begin)
        if one["verb"] not in {"get", "list", "watch"}
    ] == []
    assert report(catflap, space) == before


def test_a_fault_that_comes_later_leaves_the_others_times_alone(catflap: Installation, space: str) -> None:
    """There is one write, of this namespace's report."""
    scan(catflap, AUDIT)
    [first] = report(catflap, space)["results"]
    make(catflap, space, "another", {"app": "another"})
    begin = catflap.cluster.audit_size()
    scan(catflap, AUDIT)
    [other, same] = report(catflap, space)["results"]
    assert (same, other["resources"][0]["name"]) == (first, "another")
    written = [
        one["objectRef"]
        for one in catflap_requests(catflap, after=begin)
        if one["verb"] not in {"get", "list", "watch"}
    ]
    assert [(one["resource"], one["namespace"]) for one in written] == [("reports", space)]
    record = [one for one in catflap.controller.records() if one["type"] == "write"][-1]
    assert (record["verb"], record["objectRef"]["kind"]) == ("update", "Report")


def test_a_report_goes_when_nothing_is_left_to_look_at(catflap: Installation, space: str) -> None:
    """KY#2674: reports that accumulate."""
    scan(catflap)
    catflap.cluster.api("DELETE", f"/apis/apps/v1/namespaces/{space}/deployments/bad")
    eventually(partial(gone, catflap, space, "bad"))
    scan(catflap)
    found = report(catflap, space)
    assert (found["summary"]["pass"], found["summary"]["fail"], "results" in found) == (1, 0, False)
    catflap.cluster.api("DELETE", f"/apis/apps/v1/namespaces/{space}/deployments/good")
    eventually(partial(gone, catflap, space, "good"))
    scan(catflap)
    assert find_report(catflap, space).status == 404


def gone(catflap: Installation, space: str, name: str) -> bool:
    """Return whether a Deployment and what it created are gone."""
    sets = catflap.cluster.api("GET", f"/apis/apps/v1/namespaces/{space}/replicasets")["items"]
    return not any(one["metadata"]["name"].startswith(name) for one in sets)


def test_a_report_goes_when_its_namespace_is_exempt(catflap: Installation, space: str) -> None:
    """Its objects are not judged any more."""
    scan(catflap)
    assert find_report(catflap, space).status == 200
    scan(catflap, {"namespaces": {"exempt": ["kube-system", space]}})
    assert find_report(catflap, space).status == 404
    assert find_report(catflap, "kube-system").status == find_report(catflap, NAMESPACE).status == 404


def test_reports_are_turned_off(catflap: Installation, space: str) -> None:
    """All of catflap's are removed, and no others."""
    scan(catflap)
    theirs = {"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": {"name": "theirs"}}
    for name, labels in (("theirs", {"app.kubernetes.io/managed-by": "catflap"}), ("other", {})):
        theirs["metadata"] = {"name": name, "labels": labels}
        catflap.cluster.api("POST", f"{REPORTS}/namespaces/{space}/reports", theirs)
    catflap.configure({"reports": "off"})
    eventually(lambda: find_report(catflap, space).status == 404, within=60.0)
    left = catflap.cluster.api("GET", f"{REPORTS}/namespaces/{space}/reports")["items"]
    assert sorted(one["metadata"]["name"] for one in left) == ["other", "theirs"]
    assert metric(catflap.controller, "catflap_scan_completed_timestamp_seconds") == 0


def test_another_report_of_its_name_is_left_alone(catflap: Installation, space: str) -> None:
    """A removed right prevents the write."""
    body = {"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": {"name": "catflap"}, "source": "x"}
    before = catflap.cluster.api("POST", f"{REPORTS}/namespaces/{space}/reports", body)
    scan(catflap)
    assert report(catflap, space) == before


def test_an_edited_report_is_put_right(catflap: Installation, space: str) -> None:
    """The next scan does."""
    scan(catflap)
    before = report(catflap, space)
    catflap.cluster.api(
        "PATCH", f"{REPORTS}/namespaces/{space}/reports/catflap", {"results": [], "source": "x"}, content_type=MERGE
    )
    scan(catflap)
    after = report(catflap, space)
    assert (after["summary"], after["source"], len(after["results"])) == (before["summary"], "catflap", 1)


def test_a_report_has_a_bounded_size(catflap: Installation, space: str) -> None:
    """KY#2674, etcd's limit: the report has the worst results and the number of omitted ones; the summary counts all."""
    many = MAX_RESULTS + 50
    for number in range(many):
        body: dict[str, Any] = {
            "apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": f"{number:03}-{'x' * 240}"},
            "template": {"metadata": {"labels": {"app": "a" * 63}}, "spec": {"containers": [{"name": "x", "image": "x"}]}},
        }  # fmt: skip
        catflap.cluster.api("POST", f"/api/v1/namespaces/{space}/podtemplates", body)
    scan(catflap)
    found = report(catflap, space)
    assert len(found["results"]) == MAX_RESULTS + 1
    assert found["results"][-1]["properties"] == {"leftOut": str(many + 1 - MAX_RESULTS)}
    assert found["summary"] == {"pass": 1, "fail": many + 1, "warn": 0, "error": 0, "skip": 1}
    assert len(json.dumps(found)) < ETCD_LIMIT / 3
    catflap.cluster.api("DELETE", f"/api/v1/namespaces/{space}/podtemplates")


def test_without_the_right_to_look_reports_stay_as_they_were(catflap: Installation, space: str) -> None:
    """A kind that cannot be read does not count as compliant, and the failure is counted."""
    scan(catflap)
    before, failed = report(catflap, space), metric(catflap.controller, "catflap_scan_failures_total")
    with without_right_to(catflap, "deployments"):
        catflap.configure({"exempt": {"users": ["blind"]}})
        eventually(lambda: metric(catflap.controller, "catflap_scan_failures_total") > failed, within=60.0)
    assert report(catflap, space) == before
    assert "deployments.apps: the account may not list this resource" in catflap.controller.log()


def test_one_of_two_controllers_scans(catflap: Installation) -> None:
    """The other one takes over as soon as the first is gone, and sends no requests until then."""
    scan(catflap)
    with run_controller(catflap.cluster, catflap.folder, name="second") as second:
        catflap.replicas.append(second)
        try:
            policy = scan(catflap)
            assert metric(second, "catflap_scan_completed_timestamp_seconds") == 0
            assert [metric(one, "catflap_leader") for one in (catflap.controller, second)] == [1, 0]
            before = lease(catflap)
            stop(catflap.controller.process)
            wait_for_scan(second, policy, within=2 * RENEW_SECONDS)
            after = lease(catflap)
            assert metric(second, "catflap_leader") == 1
            assert after["holderIdentity"] != before["holderIdentity"]
            assert after["leaseTransitions"] == before["leaseTransitions"] + 1
            first, then = (leadership(one)[-1] for one in (catflap.controller, second))
            assert first == (before["holderIdentity"], False, "LeaseReleased")
            assert then == (after["holderIdentity"], True, "LeaseAcquired")
        finally:
            catflap.replicas.remove(second)
    catflap.controller = catflap.revived.enter_context(run_controller(catflap.cluster, catflap.folder))


def leadership(controller: Program) -> list[tuple[str, bool, str]]:
    """Return the controller's records of its leadership: its name, whether it leads, and why."""
    return [(one["candidate"], one["leads"], one["reasonCode"]) for one in controller.records("leader")]


def lease(catflap: Installation) -> dict[str, Any]:
    """Return the Lease."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/catflap-controller"
    return catflap.cluster.api("GET", path)["spec"]  # type: ignore[no-any-return]


def test_where_no_reports_are_served_none_is_written(catflap: Installation, space: str) -> None:
    """It is logged once; the metrics are set all the same, and the first scan after the CRDs writes the first report."""
    catflap.cluster.remove_openreports()
    try:
        told = catflap.controller.log().count("not served, so catflap writes no report")
        begin = catflap.cluster.audit_size()
        scan(catflap)
        scan(catflap)
        asked = [one for one in catflap_requests(catflap, after=begin) if one["verb"] not in {"get", "list", "watch"}]
        assert asked == []
        assert catflap.controller.log().count("not served, so catflap writes no report") == told + 1
    finally:
        catflap.cluster.install_openreports()
    scan(catflap)
    assert report(catflap, space)["summary"]["fail"] == 1
