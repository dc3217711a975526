"""What is counted, and under which labels."""

from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from webhook import __version__
from webhook.metrics import LATENCY_BUCKETS, PHASES, Metrics
from webhook.model.decision import Verdict

NAMES = {
    "catflap_audit_failures": "counter",
    "catflap_audit_lost": "counter",
    "catflap_audit_queue_bytes": "gauge",
    "catflap_audit_sync_seconds": "histogram",
    "catflap_audit_uncopied": "counter",
    "catflap_bad_reviews": "counter",
    "catflap_build_info": "gauge",
    "catflap_connections_dropped": "counter",
    "catflap_decision_seconds": "histogram",
    "catflap_decisions": "counter",
    "catflap_events": "counter",
    "catflap_exceptions": "gauge",
    "catflap_guarded_namespaces": "gauge",
    "catflap_namespace_unguarded_seconds": "histogram",
    "catflap_not_repaired": "gauge",
    "catflap_pods_before_isolation": "counter",
    "catflap_policies_written": "counter",
    "catflap_policy_file_missing": "gauge",
    "catflap_policy_info": "gauge",
    "catflap_policy_not_followed": "gauge",
    "catflap_policy_refusals": "counter",
    "catflap_reconcile_failures": "counter",
    "catflap_registered": "gauge",
    "catflap_webhook_path_age_seconds": "gauge",
    "catflap_registration_weakened": "gauge",
    "catflap_reports_written": "counter",
    "catflap_scan_completed_timestamp_seconds": "gauge",
    "catflap_scan_failures": "counter",
    "catflap_scan_objects": "gauge",
    "catflap_scan_seconds": "gauge",
    "catflap_scan_violations": "gauge",
}


def families(metrics: Metrics) -> dict[str, Any]:
    """What Prometheus reads, by name; the process's own left out."""
    found = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {family.name: family for family in found if family.name.startswith("catflap")}


def test_the_metrics_are_these() -> None:
    """Dashboards hang on the names; the times of creation that Python's client adds are nobody's business."""
    found = {name: family.type for name, family in families(Metrics()).items() if not name.endswith("_created")}
    assert found == NAMES


def test_every_decision_is_there_before_it_is_made() -> None:
    """A rate over a counter that appears late misses its first step."""
    samples = families(Metrics())["catflap_decisions"].samples
    totals = {
        tuple(sorted(sample.labels.items())): sample.value for sample in samples if sample.name.endswith("_total")
    }
    assert totals == {(("decision", str(verdict)), ("phase", phase)): 0.0 for phase in PHASES for verdict in Verdict}


@pytest.mark.parametrize("status", [400, 413, 415])
def test_a_bad_review_is_counted_by_its_answer(status: int) -> None:
    """The three that we give."""
    metrics = Metrics()
    metrics.bad_reviews[status].inc()
    samples = families(metrics)["catflap_bad_reviews"].samples
    assert {
        sample.labels["status"] for sample in samples if sample.value == 1.0 and sample.name.endswith("_total")
    } == {str(status)}


def test_latency_is_told_from_microseconds_to_the_api_servers_patience() -> None:
    """The longest timeout of a webhook is 30 s, its default 10."""
    assert list(LATENCY_BUCKETS) == sorted(LATENCY_BUCKETS)
    assert LATENCY_BUCKETS[0] < 0.0001
    assert LATENCY_BUCKETS[-1] == 10


def test_the_running_release_is_named() -> None:
    """As a metric that is always 1."""
    (sample,) = families(Metrics())["catflap_build_info"].samples
    assert (sample.labels, sample.value) == ({"version": __version__}, 1.0)


def test_two_processes_share_nothing() -> None:
    """No registry is global, so tests and processes do not add up."""
    first, second = Metrics(), Metrics()
    first.policy_refusals.inc()
    assert first.registry.get_sample_value("catflap_policy_refusals_total") == 1.0
    assert second.registry.get_sample_value("catflap_policy_refusals_total") == 0.0
