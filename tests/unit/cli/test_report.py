"""`catflap report`, as people call it."""

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from tests.stories import EMERGENCY, TEAMS, tell
from webhook.audit.keys import write_pair
from webhook.cli.report import entry_of
from webhook.config.parse import parse
from webhook.controller.registration import Endpoint, registration

POLICY = """
apiVersion: catflap.dev/v1
kind: GuardPolicy
exempt: {users: [robot]}
namespaces: {overrides: [{names: [sandbox-*], mode: warn}]}
exceptions:
  - {rule: no-host-network, namespace: mail, owner: sre, reason: node exporter, until: 2026-02-05}
  - {rule: require-app, namespace: shop, owner: ann, reason: legacy, until: 9999-12-31}
"""


def report(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it."""
    argv = [sys.executable, "-m", "webhook", "report", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def text_of(page: str) -> str:
    """What people read."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("<body>")[2])))


def test_a_sound_log_makes_a_page(tmp_path: Path) -> None:
    """With everything that was given; the file appears whole."""
    private, public = write_pair(str(tmp_path / "root"))
    policy, page = tmp_path / "policy.yaml", tmp_path / "page.html"
    policy.write_text(POLICY, encoding="utf-8")
    done = report(
        *tell(tmp_path, root=private), "-c", policy, "--trust", public, "--closed", "--cluster", "prod", "-o", page
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = text_of(page.read_text(encoding="utf-8"))
    assert "Admission audit report: prod The log is sound" in text
    assert f"{len(TEAMS)} namespaces were made in this period under catflap's eyes; for {len(TEAMS)} of them" in text
    assert f"{EMERGENCY:.2f} s longest time without a policy" in text
    assert "no-host-network mail sre node exporter 2026-02-05 ended" in text
    assert "require-app shop ann legacy 9999-12-31 in force" in text
    assert "sandbox-*: mode warn" in text
    assert "Exempt users robot" in text
    assert "a trusted root key vouches for the keys of 2 of 2 chains" in text


def test_a_damaged_log_says_so_first(tmp_path: Path) -> None:
    """Status 1, and the page is made all the same: it is what shows the damage."""
    served, controlled = tell(tmp_path)
    lines = served.read_bytes().splitlines(keepends=True)
    served.write_bytes(b"".join(lines[:40] + lines[41:]))
    done = report(served, controlled, "-o", tmp_path / "page.html")
    assert (done.returncode, done.stderr) == (1, "")
    text = text_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert text.startswith(" Admission audit report THE LOG IS DAMAGED: 1 finding in")
    assert f"missing {served}:41" in text


def test_a_period_counts_what_came_in_it(tmp_path: Path) -> None:
    """The whole log is verified, whatever is counted."""
    logs = tell(tmp_path)
    done = report(*logs, "--from", "2026-02-01", "--to", "2026-02-02", "-o", "-")
    assert done.returncode == 0
    text = text_of(done.stdout)
    assert "from 2026-02-01 00:00 UTC before 2026-02-02 00:00 UTC" in text
    assert "2026-02-01 00:00:00 to 2026-02-01 23" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["{empty}", "-o", "{page}"], "no record in", id="no record"),
        pytest.param(["{log}", "-c", "{empty}", "-o", "{page}"], "expected a mapping", id="no policy file"),
        pytest.param(["{log}", "--trust", "{empty}", "-o", "{page}"], "empty", id="no key"),
        pytest.param(["{log}", "-o", "{folder}/nowhere/page.html"], "nowhere", id="nowhere to write"),
        pytest.param(["{log}"], "'-o'", id="no page"),
    ],
)
def test_what_cannot_be_done_ends_it_with_status_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    """And leaves no page."""
    log, _ = tell(tmp_path, days=1)
    (tmp_path / "empty").write_bytes(b"")
    names = {"log": log, "empty": tmp_path / "empty", "page": tmp_path / "page.html", "folder": tmp_path}
    done = report(*(one.format(**names) for one in arguments))
    assert (done.returncode, says in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
    assert not (tmp_path / "page.html").exists()


def test_without_the_library_that_draws_it_says_how_to_get_it(tmp_path: Path) -> None:
    """And the log is not lost: nothing was written."""
    log, _ = tell(tmp_path, days=1)
    hidden = "import sys; sys.modules['matplotlib'] = None; from webhook.__main__ import main; main()"
    argv = [sys.executable, "-c", hidden, "report", str(log), "-o", str(tmp_path / "page.html")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'catflap[report]'" in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_what_is_registered_is_told_in_words() -> None:
    """Every entry, with what keeps requests from it."""
    endpoint = Endpoint(ca_bundle="", namespace="catflap-system", service="catflap")
    policy = parse("apiVersion: catflap.dev/v1\nkind: GuardPolicy\n").policy
    found = [entry_of(one) for whole in registration(policy, endpoint) for one in whole["webhooks"]]
    pods = found[0]
    assert (pods.name, pods.resources, pods.fails) == ("pods", "CREATE, UPDATE of pods", "refused")
    assert (pods.where, pods.conditions) == ("all but the exempt ones and catflap's own", ["labels-changed"])
    assert {one.where for one in found} == {pods.where, "all", "catflap's own"}
