"""Pictures of figures, as SVG that carries all it needs.

matplotlib draws them, without its global state: an extra, for the processes that answer requests have no use for it.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from webhook.audit.entry import printable

COLOURS: Final[Mapping[str, str]] = {
    "allowed": "#8fb0cc",
    "unjudged": "#c9d3dc",
    "exempt": "#d99a2b",
    "unavailable": "#6b5b95",
    "denied": "#b23a48",
    "refused": "#b23a48",
    "warned": "#d99a2b",
    "recorded": "#8fb0cc",
}
INK: Final = "#33414e"
WIDTH: Final = 9.0  # inches; the page scales the picture
STYLE: Final[Any] = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#b8c2cb",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # names are no formulas
    "svg.hashsalt": "catflap",  # the same figures give the same bytes
}
LONGEST_LABEL: Final = 36
DAY: Final = timedelta(days=1)


class NoCharts(Exception):  # noqa: N818 (a state of the installation)
    """The library that draws is not there; the message says how to get it."""


def over_time(spans: Sequence[tuple[datetime, Mapping[str, int]]], width: timedelta) -> str:
    """How many of each kind came in each span, on top of each other.  Raises NoCharts."""
    names = [name for name in COLOURS if any(counts.get(name) for _, counts in spans)]
    places = range(len(spans))

    def draw(axes: Any) -> None:
        below = [0] * len(spans)
        for name in names:
            counts = [found.get(name, 0) for _, found in spans]
            axes.bar(places, counts, 0.86, bottom=below, color=COLOURS[name], label=name)
            below = [one + more for one, more in zip(below, counts, strict=True)]
        shown = places[:: max(1, -(-len(spans) // 8))]
        axes.set_xticks(list(shown), [labelled(spans[place][0], width) for place in shown])
        axes.set_xlim(-0.7, max(len(spans), 8) - 0.3)
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel(f"a span of {spelled(width)}")
        axes.figure.legend(loc="outside upper left", ncols=len(names), frameon=False)

    return picture(draw, height=2.8)


def bars(rows: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    """A line a name, the first one on top.  Raises NoCharts."""
    kinds = [kind for kind in COLOURS if any(counts.get(kind) for _, counts in rows)]
    places = range(len(rows))

    def draw(axes: Any) -> None:
        left = [0] * len(rows)
        for kind in kinds:
            counts = [found.get(kind, 0) for _, found in rows]
            axes.barh(places, counts, 0.7, left=left, color=COLOURS[kind], label=kind)
            left = [one + more for one, more in zip(left, counts, strict=True)]
        for place, whole in zip(places, left, strict=True):
            axes.annotate(f"{whole:,}", (whole, place), xytext=(4, 0), textcoords="offset points", va="center")
        axes.set_yticks(list(places), [shortened(name) for name, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, max(left, default=0) * 1.08 or 1)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
        axes.tick_params(axis="y", length=0)
        if len(kinds) > 1:
            axes.figure.legend(loc="outside upper left", ncols=len(kinds), frameon=False)

    return picture(draw, height=0.8 + 0.27 * len(rows))


def picture(draw: Any, *, height: float) -> str:
    """What `draw` puts on axes, as SVG without a date.  Raises NoCharts."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 (an extra, and slow to load)
        from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as bad:
        raise NoCharts(f"{bad}; catflap report needs matplotlib: pip install 'catflap[report]'") from bad
    written = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.subplots())
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(written, metadata={"Date": None, "Creator": None})
    return written.getvalue()


def labelled(at: datetime, width: timedelta) -> str:
    """The beginning of a span."""
    return f"{at:%Y-%m-%d}" if width >= DAY else f"{at:%m-%d %H:%M}"


def spelled(width: timedelta) -> str:
    """How long a span is, in words."""
    minutes = width // timedelta(minutes=1)
    for unit, name in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if minutes % unit == 0:
            count = minutes // unit
            return f"{count} {name}s" if count > 1 else f"one {name}"
    raise AssertionError(width)  # all widths are of whole minutes


def shortened(name: str) -> str:
    """A name with what the font surely has, and no longer than there is room for."""
    plain = printable(name).encode("ascii", "backslashreplace").decode("ascii") or "(none)"
    return plain if len(plain) <= LONGEST_LABEL else f"{plain[: LONGEST_LABEL - 3]}..."
