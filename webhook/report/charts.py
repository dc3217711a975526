"""Bar charts as static SVG pictures, each in two widths and two colour schemes."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from msgspec import Struct
from rich.cells import cell_len

from webhook.model.abbreviation import printable
from webhook.report.count_store import TopCounts
from webhook.report.timeline import DAY, OTHERS, Series

# Pixels, as a page on a desk and on a phone shows them.
WIDE, NARROW = 960, 365
FONT: Final = 13
LINE: Final = 18
# The widest common letters of a sans-serif font take 0.62 of its size on average (measured with DejaVu Sans, the widest
# font that pages use).
CHARACTER_WIDTH: Final = 0.62 * FONT
MOST_SERIES: Final = 5
MOST_BARS: Final = 8
LONGEST_LABEL: Final = {WIDE: 40, NARROW: 18}
TIMES: Final = {WIDE: 8, NARROW: 3}
COLUMNS: Final = {WIDE: 3, NARROW: 1}
PLOT_HEIGHT: Final = 200
ROW_HEIGHT: Final = 30
MOST_GRID_LINES: Final = 5
SWATCH: Final = 12
# Readers with colour blindness can separate them (Okabe and Ito), and each has a contrast of 3:1 to the page of its scheme.
LIGHT: Final = ("#0072b2", "#c25700", "#00805e", "#a8457c", "#8a6d00", "#767676")
DARK: Final = ("#56b4e9", "#e69f00", "#2fbf94", "#e08fbe", "#f0e442", "#a0a0a0")
# The colours of text and of grid lines.
INK: Final[Mapping[tuple[str, ...], tuple[str, str]]] = {LIGHT: ("#1c2733", "#c9d1d9"), DARK: ("#e6edf3", "#3d4a57")}


class Chart(Struct, frozen=True):
    """One chart as data URIs, with its description."""

    alt: str
    wide: str
    narrow: str
    wide_dark: str
    narrow_dark: str


class Canvas:
    """One picture: rectangles, lines and text."""

    def __init__(self, width: int, colours: tuple[str, ...]) -> None:
        self.width = width
        self.colours = colours
        self._ink, self._grid = INK[colours]
        self._root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "font-size": str(FONT)})
        self._root.set("font-family", "system-ui, 'DejaVu Sans', sans-serif")

    def bar(self, x: float, y: float, width: float, height: float, colour: int) -> None:
        """Add a rectangle in one of the colours."""
        found = {"x": x, "y": y, "width": width, "height": height}
        ET.SubElement(self._root, "rect", {**format_attributes(found), "fill": self.colours[colour]})

    def grid(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Add a grid line."""
        found = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
        ET.SubElement(self._root, "line", {**format_attributes(found), "stroke": self._grid, "stroke-width": "0.6"})

    def text(self, x: float, y: float, text: str, anchor: str = "start") -> None:
        """Add text; `y` is its base line, `anchor` the part of the text that is at `x`."""
        found = ET.SubElement(self._root, "text", format_attributes({"x": x, "y": y}))
        found.attrib.update({"fill": self._ink, "text-anchor": anchor})
        found.text = text

    def uri(self, height: float) -> str:
        """Return the picture as a data URI, for a page that may load nothing."""
        self._root.attrib.update(format_attributes({"width": self.width, "height": height}))
        self._root.set("viewBox", f"0 0 {self.width} {height:g}")
        return f"data:image/svg+xml;base64,{b64encode(ET.tostring(self._root)).decode('ascii')}"


def format_attributes(values: Mapping[str, float]) -> dict[str, str]:
    """Return attributes with at most two decimals."""
    return {key: f"{value:.2f}".rstrip("0").rstrip(".") for key, value in values.items()}


def time_chart(series: Series, alt: str) -> Chart:
    """Return stacked bars, one for each step of time."""
    return draw_chart(lambda canvas: draw_stacked_bars(canvas, series), alt)


def ranking_chart(top: TopCounts, alt: str) -> Chart:
    """Return a bar for each of the most frequent names, with its count."""
    bars = [(row.name, row.count) for row in top.rows[:MOST_BARS]]
    rest = top.total - sum(count for _, count in bars)
    if rest:
        bars.append(("others", rest))
    return draw_chart(lambda canvas: draw_horizontal_bars(canvas, bars), alt)


def draw_chart(draw: Callable[[Canvas], float], alt: str) -> Chart:
    """Return a chart in both widths and schemes; `draw` returns the height of what it drew."""
    canvases = (Canvas(width, colours) for colours in (LIGHT, DARK) for width in (WIDE, NARROW))
    return Chart(alt, *(canvas.uri(draw(canvas)) for canvas in canvases))


def draw_stacked_bars(canvas: Canvas, series: Series) -> float:
    """Draw a legend, and below it the time steps with a bar for each name."""
    folded = series.folded(MOST_SERIES)
    colours = [len(canvas.colours) - 1 if name == OTHERS else number for number, name in enumerate(folded)]
    top = draw_legend(canvas, [name or "others" for name in folded], colours) + LINE / 2
    bottom = top + PLOT_HEIGHT
    heights = [sum(values) for values in zip(*folded.values(), strict=True)]
    marks = ticks(max(heights))
    left = CHARACTER_WIDTH * len(f"{marks[-1]:,}") + 6
    for mark in marks:
        y = bottom - PLOT_HEIGHT * mark / marks[-1]
        canvas.grid(left, y, canvas.width, y)
        canvas.text(left - 6, y + FONT / 3, f"{mark:,}", "end")
    step = (canvas.width - left) / len(heights)
    for place in range(len(heights)):
        y = bottom
        for counts, colour in zip(folded.values(), colours, strict=True):
            height = PLOT_HEIGHT * counts[place] / marks[-1]
            y -= height
            if height:
                canvas.bar(left + step * (place + 0.08), y, step * 0.84, height, colour)
    return bottom + draw_times(canvas, series, left, step, bottom)


def draw_legend(canvas: Canvas, names: Sequence[str], colours: Sequence[int]) -> float:
    """Draw the names with their colours; return the height."""
    columns = COLUMNS[canvas.width]
    for number, (name, colour) in enumerate(zip(names, colours, strict=True)):
        x, y = canvas.width / columns * (number % columns), LINE * (number // columns)
        canvas.bar(x, y + (LINE - SWATCH) / 2, SWATCH, SWATCH, colour)
        canvas.text(x + SWATCH + 6, y + LINE / 2 + FONT / 3, shorten_label(name, LONGEST_LABEL[canvas.width]))
    return float(LINE * -(-len(names) // columns))


def draw_times(canvas: Canvas, series: Series, left: float, step: float, bottom: float) -> float:
    """Write the beginnings of some steps below their bars; return the height."""
    whole_days = series.step.total_seconds() >= DAY
    form = "%d %b %Y" if whole_days else "%d %b\n%H:%M"
    half = CHARACTER_WIDTH * (11 if whole_days else 6) / 2
    for place in range(0, len(series.begins), -(-len(series.begins) // TIMES[canvas.width])):
        x = min(max(left + step * (place + 0.5), half), canvas.width - half)
        for line, text in enumerate(series.begins[place].strftime(form).split("\n"), 1):
            canvas.text(x, bottom + LINE * line, text, "middle")
    return LINE * (1.5 if whole_days else 2.5)


def draw_horizontal_bars(canvas: Canvas, bars: Sequence[tuple[str, int]]) -> float:
    """Draw horizontal bars, the first one on top, each with its name before it and its count after it."""
    labels = [shorten_label(name, LONGEST_LABEL[canvas.width]) for name, _ in bars]
    maximum = max(count for _, count in bars)
    left = CHARACTER_WIDTH * max(map(cell_len, labels)) + 8
    room = canvas.width - left - CHARACTER_WIDTH * len(f"{maximum:,}") - 8
    for number, (label, (name, count)) in enumerate(zip(labels, bars, strict=True)):
        middle = ROW_HEIGHT * (number + 0.5)
        canvas.text(left - 8, middle + FONT / 3, label, "end")
        colour = len(canvas.colours) - 1 if name == "others" else 0
        canvas.bar(left, middle - ROW_HEIGHT / 3, room * count / maximum, ROW_HEIGHT * 2 / 3, colour)
        canvas.text(left + room * count / maximum + 6, middle + FONT / 3, f"{count:,}")
    return float(ROW_HEIGHT * len(bars))


def ticks(maximum: int) -> list[int]:
    """Return whole numbers in equal steps of 1, 2 or 5 times a power of ten, from 0 up to `maximum` or more."""
    step = next(step for step in steps() if step * MOST_GRID_LINES >= maximum)
    return list(range(0, step * -(-max(maximum, 1) // step) + 1, step))


def steps() -> Iterator[int]:
    """Yield 1, 2, 5, 10, 20, 50 and so on."""
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def shorten_label(name: str, limit: int) -> str:
    """Return a name shortened to the available room; the table next to the chart has the whole name."""
    shown = printable(name)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
