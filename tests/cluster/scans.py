"""Triggers scans, and reads their results."""

import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from tests.cluster.installation import Installation, eventually
from tests.controlplane.client import Answer
from tests.programs import Program

REPORTS: Final = "/apis/openreports.io/v1alpha1"
SCAN_SECONDS: Final = 60.0  # a scan follows an edit within some seconds, on a busy machine later
NUMBERS: Final = count()


def scan(catflap: Installation, policy: Mapping[str, Any] | None = None) -> str:
    """Edit the policy file, by default without effect; return its digest once a scan that used this file is complete.

    No other call writes the same file, so the scan began after the edit.
    """
    written = catflap.configure({"exempt": {"users": [f"nobody-{next(NUMBERS)}"]}, **(policy or {})})
    wait_for_scan(catflap.controller, written)
    return written


def wait_for_scan(program: Program, policy: str, *, within: float = SCAN_SECONDS) -> None:
    """Wait until a scan of a controller that used the policy file with this digest is complete."""
    eventually(lambda: metric(program, f'catflap_scan_policy_info{{digest="{policy}"}}'), within=within)


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
