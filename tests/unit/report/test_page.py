"""Test that the page shows what the log says, and that no content of the log forges anything."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit_logs import verify_logs
from tests.entries import DECISION, DENIED, START, WRITE, make_entry
from tests.evidence_logs import ALLOWED, BEGIN, BROKEN_BY, POLICY, REFUSED, SPACES, write_week
from tests.unit.report.pages import ATTRIBUTES, ELEMENTS, Page, report
from webhook.audit.verify import Verifier
from webhook.report.aggregator import Aggregator
from webhook.report.page import ReportOptions, render_page

HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'; alert(1); '", "</style><script>", "{{ 7 * 7 }}",
    "&lt;b&gt;", "<!--", "]]>", "javascript:alert(1)", "\u202eevil\u202c", "a\x00b", "$\\frac{1}{0}$", "<svg/onload=alert(1)>", "%s%n",
]  # fmt: skip


@pytest.fixture(scope="module")
def week_page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    """Return a week's log, and its page."""
    folder = tmp_path_factory.mktemp("week")
    write_week(folder / "audit.log")
    (folder / "policy.yaml").write_text(POLICY)
    done = report(folder / "audit.log", "-c", folder / "policy.yaml", "-o", folder / "report.html")
    assert (done.exit_code, done.stdout) == (0, "")
    return folder / "audit.log", Page((folder / "report.html").read_text(encoding="utf-8"))


def test_refusals_are_those_of_the_log(week_page: tuple[Path, Page]) -> None:
    """The test counts refusals by rule, namespace and user from the lines."""
    log, found = week_page
    refused = [one for one in map(json.loads, log.read_text().splitlines()) if one.get("decision") == "denied"]
    by = {
        "Rejections by rule, in figures": Counter(fault["rule"] for one in refused for fault in one["denied"]),
        "Rejections by namespace, in figures": Counter(one["objectRef"]["namespace"] for one in refused),
        "Rejections by who asked": Counter(one["user"]["username"] for one in refused),
    }
    for caption, counts in by.items():
        assert found.figures(caption) == counts | {"All": REFUSED}, caption
    assert by["Rejections by rule, in figures"] == BROKEN_BY


def test_table_next_to_the_chart_adds_up(week_page: tuple[Path, Page]) -> None:
    """The sum covers each time step and each name."""
    [rows] = [
        rows for caption, rows in week_page[1].tables.items() if caption.startswith("Rejections by rule, in steps of")
    ]
    assert sum(int(cell.replace(",", "")) for row in rows[1:] for cell in row[1:]) == REFUSED


def test_gaps_are_exact_or_upper_bounds(week_page: tuple[Path, Page]) -> None:
    """The gaps are those of the sample log."""
    rows = week_page[1].tables["Namespaces: open ones first, then by the time without the policy"]
    by_name = {row[0]: row for row in rows if row}
    assert by_name["payments"][4:] == ["1", "42 s", "isolated"]
    assert by_name["search"][4:] == ["1", "at most 1 min 30 s", "isolated"]
    assert by_name["mail"][3:] == ["0.25 s", "0", "none recorded", "isolated"]
    assert (
        week_page[1].figures("Isolation of the namespace when a Pod was admitted or rejected")["proven"] == ALLOWED + 2
    )


def test_exceptions_have_their_states(week_page: tuple[Path, Page]) -> None:
    """The expired exception is no longer in force."""
    [(caption, rows)] = [
        one for one in week_page[1].tables.items() if one[0].startswith("Exceptions of the policy file")
    ]
    assert caption.endswith("on the day of this report")
    assert [(row[0], row[-1]) for row in rows[1:]] == [("known-role", "expired"), ("require-role", "in force")]


def test_each_control_has_figures_and_limits(week_page: tuple[Path, Page]) -> None:
    """This holds for every control on the page."""
    rows = week_page[1].tables["Controls"][1:]
    named = " ".join(row[0] for row in rows)
    for control in ("5.3.2", "NSA/CISA", "1.3.1", "10.2", "10.3", "AC-4", "SC-7(5)", "AU-9", "AU-10", "CC6.6"):
        assert control in named
    assert all(any(letter.isdigit() for letter in row[1]) and row[2] for row in rows)


def test_absent_values_are_none_or_unknown_or_not_examined(week_page: tuple[Path, Page]) -> None:
    """The word "none" is an answer of the log; "not known" means that no file has the answer."""
    text = week_page[1].text
    assert "Not read: no cluster was named" in text
    assert "Not checked, by reason: none; each request of this period was checked or exempt." in text
    assert "Leader of the controllers: not known, because the log of a controller is not among the files." in text
    assert "Serving certificates: none; no server loaded a new certificate in this period." in text
    assert "Exceptions in force 1" in text


POD: Final = {"objectRef": {"apiVersion": "v1", "resource": "pods", "namespace": "shop", "name": "web"}}


@pytest.mark.parametrize(
    ("records", "says"),
    [
        pytest.param([], "not known, because no decision was recorded in this period", id="no decision"),
        pytest.param(
            [DENIED | POD], "none; 1 request for a new Pod was decided without an isolation check", id="denied"
        ),
        pytest.param(
            [DENIED | POD] * 2,
            "none; 2 requests for a new Pod were decided without an isolation check",
            id="two denied",
        ),
        pytest.param(
            [DECISION | POD | {"decision": "exempt"}], "none; 1 request for a new Pod was decided", id="exempt"
        ),
        pytest.param([DENIED | POD | {"verb": "update"}], "none; no request of this period created a Pod", id="update"),
        pytest.param([DENIED], "none; no request of this period created a Pod", id="another resource"),
    ],
)
def test_pod_request_is_counted_once_for_any_outcome(records: list[dict[str, Any]], says: str) -> None:
    """Only requests that get as far as the namespace check have its state."""
    assert f"Isolation of the namespace when a Pod was admitted or rejected: {says}" in Page(page_text(records)).text


def test_requests_decided_are_as_many_as_decisions(week_page: tuple[Path, Page]) -> None:
    """The labelling phase gets the same requests, and has a separate count."""
    kinds = week_page[1].figures("Kinds of records")
    decided = f"{kinds['decision']:,}"
    assert f"Requests decided {decided} " in week_page[1].text
    assert kinds["decision of the mutating phase, which rejects nothing"] == len(SPACES)
    assert f"{REFUSED} requests rejected of {decided} decided" in week_page[1].text


def test_first_page_names_the_preparer(tmp_path: Path) -> None:
    """The page has the preparer's words, or says that they are missing."""
    write_week(tmp_path / "log")
    said = ["--cluster-name", "prod <eu>", "--scope", "Q1 2026, PCI DSS", "--prepared-by", "Ann Example"]
    done = report(tmp_path / "log", *said, "-o", "-")
    text = Page(done.stdout).text
    assert "Cluster prod <eu> Scope Q1 2026, PCI DSS Prepared by Ann Example Prepared on " in text
    assert text.index("Prepared by") < text.index("1. Period and sources")
    assert "not stated" not in text
    unnamed = Page(report(tmp_path / "log", "-o", "-").stdout).text
    assert unnamed.count("not stated") == len(said) / 2


def test_a_line_on_the_terminal_sums_up(tmp_path: Path) -> None:
    """The line is on standard error, as standard output may be the page."""
    write_week(tmp_path / "log")
    done = report(tmp_path / "log", "-o", tmp_path / "page.html")
    records = len((tmp_path / "log").read_bytes().splitlines())
    decided = ALLOWED + REFUSED + 8  # a removal, a proof in search, five exempt ones, one by an exception
    wanted = (
        f"the log is sound; {records:,} records in 1 chain, {decided} requests decided, {REFUSED} rejected, 6 exempt"
    )
    assert done.stderr == f"catflap: {tmp_path / 'page.html'}: {wanted}\n"
    assert done.stdout == ""
    (tmp_path / "log").write_bytes((tmp_path / "log").read_bytes().replace(b'"carol"', b'"karol"'))
    damaged = report(tmp_path / "log", "-o", "-").stderr
    assert damaged.startswith("catflap: the log is DAMAGED, ")


def test_the_page_loads_nothing(week_page: tuple[Path, Page]) -> None:
    """Its links are internal, and its images are inline."""
    assert all(link.startswith(("#", "data:")) for link in week_page[1].links)
    assert week_page[1].elements <= ELEMENTS
    assert week_page[1].attributes <= ATTRIBUTES


def test_an_empty_period_is_no_row_of_zeros(tmp_path: Path) -> None:
    """Each section says that nothing is known."""
    write_week(tmp_path / "log")
    done = report(tmp_path / "log", "--from", "2030-01-01", "-o", tmp_path / "page.html")
    assert done.exit_code == 0
    found = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Not known, because no decision was recorded in this period" in found.text
    assert "Starts: not known, because no record is from this period" in found.text
    assert "Rejected not known" in found.text
    assert "not known, because no record of this period mentions a default-deny policy" in found.text
    assert "Rejections by rule, in figures" not in found.tables
    assert "Requests decided none recorded" in found.text
    [flows] = [row[1] for row in found.tables["Controls"] if row and "AC-4" in row[0]]
    assert "rejections and exemptions: not known, because" in flows


def page_text(records: list[dict[str, Any]]) -> str:
    """Return the page of some records, regardless of their writer."""
    gathering = Aggregator()
    for record in records:
        gathering.add(make_entry(record), "audit.log")
    asked = ReportOptions(
        files=["audit.log"],
        against=(),
        roots=(),
        begin="",
        end="",
        closed=False,
        lenient=False,
        release="0",
        made=BEGIN,
    )
    return render_page(asked, gathering, Verifier().finish(), ruled=None, namespace_states=None)


names = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=60))


def records_with_name(name: str) -> list[dict[str, Any]]:
    """Return a record of each kind, with a name in each field that a user may choose."""
    target = DECISION["objectRef"] | {"namespace": name, "name": name}
    user = {"username": name, "groups": [name]}
    return [
        DENIED | {"user": user, "objectRef": target, "denied": [{"rule": name, "path": name, "message": name}]},
        DECISION | {"user": user, "objectRef": target, "decision": "exempt", "reason": name, "closure": name},
        DECISION
        | {"objectRef": target, "reason": name, "decision": "allowed", "policyDigest": name, "closure": "proven"},
        WRITE | {"objectRef": WRITE["objectRef"] | {"namespace": name}, "reason": name},
        START | {"writer": {"process": name, "pod": {"name": name}}, "time": name},
        {"type": "configuration", "time": DECISION["time"], "accepted": False, "policyDigest": name, "faults": [name]},
    ]


@settings(max_examples=60, deadline=None)
@given(names)
def test_no_name_makes_an_element(name: str) -> None:
    """The page parses for any record content, and has the same elements as without it."""
    found = Page(page_text(records_with_name(name)))
    assert found.elements <= ELEMENTS
    assert found.attributes <= ATTRIBUTES
    assert all(link.startswith(("#", "data:")) for link in found.links)
    assert "".join(found.texts).replace("\n", "").isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_charts_of_hostile_names_are_pictures_of_them(name: str) -> None:
    """The name becomes no markup and no formula."""
    found = Page(page_text(records_with_name(name)))
    assert found.elements <= ELEMENTS
    assert found.attributes <= ATTRIBUTES


def test_the_story_is_a_sound_log(tmp_path: Path) -> None:
    """Otherwise the other tests would prove little."""
    write_week(tmp_path / "log")
    assert verify_logs(tmp_path / "log", closed=True).is_sound
