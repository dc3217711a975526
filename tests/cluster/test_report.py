"""Tests the report of a real cluster: its logs, and its objects."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.manifests import GOOD, deployment, namespace, pod
from tests.unit.report.pages import Page, report
from webhook.audit.record import timestamp, utc_now

SPACES = "Namespaces: open ones first, then by the time without the policy"
STANDING = "Namespaces in the cluster"


@dataclass(frozen=True)
class Reported:
    """Return an installation, and a function for the report since a time: earlier tests left more records."""

    catflap: Installation
    folder: Path
    begin: str

    def page(self) -> Page:
        """Return the current report."""
        logs = [program.audit_log for program in (self.catflap.server, self.catflap.controller)]
        output = self.folder / "report.html"
        done = report(*logs, "--from", self.begin, "--kubeconfig", self.catflap.cluster.kubeconfig, "-o", output)
        assert done.exit_code == 0, done.output
        return Page(output.read_text(encoding="utf-8"))

    def row(self, table: str, name: str) -> list[str]:
        """Return the rows of a table about a namespace."""
        return next((row for row in self.page().tables.get(table, []) if row and row[0] == name), [])


@pytest.fixture
def reported(catflap: Installation, tmp_path: Path) -> Reported:
    """Return the logs of the installation from now on."""
    return Reported(catflap, tmp_path, timestamp(utc_now()))


def path(space: str) -> str:
    """Return the path of a namespace's default-deny policy."""
    return f"/apis/networking.k8s.io/v1/namespaces/{space}/networkpolicies/catflap-default-deny"


def test_a_namespace_is_reported_as_it_is(reported: Reported, namespace_name: str, older: str) -> None:
    """Isolated, exempt or older than catflap; the objects decide, not the log."""
    first = f"a-{namespace_name}"  # the page has the first 200 by name, and other tests left more than that
    reported.catflap.apply(namespace(first))
    eventually(lambda: reported.row(STANDING, first), until=lambda row: row and row[2] == "isolated")
    assert reported.row(STANDING, older)[2] == "older than catflap, not included"
    assert {reported.row(STANDING, name)[2] for name in (NAMESPACE, "kube-system")} == {"exempt"}


def test_a_gap_by_break_glass_is_reported_to_the_fraction_of_a_second(reported: Reported, namespace_name: str) -> None:
    """From the recorded removal to the recorded restoration."""
    reported.catflap.apply(namespace(namespace_name))
    reported.catflap.cluster.api("POST", f"/api/v1/namespaces/{namespace_name}/pods", pod("a", namespace_name, GOOD))
    reported.catflap.emergency("DELETE", path(namespace_name))
    row = eventually(lambda: reported.row(SPACES, namespace_name), until=lambda row: row and row[4] == "1")
    assert row[3].endswith(" s")
    assert row[5].endswith(" s")
    assert not row[5].startswith("at most")
    assert row[6] == "isolated"
    assert "emergency" in reported.page().figures("Break-glass, by user")


def test_refusals_are_counted(reported: Reported, namespace_name: str) -> None:
    """They are listed by their namespace."""
    reported.catflap.apply(namespace(namespace_name))
    for name in ("one", "two"):
        reported.catflap.apply(deployment(name, namespace_name, {}))
    assert reported.page().figures("Rejections by namespace, in figures")[namespace_name] == 2
