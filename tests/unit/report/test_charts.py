"""Test that charts are static pictures, in both widths and colour schemes, for any name."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from webhook.report.charts import Chart, ranking_chart, shorten_label, time_chart
from webhook.report.count_store import Count, TopCounts
from webhook.report.timeline import Series

BEGIN = datetime(2026, 1, 31, tzinfo=UTC)
TOP = TopCounts((Count("known-role", 12_345, "", ""), Count("require-role", 1, "", "")), 3, 30, 12_376)


def series(*names: str) -> Series:
    """Return a day by the hour."""
    begins = [BEGIN + timedelta(hours=hour) for hour in range(24)]
    return Series(timedelta(hours=1), begins, {name: list(range(24)) for name in names})


def pictures(chart: Chart) -> list[ET.Element]:
    """Return the four pictures as XML."""
    uris = (chart.wide, chart.narrow, chart.wide_dark, chart.narrow_dark)
    return [ET.fromstring(b64decode(uri.removeprefix("data:image/svg+xml;base64,"))) for uri in uris]


def texts(picture: ET.Element) -> list[str]:
    """Return the text of a picture."""
    return [one.text or "" for one in picture.iter("{http://www.w3.org/2000/svg}text")]


def names(picture: ET.Element) -> set[str]:
    """Return the elements of a picture."""
    return {one.tag.rpartition("}")[2] for one in picture.iter()}


@pytest.mark.parametrize(
    "chart", [time_chart(series("a", "b"), "x"), ranking_chart(TOP, "x")], ids=["over time", "ranking"]
)
def test_a_picture_runs_and_loads_nothing(chart: Chart) -> None:
    """A picture has shapes, text, and links within itself only."""
    for picture in pictures(chart):
        assert not names(picture) & {"script", "image", "foreignObject", "a", "animate"}
        links = [value for one in picture.iter() for key, value in one.attrib.items() if key.endswith("href")]
        assert all(link.startswith("#") for link in links)


def test_a_ranking_names_each_with_its_count() -> None:
    """The ranking also counts the other names."""
    for picture in pictures(ranking_chart(TOP, "x")):
        assert {"known-role", "require-role", "others", "12,345", "30"} <= {*texts(picture)}


def test_the_same_figures_are_the_same_picture() -> None:
    """The pictures are equal byte for byte, so two reports of one log can be compared."""
    assert ranking_chart(TOP, "x") == ranking_chart(TOP, "x")


@pytest.mark.parametrize("name", ["$\\frac{1}{0}$", "$", "<b>&amp;", "_hidden", "\u202ex", "漢字", "x" * 300])
def test_any_name_is_drawn_unchanged(name: str) -> None:
    """The name becomes no formula and no markup, and is in the legend."""
    for picture, most in zip(pictures(time_chart(series(name), "x")), (40, 18, 40, 18), strict=True):
        assert shorten_label(name, most) in texts(picture)
