"""Make reports of logs, and read their content."""

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from click.testing import CliRunner, Result

from webhook.cli import main

VOID: Final = {"meta", "link", "br", "img"}
ELEMENTS: Final = {
    "html", "head", "meta", "title", "link", "style", "body", "header", "main", "footer", "nav", "section", "h1", "h2", "h3",
    "p", "a", "strong", "em", "small", "code", "br", "span", "ol", "ul", "li", "dl", "dt", "dd", "div", "table", "caption",
    "thead", "tbody", "tr", "th", "td", "details", "summary", "figure", "figcaption", "img",
}  # fmt: skip
ATTRIBUTES: Final = {
    "lang", "charset", "http-equiv", "content", "name", "rel", "href", "class", "id", "role", "aria-label", "aria-labelledby",
    "tabindex", "scope", "colspan", "src", "alt",
}  # fmt: skip


def report(*arguments: str | Path) -> Result:
    """Run `catflap report`."""
    return CliRunner().invoke(main, ["report", *map(str, arguments)], prog_name="catflap")


class Page(HTMLParser):
    """The elements of a page; an element that is not nested correctly fails the test."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._caption = ""
        self.feed(text)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """Return all text, without white space around it."""
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the start of an element."""
        self.elements.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        elif tag in {"td", "th"}:
            self.tables[self._caption][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Take the end of the element that was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Take text."""
        if "style" in self._open:
            return
        self.texts.append(data)
        if "caption" in self._open:
            self._caption += data
        elif "td" in self._open or ("tbody" in self._open and "th" in self._open):
            self.tables[self._caption][-1][-1] += data

    def figures(self, caption: str) -> Mapping[str, int]:
        """Return the counts in a table of names."""
        return dict(self._figures(caption))

    def _figures(self, caption: str) -> Iterator[tuple[str, int]]:
        for row in self.tables[caption][1:]:
            yield row[0], int(row[1].replace(",", ""))
