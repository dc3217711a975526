"""Test that tables are aligned for any content, with a limited number of measurements for each cell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.laws.strategies import LAW
from webhook.cli import _tables
from webhook.cli._tables import Column, echo_table, format_table

COLUMNS = (Column("NAME"), Column("PODS", is_number=True), Column("WOULD BE", colours={"refused": "red"}))
CELL = st.text("ab é漢", max_size=8).map(str.strip)


def test_a_table_is_aligned() -> None:
    """Numbers are on the right, text is on the left, and lines have no trailing blanks."""
    assert [*format_table(COLUMNS, [("web", "1", "refused"), ("database", "12", ""), ("", "", "admitted")])] == [
        "NAME       PODS   WOULD BE",
        "web           1   \x1b[31mrefused\x1b[0m",
        "database     12",
        "                  admitted",
    ]


@LAW
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5))
def test_each_column_is_aligned(rows: list[tuple[str, str, str]]) -> None:
    """Empty cells, and characters that take two columns, make no difference."""
    plain = [column._replace(colours={}) for column in COLUMNS]
    wide = [max(cell_len(one[0]), *(cell_len(row[number]) for row in rows)) for number, one in enumerate(plain)]
    for row, line in zip(rows, [*format_table(plain, rows)][1:], strict=True):
        blanks = [" " * (most - cell_len(cell)) for most, cell in zip(wide, row, strict=True)]
        assert line == f"{row[0]}{blanks[0]}   {blanks[1]}{row[1]}   {row[2]}".rstrip(" ")


def test_no_cell_is_measured_more_than_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One measurement is for the column, one for the blanks after the cell."""
    measured: list[str] = []

    def counting(cell: str) -> int:
        measured.append(cell)
        return len(cell)

    monkeypatch.setattr(_tables, "display_width", counting)
    echo_table(COLUMNS, [("web", "1", "refused")] * 100)
    assert len(capsys.readouterr().out.splitlines()) == 101
    assert len(measured) <= 2 * 3 * 101
