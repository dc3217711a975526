"""What is counted, and under which labels."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.reasons import some
from webhook import __version__
from webhook.former_metrics import FORMER, FORMER_VALUES
from webhook.metrics import CONTROLLER, COPY, LATENCY_BUCKETS, PHASES, SERVER, Metrics
from webhook.model.decision import Decision, Verdict
from webhook.model.rule import Violation
from webhook.rules import RULES

TABLE: Final = Path(__file__).parents[2] / "docs" / "metrics.md"
PROCESSES: Final = {SERVER: "server", CONTROLLER: "controller"}
# Labels whose values come with the first sample.
LATER: Final = {
    "catflap_exceptions": {"state"},
    "catflap_policies_written": {"outcome"},
    "catflap_policy": {"digest"},
    "catflap_scan_policy_info": {"digest"},
    "catflap_scan_violations": {"rule", "effect"},
}

NAMES = {
    "catflap_audit_failures": "counter",
    "catflap_audit_lost": "counter",
    "catflap_audit_queue_bytes": "gauge",
    "catflap_audit_sync_seconds": "histogram",
    "catflap_audit_stdout_dropped": "counter",
    "catflap_audit_uncopied": "counter",
    "catflap_bad_reviews": "counter",
    "catflap_build_info": "gauge",
    "catflap_certificate_expiry_timestamp_seconds": "gauge",
    "catflap_connections_dropped": "counter",
    "catflap_decision_seconds": "histogram",
    "catflap_decisions": "counter",
    "catflap_events": "counter",
    "catflap_exceptions": "gauge",
    "catflap_guarded_namespaces": "gauge",
    "catflap_leader": "gauge",
    "catflap_managed_namespaces": "gauge",
    "catflap_workqueue_depth": "gauge",
    "catflap_namespace_isolation_delay_seconds": "histogram",
    "catflap_namespace_unguarded_seconds": "histogram",
    "catflap_not_repaired": "gauge",
    "catflap_pods_before_isolation": "counter",
    "catflap_policies_written": "counter",
    "catflap_policy_file_missing": "gauge",
    "catflap_policy_info": "gauge",
    "catflap_policy_load_failures": "counter",
    "catflap_policy_not_followed": "gauge",
    "catflap_policy_refusals": "counter",
    "catflap_policy_sync_failed": "gauge",
    "catflap_reconcile_failures": "counter",
    "catflap_registered": "gauge",
    "catflap_webhook_path_age_seconds": "gauge",
    "catflap_registration_weakened": "gauge",
    "catflap_reports_written": "counter",
    "catflap_scan_completed_timestamp_seconds": "gauge",
    "catflap_scan_failures": "counter",
    "catflap_scan_objects": "gauge",
    "catflap_scan_policy_info": "gauge",
    "catflap_scan_seconds": "gauge",
    "catflap_scan_violations": "gauge",
    "catflap_violations": "counter",
}


def families(metrics: Metrics) -> dict[str, Any]:
    """What Prometheus reads, by name; the process's own left out."""
    found = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {family.name: family for family in found if family.name.startswith("catflap")}


def test_the_metrics_are_these() -> None:
    """Dashboards hang on the names; the times of creation that Python's client adds are not among them."""
    assert {name: family.type for name, family in families(Metrics()).items()} == NAMES


@pytest.mark.parametrize("process", [None, SERVER, CONTROLLER])
def test_no_series_says_when_another_one_began(process: str | None) -> None:
    """One more gauge for each counter and histogram."""
    metrics = Metrics(process)
    metrics.found(Decision(some(Verdict.DENIED), denied=(Violation("known-role", "", ""),)))
    assert "_created" not in generate_latest(metrics.registry).decode()


def test_the_documentation_lists_what_each_process_exports() -> None:
    """Name, type, process, labels and words; nothing else, and nothing twice."""
    exported = {process: exposed(process) for process in (SERVER, CONTROLLER)}
    wanted = {}
    for name, row in (exported[SERVER] | exported[CONTROLLER]).items():
        by = [process for process, rows in exported.items() if name in rows]
        wanted[name] = (row[0], "both" if len(by) > 1 else PROCESSES[by[0]], *row[1:])
    listed = [
        line.strip("| ").split(" | ") for line in TABLE.read_text("utf-8").splitlines() if line.startswith("| `catflap")
    ]
    cells = [[cell.strip() for cell in line] for line in listed]
    found = {name.strip("`"): (kind, by, labels, says) for name, kind, by, labels, says in cells}
    assert len(found) == len(cells)
    assert found == wanted


def exposed(process: str | None) -> dict[str, tuple[str, str, str]]:
    """Each metric of a process: its type, its labels as the table writes them, and its words."""
    found = {}
    for collected in Metrics(process).registry.collect():
        name, kind = collected.name, collected.type
        if name.startswith("catflap"):
            labels = LATER.get(name, set[str]()).union(*(sample.labels for sample in collected.samples)) - {"le"}
            full = name + {"counter": "_total", "info": "_info"}.get(kind, "")
            written = ", ".join(f"`{label}`" for label in sorted(labels))
            found[full] = ("gauge" if kind == "info" else kind, written, collected.documentation)
    return found


def test_no_process_exports_what_the_other_one_alone_knows() -> None:
    """A 0 of a program that cannot know better looks like an answer."""
    server, controller = (set(exposed(process)) for process in (SERVER, CONTROLLER))
    assert {"catflap_decisions_total", "catflap_certificate_expiry_timestamp_seconds"} <= server - controller
    assert {"catflap_leader", "catflap_registered", "catflap_not_repaired"} <= controller - server
    assert server | controller == set(exposed(None))


@pytest.mark.parametrize("rule", [*RULES, "guard-policies", "guard-labels", "bound-labels", "policy-file"])
@pytest.mark.parametrize("effect", ["denied", "warned", "audited"])
def test_faults_are_counted_by_rule_and_effect(rule: str, effect: str) -> None:
    """Each of a decision's faults, and nothing else."""
    metrics = Metrics(SERVER)
    faults = (Violation(rule, "metadata", "no"), Violation(rule, "spec", "no"))
    metrics.found(structs.replace(Decision(some(Verdict.DENIED)), **{effect: faults}))
    assert counted(metrics) == {(rule, effect): 2.0}


@given(st.lists(st.text(max_size=40), max_size=20))
def test_rules_of_the_policy_files_own_are_one_series(names: list[str]) -> None:
    """However many there are, so that a policy file cannot make series without end."""
    metrics = Metrics(SERVER)
    before = len(generate_latest(metrics.registry).splitlines())
    metrics.found(Decision(some(Verdict.ALLOWED), warned=tuple(Violation(f"own-{name}", "", "") for name in names)))
    assert counted(metrics) == ({("custom", "warned"): float(len(names))} if names else {})
    assert len(generate_latest(metrics.registry).splitlines()) == before


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    """The faults that were counted."""
    samples = families(metrics)["catflap_violations"].samples
    return {(one.labels["rule"], one.labels["effect"]): one.value for one in samples if one.value}


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
    first.policy_load_failures.inc()
    assert first.registry.get_sample_value("catflap_policy_load_failures_total") == 1.0
    assert second.registry.get_sample_value("catflap_policy_load_failures_total") == 0.0


def test_a_renamed_metric_has_its_former_name_too() -> None:
    """Dashboards keep working for one release; the former label value stays in the former metric."""
    metrics = Metrics()
    metrics.policy_load_failures.inc(2)
    metrics.audit_stdout_dropped.inc(3)
    metrics.managed_namespaces.set(4)
    metrics.isolation_delay.observe(0.2)
    metrics.sync_failed[COPY].set(1)
    found = families(metrics)
    assert samples(found["catflap_policy_not_followed"]) == {
        ("catflap_policy_not_followed", (("object", "registration"),)): 0.0,
        ("catflap_policy_not_followed", (("object", "twin"),)): 1.0,
    }
    for now, former in FORMER.items():
        expected = {
            (name.replace(now, former), tuple((key, FORMER_VALUES.get(value, value)) for key, value in labels)): number
            for (name, labels), number in samples(found[now]).items()
        }
        assert samples(found[former]) == expected
        assert any(expected.values()), "a metric of 0 would show nothing"
        assert found[former].type == found[now].type
        assert found[former].documentation.startswith(f"Deprecated: renamed to {now}")


@pytest.mark.parametrize("process", [SERVER, CONTROLLER])
def test_a_former_name_is_exported_where_the_current_one_is(process: str) -> None:
    """The other process has neither."""
    found = families(Metrics(process))
    assert [now in found for now in FORMER] == [former in found for former in FORMER.values()]


def samples(family: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the values of a metric by name and labels."""
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in family.samples}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_follows_the_conventions_of_prometheus(name: str) -> None:
    """The test has the checks of `promtool check metrics` (prometheus/client_golang, prometheus/testutil/promlint)."""
    found = families(Metrics())[name]
    assert found.documentation
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
    assert not name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert not set(name.split("_")) & {
        "counter",
        "gauge",
        "histogram",
        "summary",
        "ms",
        "milliseconds",
        "minutes",
        "kb",
        "kilobytes",
        "percent",
    }
    assert all(one.name == f"{name}_total" for one in found.samples if found.type == "counter")
    assert not {label for one in found.samples for label in one.labels} & {
        "quantile",
        *(() if found.type == "histogram" else ("le",)),
    }
