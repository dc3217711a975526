"""Scans, as a test has them done and sees what came of them."""

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
SCAN_SECONDS: Final = 30.0  # an edit is followed by a scan within some seconds
NUMBERS: Final = count()


def scan(catflap: Installation, policy: Mapping[str, Any] | None = None, *, within: float = SCAN_SECONDS) -> None:
    """Edit the policy file, in nothing that matters if nothing is said, and wait until a scan that began afterwards is done."""
    whole = {"exempt": {"users": [f"nobody-{next(NUMBERS)}"]}, **(policy or {})}
    catflap.configure(whole)
    wait_for_scan(catflap.controller, time.time(), within=within)


def wait_for_scan(program: Program, after: float, *, within: float = SCAN_SECONDS) -> None:
    """Wait until a scan is done that began after a moment."""
    eventually(partial(began, program), until=lambda seen: seen > after, within=within)


def began(program: Program) -> float:
    """When the last scan began that a controller completed."""
    return metric(program, "catflap_scan_completed_timestamp_seconds") - metric(program, "catflap_scan_seconds")


def metric(program: Program, name: str) -> float:
    """A metric without labels, or with those that are given in its name."""
    shown = program.status("/metrics").body.decode()
    found = re.search(rf"^{re.escape(name)} (.+)$", shown, re.MULTILINE)
    return float(found[1]) if found else 0.0


def looked(catflap: Installation, space: str) -> Answer:
    """The report on a namespace, or that there is none."""
    return catflap.cluster.call("GET", f"{REPORTS}/namespaces/{space}/reports/catflap")


def report(catflap: Installation, space: str) -> dict[str, Any]:
    """The report on a namespace."""
    return catflap.cluster.api("GET", f"{REPORTS}/namespaces/{space}/reports/catflap")  # type: ignore[no-any-return]
