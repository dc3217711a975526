"""Charts as static SVG, each in two widths and two colour schemes; matplotlib is an extra, and imported when it is needed."""

import io
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from webhook.model.abbreviation import printable
from webhook.report.ledger import Top
from webhook.report.timeline import DAY, OTHERS, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REMEDY: Final = "the charts need matplotlib, which is not installed: pip install 'catflap[report]'"
# Inches of 72 points; a page shows 96 pixels to an inch.
WIDE, NARROW = 10.0, 3.8
FONT_POINTS: Final = 10
MOST_SERIES: Final = 5
MOST_BARS: Final = 8
LONGEST_LABEL: Final = {WIDE: 40, NARROW: 18}
TICKS: Final = {WIDE: 8, NARROW: 3}
COLUMNS: Final = {WIDE: 3, NARROW: 1}
# Told apart by whoever is colour-blind, too (Okabe and Ito), and at least 3:1 against the page in either scheme.
LIGHT: Final = ("#0072b2", "#c25700", "#00805e", "#a8457c", "#8a6d00", "#767676")
DARK: Final = ("#56b4e9", "#e69f00", "#2fbf94", "#e08fbe", "#f0e442", "#a0a0a0")
INK: Final[Mapping[tuple[str, ...], tuple[str, str]]] = {LIGHT: ("#1c2733", "#c9d1d9"), DARK: ("#e6edf3", "#3d4a57")}
FAMILY: Final = ["DejaVu Sans", "sans-serif"]  # by whose first it is laid out; others are narrower


class NoCharts(Exception):  # noqa: N818 (the library is, not the program)
    """The library is not there; the message says what to install."""


class Chart(Struct, frozen=True):
    """One chart as data URIs, and in words."""

    alt: str
    wide: str
    narrow: str
    wide_dark: str
    narrow_dark: str


def check() -> None:
    """See that charts can be drawn, before a long log is read.  Raises NoCharts."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415 (an extra, heavy, and for this verb alone)
    except ImportError as missing:
        raise NoCharts(REMEDY) from missing


def over_time(series: Series, alt: str) -> Chart:
    """Bars upon each other for every step of time."""
    return drawn(lambda axes, width, colours: stacked(axes, series, width, colours), alt, height=3.0)


def ranking(top: Top, alt: str) -> Chart:
    """A bar for each of the most frequent, and its count."""
    bars = [(row.name, row.count) for row in top.rows[:MOST_BARS]]
    rest = top.total - sum(count for _, count in bars)
    if rest:
        bars.append(("others", rest))
    return drawn(lambda axes, width, colours: lying(axes, bars, width, colours), alt, height=0.5 + 0.32 * len(bars))


Draw = Callable[["Axes", float, Sequence[str]], None]


def drawn(draw: Draw, alt: str, *, height: float) -> Chart:
    """A chart in both widths and schemes."""
    return Chart(
        alt, *(uri(svg(draw, width, height, colours)) for colours in (LIGHT, DARK) for width in (WIDE, NARROW))
    )


def uri(image: bytes) -> str:
    """An image for a page that may load nothing."""
    return f"data:image/svg+xml;base64,{b64encode(image).decode('ascii')}"


def svg(draw: Draw, width: float, height: float, colours: tuple[str, ...]) -> bytes:
    """One picture."""
    ink, grid = INK[colours]
    settings = {
        "svg.fonttype": "none", "svg.hashsalt": "catflap", "text.parse_math": False, "font.family": FAMILY,
        "font.size": FONT_POINTS, "text.color": ink, "axes.labelcolor": ink, "xtick.color": ink, "ytick.color": ink,
        "axes.edgecolor": grid, "grid.color": grid, "axes.spines.top": False, "axes.spines.right": False,
        "axes.spines.left": False, "axes.axisbelow": True, "grid.linewidth": 0.6,
    }  # fmt: skip
    with canvas(settings, (width, height)) as figure:
        draw(figure.add_subplot(), width, colours)
        made = io.BytesIO()
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return made.getvalue()


@contextmanager
def canvas(settings: Any, size: tuple[float, float]) -> Iterator[Any]:
    """A figure under these settings; a character that the font lacks is the reader's browser's to show."""
    from matplotlib import rc_context  # noqa: PLC0415 (see check)
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield Figure(figsize=size, layout="constrained")


def stacked(axes: "Axes", series: Series, width: float, colours: Sequence[str]) -> None:
    """The steps of time, with at most so many names told apart."""
    folded = series.folded(MOST_SERIES)
    below = [0] * len(series.begins)
    bars = []
    places = range(len(series.begins))
    hues = dict(zip((name for name in folded if name != OTHERS), colours, strict=False))
    for name, counts in folded.items():
        bars.append(axes.bar(places, counts, bottom=below, width=0.85, color=hues.get(name, colours[-1])))
        below = [low + count for low, count in zip(below, counts, strict=True)]
    every = -(-len(places) // TICKS[width])
    form = "%d %b %Y" if series.step.total_seconds() >= DAY else "%d %b\n%H:%M"
    axes.set_xticks(places[::every], [series.begins[place].strftime(form) for place in places[::every]])
    axes.set_xlim(-0.6, len(places) - 0.4)
    axes.grid(axis="y")
    whole_numbers(axes.yaxis, 5)
    axes.tick_params(length=0)
    labels = [shortened(name, LONGEST_LABEL[width]) if name != OTHERS else "others" for name in folded]
    legend = axes.legend(
        bars, ["x"] * len(bars), loc="lower left", bbox_to_anchor=(0, 1.02), ncols=COLUMNS[width], frameon=False, borderaxespad=0
    )  # fmt: skip
    for text, label in zip(
        legend.get_texts(), labels, strict=True
    ):  # given at once, one that begins with _ would be left out
        text.set_text(label)


def lying(axes: "Axes", bars: Sequence[tuple[str, int]], width: float, colours: Sequence[str]) -> None:
    """Lying bars, the longest on top, each with its count at its end."""
    places = range(len(bars))
    hues = [colours[-1] if name == "others" else colours[0] for name, _ in bars]
    made = axes.barh(places, [count for _, count in bars], height=0.66, color=hues)
    axes.set_yticks(places, [shortened(name, LONGEST_LABEL[width]) for name, _ in bars])
    axes.bar_label(made, [f"{count:,}" for _, count in bars], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.grid(axis="x")
    whole_numbers(axes.xaxis, TICKS[width] - 1)
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)


def whole_numbers(axis: Any, most: int) -> None:
    """Ticks at whole numbers, with their thousands apart."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter  # noqa: PLC0415 (see check)

    axis.set_major_locator(MaxNLocator(nbins=most, integer=True))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def shortened(name: str, most: int) -> str:
    """A name as far as there is room for it; the table beside the chart has it whole."""
    shown = printable(name)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
