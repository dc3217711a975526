"""What a scan found in a namespace, as a report that other programs show: OpenReports' `Report`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from webhook.guard.preview import Effect, PreviewRow
from webhook.kube.api import Json
from webhook.kube.reports import API_VERSION
from webhook.model.counting import counted
from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL, REPORT_NAME
from webhook.model.request import PolicyObject
from webhook.rules import RULES

SOURCE: Final = "catflap"
# With the longest names and messages some 400 kB; etcd takes 1.5 MB.
MOST_RESULTS: Final = 200
# Of a message, in characters: whole ones are in `catflap preview`.
LONGEST_MESSAGE: Final = 500
RESULTS: Final[Mapping[Effect, tuple[str, str]]] = {
    Effect.REFUSED: ("fail", "high"),
    Effect.WARNED: ("warn", "medium"),
    Effect.RECORDED: ("warn", "low"),
}
WORST_FIRST: Final = list(RESULTS)


def report(space: str, owners: int, rows: Sequence[PreviewRow], at: datetime) -> Json:
    """The report on a namespace, or on what is in none, in which so many owners were looked at.

    The worst results alone where there are too many, always in the same order, so that nothing changes unless something does.
    """
    worst = sorted(rows, key=lambda row: (WORST_FIRST.index(row.effect), row.owner, row.rule))
    results = [result(row, at) for row in worst[:MOST_RESULTS]]
    if left_out := len(rows) - len(results):
        results.append(rest(left_out, at))
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
        "configuration": {"limits": {"maxResults": MOST_RESULTS}},
        "summary": {"pass": owners - len({row.owner for row in rows}), **counts},
        **({"results": results} if results else {}),
    }


def result(row: PreviewRow, at: datetime) -> Json:
    """One owner's faults by one rule."""
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
        "message": shortened("; ".join(said(one.path, one.message) for one in row.faults)),
        "resources": [{key: value for key, value in owner.items() if value}],
        "properties": {"effect": str(row.effect), **({"keepsRunning": "true"} if row.keeps_running else {})},
    }


def rest(left_out: int, at: datetime) -> Json:
    """The last entry, where there were too many."""
    return {
        "source": SOURCE,
        "policy": SOURCE,
        "category": "Report",
        "severity": "info",
        "result": "skip",
        "timestamp": timestamp(at),
        "message": f"{counted(left_out, 'more result')} left out here and counted in the summary; catflap preview shows all",
        "properties": {"leftOut": str(left_out)},
    }


def category(rule: str) -> str:
    """What a rule is about, as dashboards group it."""
    known = RULES.get(rule)
    if known is None:
        return "Custom rules"
    return "Network policies" if known.about is PolicyObject else "Workloads"


def said(path: str, message: str) -> str:
    """A fault on one line."""
    return f"{path}: {message}" if path else message


def shortened(message: str) -> str:
    """A message no longer than it should be."""
    return message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"


def timestamp(at: datetime) -> Json:
    """A time as reports have it."""
    return {"seconds": int(at.timestamp()), "nanos": 0}


def over(wanted: Json, stored: Json) -> Json:
    """A report as it is to be stored over one that stands: what was found before keeps the time at which it was found."""
    before = {identity(one): one.get("timestamp") for one in stored.get("results") or ()}
    results = [
        {**one, "timestamp": before.get(identity(one)) or one["timestamp"]} for one in wanted.get("results") or ()
    ]
    kept = stored["metadata"]
    metadata = {**kept, "labels": {**(kept.get("labels") or {}), **wanted["metadata"]["labels"]}}
    return {**wanted, "metadata": metadata, **({"results": results} if results else {})}


def identity(one: Mapping[str, Any]) -> bytes:
    """What a result says, but for when it was found."""
    return msgspec.json.encode({key: value for key, value in one.items() if key != "timestamp"}, order="deterministic")
