"""Test the report in a real browser: on a desk and on a phone, in light and in dark."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.evidence_logs import BROKEN_BY, POLICY, REFUSED, LogWriter, write_week
from tests.unit.report.pages import report
from webhook.model.reason import ReasonCode
from webhook.report.charts import DARK, INK
from webhook.report.controls import CONTROLS

PHONE, DESK, WALL = 400, 1280, 1600
HEIGHT: Final = 900
CHARTS: Final = 3
CONTRAST: Final = 4.5  # WCAG 2.2, AA
Scheme = Literal["light", "dark"]
Open = Callable[..., Page]

OVERFLOWING: Final = """() => [...document.querySelectorAll("body *")]
  .filter(one => !one.closest(".scroll") || one.matches(".scroll"))
  .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map(one => one.outerHTML.slice(0, 80))"""
TABLE: Final = """caption => {
  const found = [...document.querySelectorAll("table")].filter(one => one.caption.textContent === caption);
  return found.map(one => [...one.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.innerText.trim())));
}"""
TEXTS: Final = """() => [...document.querySelectorAll("text")].map(one => {
  const box = one.getBoundingClientRect();
  return {text: one.textContent, left: box.left, right: box.right, top: box.top, bottom: box.bottom};
})"""
CONTRASTS: Final = """() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const light = rgb => { const [r, g, b] = rgb.slice(0, 3).map(one => one / 255)
    .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = one => { for (; one; one = one.parentElement) {
    const rgb = channels(getComputedStyle(one).backgroundColor); if (rgb.length < 4 || rgb[3] === 1) return rgb; } };
  return [...document.querySelectorAll("body *")]
    .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
    .map(one => { const [a, b] = [light(channels(getComputedStyle(one).color)), light(behind(one))];
      return [one.outerHTML.slice(0, 80), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; });
}"""
FOLDED: Final = "() => [...document.querySelectorAll('details > :not(summary)')].map(one => one.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true}) && one.getBoundingClientRect().height > 0)"
NEXT_FRAME: Final = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))"
TAGS: Final = "() => [...document.querySelectorAll('.tag')].map(one => [one.textContent, getComputedStyle(one).color])"
VARIABLES: Final = """names => names.map(name => { const one = document.createElement("i");
  one.style.color = `var(${name})`; document.body.append(one); const found = getComputedStyle(one).color; one.remove(); return found; })"""
LONGEST_WORD: Final = 18
BROKEN: Final = """most => {
  const broken = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    if (!node.parentElement.checkVisibility()) continue;
    for (const match of node.textContent.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      if (match[0].length > most) continue;
      const range = document.createRange();
      range.setStart(node, match.index); range.setEnd(node, match.index + match[0].length);
      const tops = [...range.getClientRects()].filter(one => one.width > 0).map(one => Math.round(one.top));
      if (new Set(tops).size > 1) broken.push(match[0] + " in " + node.textContent.trim().slice(0, 60));
    }
  }
  return broken;
}"""
SEEN: Final = """() => [...document.images].filter(one => one.checkVisibility())
  .map(one => [one.naturalWidth, one.getBoundingClientRect().width, one.className, one.src, one.alt])"""
DARK_INK: Final = INK[DARK][0]
HEADINGS: Final = "() => [...document.querySelectorAll('h1, h2, h3, h4')].map(one => Number(one.tagName[1]))"
UNLABELLED: Final = """() => [...document.querySelectorAll("table")].filter(one => !one.caption
  || [...one.querySelectorAll("th")].some(head => !head.scope) || one.querySelector("tbody tr > :first-child:not(th)"))
  .map(one => one.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a week's report."""
    folder = tmp_path_factory.mktemp("week")
    write_week(folder / "audit.log")
    (folder / "policy.yaml").write_text(POLICY)
    assert report(folder / "audit.log", "-c", folder / "policy.yaml", "-o", folder / "report.html").exit_code == 0
    return folder / "report.html"


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Yield a function that opens a page at a window width; afterwards there must be no requests and no errors."""
    asked: list[str] = []
    said: list[str] = []
    context = browser.new_context()

    def goto(path: Path, *, width: int = DESK, scheme: Scheme = "light") -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.emulate_media(color_scheme=scheme)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield goto
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK, WALL])
def test_nothing_is_wider_than_the_window(opened: Open, written: Path, width: int, scheme: Scheme) -> None:
    """Wide tables scroll within themselves."""
    page = opened(written, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.evaluate(OVERFLOWING) == []


def test_the_tables_have_the_figures_of_the_log(opened: Open, written: Path) -> None:
    """The figures are compared as shown."""
    page = opened(written)
    [rows] = page.evaluate(TABLE, "Rejections by rule, in figures")
    assert {row[0]: int(row[1]) for row in rows} == {**BROKEN_BY, "All": REFUSED}
    [chains] = page.evaluate(TABLE, "Chains, one for each process")
    lines = (written.parent / "audit.log").read_text().splitlines()
    assert [row[0] for row in chains] == [json.loads(lines[0])["chain"][:8]]
    assert int(chains[0][4].replace(",", "")) == len(lines)
    [controls] = page.evaluate(TABLE, "Controls")
    assert len(controls) == len(CONTROLS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_charts_are_seen_as_wide_as_there_is_room(opened: Open, written: Path, width: int, scheme: Scheme) -> None:
    """Each width and scheme has its own picture."""
    seen = opened(written, width=width, scheme=scheme).evaluate(SEEN)
    assert len(seen) == CHARTS
    for natural, shown, kind, source, alt in seen:
        assert natural > 0
        assert 0.6 * natural < shown <= width  # large enough to read
        assert kind == f"{'narrow' if width == PHONE else 'wide'} {scheme}"
        assert (DARK_INK in drawn(source)) is (scheme == "dark")
        assert alt


def test_a_printed_page_is_light_and_wide_and_has_all_figures(opened: Open, written: Path) -> None:
    """The screen makes no difference."""
    page = opened(written, width=PHONE, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--page').trim()") == "#ffffff"
    assert [one[2] for one in page.evaluate(SEEN)] == ["wide light"] * CHARTS
    assert page.evaluate("document.querySelector('.figures table').getBoundingClientRect().height") > HEIGHT / 10


def test_match_conditions_are_printed(opened: Open, written: Path) -> None:
    """They are folded on the screen, and whole on paper."""
    page = opened(written)
    folded = page.evaluate(FOLDED)
    assert len(folded) > 10
    assert not any(folded)
    page.emulate_media(media="print")
    page.evaluate(NEXT_FRAME)  # Chromium opens folded parts with its next frame
    assert all(page.evaluate(FOLDED))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_states_of_exceptions_differ_in_colour(opened: Open, tmp_path: Path, scheme: Scheme) -> None:
    """An exception in force looks good, an expired one does not, and one that ends soon is between them."""
    write_week(tmp_path / "audit.log")
    soon = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    ending = f'  - {{rule: require-app, namespace: shop, owner: team-b, reason: "two days more", until: {soon}}}\n'
    (tmp_path / "policy.yaml").write_text(POLICY + ending)
    report(tmp_path / "audit.log", "-c", tmp_path / "policy.yaml", "-o", tmp_path / "report.html")
    page = opened(tmp_path / "report.html", scheme=scheme)
    tags = dict(page.evaluate(TAGS))
    good, bad, soon = page.evaluate(VARIABLES, ["--good", "--bad", "--soon"])
    assert tags == {"in force": good, "expired": bad, "ending": soon}


@pytest.mark.parametrize("width", [320, 360, PHONE, DESK])
def test_no_word_is_broken(opened: Open, written: Path, width: int) -> None:
    """Only what is longer than any word of a language may be broken."""
    assert opened(written, width=width).evaluate(BROKEN, LONGEST_WORD) == []


def drawn(source: str) -> str:
    """Return the picture of a data URI."""
    return b64decode(source.removeprefix("data:image/svg+xml;base64,")).decode()


def sources(page: Page) -> list[str]:
    """Return all pictures of a page."""
    found: list[str] = page.evaluate("() => [...document.images].map(one => one.src)")
    return found


def test_labels_of_charts_neither_overlap_nor_are_cut(opened: Open, written: Path) -> None:
    """The test has each of the twelve pictures."""
    page = opened(written)
    pictures = sources(page)
    assert len(pictures) == 4 * CHARTS
    for source in pictures:
        page.set_content(f"<body style='margin:0'>{drawn(source)[drawn(source).index('<svg') :]}")
        size = page.evaluate(
            "() => { const box = document.querySelector('svg').getBoundingClientRect(); return [box.width, box.height]; }"
        )
        texts: list[dict[str, Any]] = page.evaluate(TEXTS)
        assert texts
        for one in texts:
            assert -0.5 <= one["left"] < one["right"] <= size[0] + 0.5, one
            assert -0.5 <= one["top"] < one["bottom"] <= size[1] + 0.5, one
        clashing = [(a["text"], b["text"]) for at, a in enumerate(texts) for b in texts[at + 1 :] if overlap(a, b)]
        assert clashing == []


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two boxes cover a common pixel; lines of text may touch."""
    wide = min(one["right"], other["right"]) - max(one["left"], other["left"])
    high = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return bool(wide > 1 and high > 4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(opened: Open, written: Path, scheme: Scheme) -> None:
    """The contrast decides."""
    faint = [one for one in opened(written, scheme=scheme).evaluate(CONTRASTS) if one[1] < CONTRAST]
    assert faint == []


def test_headings_and_tables_can_be_heard(opened: Open, written: Path) -> None:
    """Readers who do not see the page use headings, captions and the heads of rows and columns."""
    page = opened(written)
    levels = page.evaluate(HEADINGS)
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(later <= first + 1 for first, later in pairwise(levels))
    assert page.evaluate(UNLABELLED) == []
    assert page.evaluate("document.documentElement.lang") == "en"


def test_links_lead_to_their_sections(opened: Open, written: Path) -> None:
    """This holds for each link."""
    page = opened(written)
    gone = "() => [...document.querySelectorAll('a')].filter(one => !document.querySelector(one.getAttribute('href'))).length"
    assert page.evaluate(gone) == 0


def test_hostile_names_do_nothing(opened: Open, tmp_path: Path) -> None:
    """Hostile names are text to a browser too."""
    story = LogWriter(tmp_path / "audit.log")
    for name in (
        "<script>alert(1)</script>",
        '"><img src=https://example.com/x onerror=alert(1)>',
        "\u202eevil",
        "</style><svg onload=alert(1)>",
    ):
        story.append_rejection(name, namespace=name, user=name)
        story.append_decision("exempt", name, user=name, reason=name)
        story.append_write(name, ReasonCode.POLICY_CREATED, name)
    story.log.stop()
    assert report(tmp_path / "audit.log", "-o", tmp_path / "report.html").exit_code == 0
    page = opened(tmp_path / "report.html", width=PHONE)
    assert page.evaluate("document.querySelectorAll('script, svg, iframe, object').length") == 0
    assert page.evaluate("document.images.length") == 4 * CHARTS
    assert "<script>alert(1)</script>" in page.inner_text("body")
    assert "\\u202eevil" in page.inner_text("body")
    assert page.evaluate(OVERFLOWING) == []


def test_a_damaged_log_is_said_where_one_looks_first(opened: Open, written: Path, tmp_path: Path) -> None:
    """The message is visible without scrolling, on a phone."""
    (tmp_path / "audit.log").write_bytes((written.parent / "audit.log").read_bytes().replace(b'"carol"', b'"karol"'))
    assert report(tmp_path / "audit.log", "-o", tmp_path / "report.html").exit_code == 1
    page = opened(tmp_path / "report.html", width=PHONE)
    box = page.locator(".damaged").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < HEIGHT / 2
