"""Check that a file is split into documents as kubectl splits it."""

import pytest

from webhook.syntax.document_splitter import BadTextError, split_documents

END = "\r\n"


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        pytest.param("", [("\n", 1)], id="nothing"),
        pytest.param("a: 1", [("a: 1\n", 1)], id="no end of the line"),
        pytest.param("a: 1\n---\nb: 2\n", [("a: 1\n", 1), ("b: 2\n", 3)], id="two"),
        pytest.param("---\na: 1\n", [("---\na: 1\n", 1)], id="a separator first"),
        pytest.param("---\n---\na: 1\n", [("---\n", 1), ("a: 1\n", 3)], id="two separators"),
        pytest.param("a: 1\n--- # b\nb: 2\n---", [("a: 1\n", 1), ("b: 2\n", 3), ("", 5)], id="a separator last"),
        pytest.param(f"a: 1{END}---{END}b: 2{END}", [("a: 1\n", 1), ("b: 2\n", 3)], id="Windows"),
        pytest.param(f"\ufeff---{END}b: 2\r", [("---\nb: 2\n", 1)], id="a mark before a separator"),
        pytest.param("a: |\n  ---\n", [("a: |\n  ---\n", 1)], id="an indented separator"),
    ],
)
def test_documents(text: str, documents: list[tuple[str, int]]) -> None:
    """Each document has its first line."""
    assert [(chunk.text, chunk.line) for chunk in split_documents(text)] == documents


def test_text_after_a_separator_is_an_error_after_the_earlier_documents() -> None:
    """The error has its line."""
    found = split_documents("a: 1\n---\nb: 2\n--- c\n")
    assert next(found).line == 1
    with pytest.raises(BadTextError) as bad:
        next(found)
    assert bad.value.line == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("a: 1\n", 1, id="at once"),
        pytest.param("---\n# a\n\n  # b\na: 1\n", 5, id="behind comments"),
        pytest.param("# a\n# b\n", 1, id="comments alone"),
    ],
)
def test_the_first_line_of_an_object_is_that_of_its_first_key(text: str, line: int) -> None:
    """Helm writes a comment before each object."""
    assert next(split_documents(text)).first_line == line
