"""Renders the findings of a scan in a namespace as an OpenReports `Report`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from webhook.admission.preview import Effect, PreviewRow
from webhook.kube.api import Json
from webhook.kube.reports import API_VERSION
from webhook.model.counting import counted
from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL, REPORT_NAME
from webhook.model.request import PolicyObject
from webhook.rules import RULES

SOURCE: Final = "catflap"
# With the longest names and messages this is about 400 kB. etcd accepts 1.5 MB.
MAX_RESULTS: Final = 200
# `catflap preview` prints whole messages.
MAX_MESSAGE_CHARACTERS: Final = 500
RESULTS: Final[Mapping[Effect, tuple[str, str]]] = {
    Effect.REFUSED: ("fail", "high"),
    Effect.WARNED: ("warn", "medium"),
    Effect.RECORDED: ("warn", "low"),
}
WORST_FIRST: Final = list(RESULTS)


def report(space: str, owners: int, rows: Sequence[PreviewRow], at: datetime) -> Json:
    """Return the report on a namespace, or on cluster-scoped objects; `owners` is the number of owners that were scanned.

    If there are too many results, the report has the most severe ones. Their order is stable, so that an unchanged
    result changes nothing.
    """
    worst = sorted(rows, key=lambda row: (WORST_FIRST.index(row.effect), row.owner, row.rule))
    results = [result(row, at) for row in worst[:MAX_RESULTS]]
    if left_out := len(rows) - len(results):
        results.append(omitted_results(left_out, at))
    outcomes = [RESULTS[row.effect][0] for row in rows]
    counts = {"fail": outcomes.count("fail"), "warn": outcomes.count("warn"), "error": 0, "skip": int(left_out > 0)}
    return {
        "apiVersion": API_VERSION,
        "kind": "Report" if space else "ClusterReport",
        "metadata": {
            "name": REPORT_NAME,
            **({"namespace": space} if space else {}),
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
        },
        "source": SOURCE,
        "configuration": {"limits": {"maxResults": MAX_RESULTS}},
        "summary": {"pass": owners - len({row.owner for row in rows}), **counts},
        **({"results": results} if results else {}),
    }


def result(row: PreviewRow, at: datetime) -> Json:
    """Return the result for one owner and one rule."""
    outcome, severity = RESULTS[row.effect]
    owner = {
        "apiVersion": row.api_version,
        "kind": row.owner.kind,
        "namespace": row.owner.namespace,
        "name": row.owner.name,
        "uid": row.uid,
    }
    return {
        "source": SOURCE,
        "policy": row.rule,
        "rule": row.rule,
        "category": category(row.rule),
        "severity": severity,
        "result": outcome,
        "scored": True,
        "timestamp": timestamp(at),
        "message": shortened("; ".join(format_fault(one.path, one.message) for one in row.faults)),
        "resources": [{key: value for key, value in owner.items() if value}],
        "properties": {"effect": str(row.effect), **({"keepsRunning": "true"} if row.keeps_running else {})},
    }


def omitted_results(left_out: int, at: datetime) -> Json:
    """Return the last result, which counts the omitted ones."""
    return {
        "source": SOURCE,
        "policy": SOURCE,
        "category": "Report",
        "severity": "info",
        "result": "skip",
        "timestamp": timestamp(at),
        "message": (
            f"{counted(left_out, 'more result')} not shown here, but counted in the summary; catflap "
            "preview shows all results"
        ),
        "properties": {"leftOut": str(left_out)},
    }


def category(rule: str) -> str:
    """Return the category of a rule, by which dashboards group results."""
    known = RULES.get(rule)
    if known is None:
        return "Custom rules"
    return "Network policies" if known.about is PolicyObject else "Workloads"


def format_fault(path: str, message: str) -> str:
    """Return a violation on one line."""
    return f"{path}: {message}" if path else message


def shortened(message: str) -> str:
    """Return a message cut to the maximum length."""
    return message if len(message) <= MAX_MESSAGE_CHARACTERS else f"{message[: MAX_MESSAGE_CHARACTERS - 1]}…"


def timestamp(at: datetime) -> Json:
    """Return a time in the format of reports."""
    return {"seconds": int(at.timestamp()), "nanos": 0}


def merge_report(wanted: Json, stored: Json) -> Json:
    """Return a report to store over an existing one; a result that was there before keeps its timestamp."""
    before = {content_key(one): one.get("timestamp") for one in stored.get("results") or ()}
    results = [
        {**one, "timestamp": before.get(content_key(one)) or one["timestamp"]} for one in wanted.get("results") or ()
    ]
    kept = stored["metadata"]
    metadata = {**kept, "labels": {**(kept.get("labels") or {}), **wanted["metadata"]["labels"]}}
    return {**wanted, "metadata": metadata, **({"results": results} if results else {})}


def content_key(one: Mapping[str, Any]) -> bytes:
    """Return the contents of a result without its timestamp, for comparison."""
    return msgspec.json.encode({key: value for key, value in one.items() if key != "timestamp"}, order="deterministic")
