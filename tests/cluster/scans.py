"""Triggers scans, and reads their results."""

import re
import time
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Any, Final

from tests.cluster.installation import Installation, eventually
from tests.controlplane.client import Answer
from tests.programs import Program

REPORTS: Final = "/apis/openreports.io/v1alpha1"
SCAN_SECONDS: Final = 30.0  # a scan follows an edit within some seconds
NUMBERS: Final = count()


def scan(catflap: Installation, policy: Mapping[str, Any] | None = None, *, within: float = SCAN_SECONDS) -> None:
    """Edit the policy file, by default without effect, and wait until a scan that began later is complete."""
    whole = {"exempt": {"users": [f"nobody-{next(NUMBERS)}"]}, **(policy or {})}
    catflap.configure(whole)
    wait_for_scan(catflap.controller, time.time(), within=within)


def wait_for_scan(program: Program, after: float, *, within: float = SCAN_SECONDS) -> None:
    """Wait until a scan that began after a time is complete."""
    eventually(partial(last_scan_start, program), until=lambda seen: seen > after, within=within)


def last_scan_start(program: Program) -> float:
    """Return when the last complete scan of a controller began."""
    return metric(program, "catflap_scan_completed_timestamp_seconds") - metric(program, "catflap_scan_seconds")


def metric(program: Program, name: str) -> float:
    """Return a metric by its name, with its labels if it has any."""
    shown = program.status("/metrics").body.decode()
    found = re.search(rf"^{re.escape(name)} (.+)$", shown, re.MULTILINE)
    return float(found[1]) if found else 0.0


def find_report(catflap: Installation, space: str) -> Answer:
    """Return the report on a namespace, or None."""
    return catflap.cluster.call("GET", f"{REPORTS}/namespaces/{space}/reports/catflap")


def report(catflap: Installation, space: str) -> dict[str, Any]:
    """Return the report on a namespace."""
    return catflap.cluster.api("GET", f"{REPORTS}/namespaces/{space}/reports/catflap")  # type: ignore[no-any-return]
