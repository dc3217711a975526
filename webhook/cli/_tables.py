"""Print tables as kubectl does: each column as wide as its widest cell, each row on one line.

A terminal wraps a long line itself. A library that wraps cells measures each of them several times, and took longer for
ten thousand rows than their evaluation.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import click
from rich.cells import cell_len

from webhook.model.abbreviation import printable

GAP: Final = 3  # blanks between two columns


class Column(NamedTuple):
    """A column: its heading, whether its cells are numbers, and the colours of cells by their text."""

    heading: str
    is_number: bool = False
    colours: Mapping[str, str] = {}


def echo_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, with colours on a terminal only; print nothing if there are no rows."""
    found = [tuple(map(printable, row)) for row in rows]
    if found:
        # https://no-color.org
        click.echo("\n".join(format_table(columns, found)), color=False if os.environ.get("NO_COLOR") else None)


def format_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the heading and each row as a line, without trailing blanks."""
    headings = [column.heading for column in columns]
    widths = [max(map(display_width, cells)) for cells in zip(headings, *rows, strict=True)]
    yield format_row([Column("", column.is_number) for column in columns], widths, headings)
    for row in rows:
        yield format_row(columns, widths, row)


def format_row(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    """Return one row as a line."""
    parts: list[str] = []
    blanks = 0  # before the next cell; those after the last one are left out
    for column, wide, cell in zip(columns, widths, cells, strict=True):
        missing = wide - display_width(cell)
        before, blanks = (blanks + missing, GAP) if column.is_number else (blanks, GAP + missing)
        text = click.style(cell, fg=column.colours[cell]) if cell in column.colours else cell
        if cell:
            parts += (" " * before, text)
        else:
            blanks += before
    return "".join(parts)


def display_width(cell: str) -> int:
    """Return how many columns of a terminal a text takes; some characters take two."""
    return len(cell) if cell.isascii() else cell_len(cell)
