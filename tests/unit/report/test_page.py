"""The page: its figures are the log's, and nothing that a log says is more than text on it."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.entries import CERTIFICATE, DECISION, DENIED, FAULT, LEADER, REFUSED_FILE, WRITE, entry
from tests.laws.strategies import LAW
from webhook.audit.query import Query
from webhook.audit.verify import Verifier
from webhook.report.content import Asked, page
from webhook.report.figures import Figures
from webhook.report.page import html

AT: Final = datetime(2026, 2, 1, tzinfo=UTC)
# What a page may consist of; anything else came from somewhere else.
TAGS: Final = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "h2",
        "p",
        "dl",
        "dt",
        "dd",
        "ul",
        "ol",
        "li",
        "b",
        "span",
        "nav",
        "a",
        "section",
        "div",
        "img",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ]
)
ATTRIBUTES: Final = frozenset(
    [
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "role",
        "aria-label",
        "href",
        "id",
        "src",
        "alt",
        "tabindex",
        "scope",
        "colspan",
    ]
)


class Reading(HTMLParser):
    """The elements, the attributes and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        """Remember it."""
        self.words.append(data)


def written(records: Iterable[dict[str, Any]], *, cluster: str = "", files: tuple[str, ...] = ("audit.log",)) -> str:
    """The page of some records."""
    figures = Figures(Query())
    for record in records:
        figures.take(entry(record))
    asked = Asked(cluster=cluster, files=files, against=(), trusted=False, closed=False, period="", at=AT)
    return html(page(asked, figures, Verifier().finish(), None))


def rows(text: str, caption: str) -> list[list[str]]:
    """The rows of the table under a caption."""
    table = text[text.index(f"<caption>{caption}</caption>") :].partition("</tbody>")[0].partition("<tbody>")[2]
    return [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    ]


def test_figures_are_the_logs() -> None:
    """Each rule once a request, each decision once an answer."""
    twice = DENIED | {"denied": [FAULT, FAULT | {"path": "elsewhere"}, FAULT | {"rule": "require-app"}]}
    text = written([DECISION, DECISION, DENIED, twice, DECISION | {"warned": [FAULT]}])
    assert rows(text, "By decision")[0][:3] == ["allowed", "3", "60.0 %"]
    assert rows(text, "By decision")[3][:3] == ["denied", "2", "40.0 %"]
    assert rows(text, "Faults by rule") == [["known-role", "2", "1", "0"], ["require-app", "1", "0", "0"]]
    assert rows(text, "Refusals by namespace") == [["shop", "2", "known-role, require-app"]]
    assert rows(text, "Refusals by user") == [["alice", "2"]]


def test_changes_of_the_guard_are_listed_the_newest_first() -> None:
    """Files, writes, certificates, leaders."""
    later = REFUSED_FILE | {"time": "2026-02-03T12:00:00.000000Z"}
    text = written([REFUSED_FILE, later, WRITE, WRITE, CERTIFICATE, LEADER])
    assert [row[0] for row in rows(text, "Policy files")] == ["2026-02-03 12:00:00", "2026-01-31 12:00:00"]
    assert rows(text, "What catflap wrote") == [["NetworkPolicy", "apply", "created", "2"]]
    assert [row[1] for row in rows(text, "Certificates and leading controllers")] == ["leader", "certificate"]


def test_what_is_not_known_is_not_a_zero() -> None:
    """It says why, and how to know it."""
    text = written([])
    assert text.count("not known: no policy file was given (-c)") == 3
    assert "not known" in text[: text.index("longest time without a policy")][-60:]
    assert "No audit root key was given" in text


def test_a_policy_that_was_taken_away_past_us_is_no_short_time_without() -> None:
    """What nobody knows the length of stands beside what is known, wherever that does."""
    text = written([WRITE | {"reason": "restored: it was edited or deleted"}])
    assert [row[3] for row in rows(text, "The longest times without first")] == ["not known 1 time"]
    assert "longest time without a policy, 1 not known" in text
    assert "1 time a policy was put back that nobody was let change on record" in text
    assert "1 of them after a time without it that is not known" in text


def test_a_record_without_a_time_is_told() -> None:
    """Nothing else can be said of it."""
    text = written([DECISION | {"time": "yesterday"}, DECISION])
    assert "1 record whose time is none" in text
    assert rows(text, "By decision")[0][:2] == ["allowed", "1"]


HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><base href=//example.com>",
    "&lt;b&gt;{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u0000\u001b[2J",
    "$x^2$ \\alpha_%",
    "javascript:alert(1)",
    "n" * 5000,
)


@LAW
@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=30), min_size=9, max_size=9))
def test_whatever_a_log_says_is_text(words: list[str]) -> None:
    """Names come from whoever asked."""
    user, space, rule, path, message, reason, digest, cluster, file = words
    fault = {"rule": rule, "path": path, "message": message}
    about = {
        "objectRef": {"resource": "pods", "namespace": space, "name": "x"},
        "user": {"username": user, "groups": []},
    }
    text = written(
        [
            DENIED | about | {"denied": [fault]},
            DECISION | about | {"decision": "exempt", "reason": reason},
            DECISION | about | {"objectRef": {"resource": "namespaces", "name": space}, "phase": "mutate"},
            REFUSED_FILE | {"faults": [message], "policyDigest": digest},
            WRITE | {"reason": reason, "objectRef": WRITE["objectRef"] | {"namespace": space}},
            CERTIFICATE | {"serving": CERTIFICATE["serving"] | {"names": [user], "fingerprint": digest}},
            LEADER | {"candidate": user, "reason": reason},
        ],
        cluster=cluster,
        files=(file,),
    )
    found = Reading(text)
    assert found.tags <= TAGS
    assert found.attributes <= ATTRIBUTES
    assert all(one.startswith(("#", "data:image/svg+xml;base64,")) for one in found.addresses)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", text)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.isprintable()])
def test_a_name_can_be_read_as_it_was_written(name: str) -> None:
    """Also one that looks like markup."""
    words = Reading(written([DENIED | {"user": {"username": name, "groups": []}}])).words
    assert name in words
