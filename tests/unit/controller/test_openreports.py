"""Tests the contents of a report, and when two reports are equal."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import pytest

from webhook.admission.owner_graph import ObjectName
from webhook.admission.preview import Effect, PreviewRow
from webhook.controller.openreports import MAX_MESSAGE_CHARACTERS, MAX_RESULTS, merge_report, report
from webhook.model.rule import Violation

AT: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER: Final = AT + timedelta(hours=1)
ETCD_LIMIT: Final = 1_500_000


def row(name: str = "web", rule: str = "require-role", effect: Effect = Effect.REFUSED, **more: Any) -> PreviewRow:
    """Return a Deployment with a violation."""
    fault = Violation(rule=rule, path="spec.template.metadata.labels", message="it is missing")
    whole = {"faults": (fault,), "api_version": "apps/v1", "uid": f"uid-of-{name}", **more}
    return PreviewRow(ObjectName("shop", "Deployment", name, "apps"), rule, effect, **whole)


def stored(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a report as the API server returns it: with another order of keys, and additional metadata."""
    sorted_keys: dict[str, Any] = json.loads(json.dumps(wanted, sort_keys=True))
    sorted_keys["metadata"] |= {"uid": "1", "resourceVersion": "7", "managedFields": [{"manager": "catflap"}]}
    return sorted_keys


def test_the_summary_counts_owners_that_are_good_and_results_that_are_not() -> None:
    """An owner with two violations yields two results and does not count as passed."""
    rows = [row(), row(rule="require-app"), row("other", effect=Effect.WARNED), row("third", effect=Effect.RECORDED)]
    found = report("shop", 10, rows, AT)
    assert found["summary"] == {"pass": 7, "fail": 2, "warn": 2, "error": 0, "skip": 0}
    assert [one["result"] for one in found["results"]] == ["fail", "fail", "warn", "warn"]


def test_workloads_that_keep_running_are_marked() -> None:
    """It is a violation all the same."""
    [result] = report("shop", 1, [row(keeps_running=True)], AT)["results"]
    assert result["properties"] == {"effect": "refused", "keepsRunning": "true"}


@pytest.mark.parametrize(
    ("rule", "category"),
    [("require-role", "Workloads"), ("no-open-policy", "Network policies"), ("limits-set", "Custom rules")],
)
def test_a_rule_is_of_a_category(rule: str, category: str) -> None:
    """Dashboards group by category."""
    [result] = report("shop", 1, [row(rule=rule)], AT)["results"]
    assert (result["policy"], result["category"]) == (rule, category)


def test_what_is_in_no_namespace_has_a_report_of_its_own() -> None:
    """Return a GlobalNetworkPolicy that allows what catflap denies."""
    found = report(
        "", 1, [PreviewRow(ObjectName("", "GlobalNetworkPolicy", "open"), "no-open-policy", Effect.WARNED, ())], AT
    )
    assert (found["kind"], found["metadata"].get("namespace")) == ("ClusterReport", None)
    assert found["results"][0]["resources"] == [{"kind": "GlobalNetworkPolicy", "name": "open"}]


def test_the_worst_results_are_listed_and_the_others_counted() -> None:
    """The order does not depend on the order of discovery."""
    rows = [row(f"w{number:03}", effect=Effect.WARNED) for number in range(MAX_RESULTS)]
    rows += [row(f"r{number:03}") for number in range(MAX_RESULTS // 2)]
    found = report("shop", 1000, rows, AT)
    assert len(found["results"]) == MAX_RESULTS + 1
    assert [one["result"] for one in found["results"]].count("fail") == MAX_RESULTS // 2
    assert found["results"][-1]["properties"] == {"leftOut": str(MAX_RESULTS // 2)}
    assert found["summary"]["warn"] == MAX_RESULTS
    Random(1).shuffle(rows)
    assert report("shop", 1000, rows, AT) == found


def test_the_largest_report_is_far_below_etcds_limit() -> None:
    """This holds for the longest names and any number of violations."""
    fault = Violation(rule="x" * 60, path="spec.template.metadata.labels", message="ü" * 300)
    name = ObjectName("n" * 63, "K" * 63, "x" * 253, "g" * 253)
    rows = [
        PreviewRow(name._replace(name=f"{number:03}{'x' * 250}"), "x" * 60, Effect.REFUSED, (fault,) * 20, 1,
            keeps_running=True, api_version=f"{'g' * 253}/v1", uid="u" * 36)
        for number in range(1000)
    ]  # fmt: skip
    found = report("n" * 63, 1000, rows, AT)
    assert len(json.dumps(found, ensure_ascii=False).encode()) < ETCD_LIMIT / 2
    assert all(len(one["message"]) <= MAX_MESSAGE_CHARACTERS for one in found["results"])


def test_the_same_found_again_is_nothing_to_write() -> None:
    """It keeps its first timestamp, and other metadata stays."""
    before = stored(report("shop", 2, [row()], AT))
    before["metadata"]["labels"]["theirs"] = "kept"
    assert merge_report(report("shop", 2, [row()], LATER), before) == before


def test_what_is_new_has_its_own_time() -> None:
    """Entries of other kinds stay unchanged."""
    after = merge_report(report("shop", 2, [row(), row("new")], LATER), stored(report("shop", 2, [row()], AT)))
    assert [one["timestamp"]["seconds"] for one in after["results"]] == [LATER.timestamp(), AT.timestamp()]
    assert after["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize(
    "broken", [{"results": None}, {"results": []}, {"source": "x"}, {"summary": {}}, {"scope": {}}]
)
def test_a_changed_report_is_rewritten(broken: dict[str, Any]) -> None:
    """Catflap owns each part of a report, except for metadata of others."""
    wanted = report("shop", 1, [row()], AT)
    before = {**stored(wanted), **broken}
    after = merge_report(wanted, before)
    assert after != before
    assert {**after, "metadata": None} == {**wanted, "metadata": None}
