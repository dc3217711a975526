"""Check the places of the objects in a file, and the messages about documents that cannot be read."""

import codecs
from typing import Any

import pytest

from webhook.syntax.document_splitter import BadTextError, decode_text
from webhook.syntax.documents import BadManifestError, LocatedObject, located_objects
from webhook.syntax.scalars import key_of, resolve_plain

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels:\n    app: no\n"


def objects(text: str) -> list[LocatedObject]:
    """Return the readable objects of a text."""
    return [one for one in located_objects(text) if isinstance(one, LocatedObject)]


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        pytest.param(POD, ("metadata", "labels", "app"), (6, 10, "no"), id="a value"),
        pytest.param(f"---\n# c\n---\n{POD}", ("metadata", "labels", "app"), (9, 10, "no"), id="in a later document"),
        pytest.param(POD, ("metadata", "labels", "role"), (6, 5, None), id="what is not there is where it would be"),
        pytest.param(POD, (), (1, 1, None), id="the object"),
        pytest.param(POD.replace("no", '"no"'), ("metadata", "labels", "app"), (6, 10, None), id="a value in quotes"),
        pytest.param(POD.replace("\n", "\r\n"), ("metadata", "labels", "app"), (6, 10, "no"), id="line ends of Windows"),
        pytest.param(
            "kind: List\napiVersion: v1\nitems:\n- kind: Pod\n  metadata: {labels: {app: 1}}\n",
            ("metadata", "labels", "app"), (5, 28, "1"), id="in a List",
        ),
        pytest.param(
            "x: &l\n  app: 7\nmetadata: {labels: {<<: *l}}\n", ("metadata", "labels", "app"), (2, 8, "7"), id="merged",
        ),
        pytest.param('{"metadata":\n {"labels": {"app": 1}}}', ("metadata", "labels", "app"), (2, 21, "1"), id="JSON"),
        pytest.param(
            '{"a": 1}\n{"metadata":\n {"labels": {"app": 1}}}', ("metadata", "labels", "app"), (3, 21, "1"),
            id="JSON that is not the first",
        ),
    ],
)  # fmt: skip
def test_value_has_line_column_and_spelling(
    text: str, path: tuple[str, ...], place: tuple[int, int, str | None]
) -> None:
    """Lines and columns count from 1, as in editors."""
    assert objects(text)[-1].place(path) == place


def test_documents_after_an_invalid_one_are_read() -> None:
    """All faults of a file are reported together."""
    found = list(located_objects(f"{POD}---\na: [\n---\n{POD}---\nb: }}\n"))
    assert [isinstance(one, BadManifestError) for one in found] == [False, True, False, True]
    assert [one.place.line for one in found if isinstance(one, BadManifestError) and one.place] == [8, 17]


def test_template_is_one_error() -> None:
    """Otherwise every document of it would have a complaint."""
    [bad] = located_objects("{{ if .x }}\na: 1\n---\n{{ end }}\nb: 1\n---\nc: {{ .x }}\n")
    assert isinstance(bad, BadManifestError)


def test_duplicate_keys_are_reported() -> None:
    """The last one counts; a key that replaces a merged one is no fault."""
    [one] = objects("a: {x: 1, x: 2}\nb: &b {y: 1}\nc: {<<: *b, y: 2}\n")
    assert [(key, place.line, place.column) for key, place in one.repeated] == [("x", 1, 11)]
    assert one.value["a"] == {"x": 2}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(codecs.BOM_UTF8 + b"a", "a", id="UTF-8 with a mark"),
        pytest.param(
            codecs.BOM_UTF16_LE + "a\u00e9".encode("utf-16-le"), "a\u00e9", id="UTF-16, as PowerShell writes it"
        ),
        pytest.param(codecs.BOM_UTF16_BE + "a\u00e9".encode("utf-16-be"), "a\u00e9", id="UTF-16, the other way round"),
        pytest.param(b"a\xff", "a\ufffd", id="no UTF-8"),
        pytest.param(b"", "", id="nothing"),
    ],
)
def test_byte_order_mark_determines_the_encoding(data: bytes, text: str) -> None:
    """The rule is that of kubectl."""
    assert decode_text(data) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_named(encoding: str) -> None:
    """Its beginning alone does not distinguish it from a binary file, and kubectl refuses it."""
    with pytest.raises(BadTextError, match="UTF-16 without a byte order mark"):
        decode_text(POD.encode(encoding))


def test_expanding_aliases_are_rejected_early() -> None:
    """A short text can expand to more values than a computer can hold."""
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    [bad] = located_objects(bomb)
    assert isinstance(bad, BadManifestError)
    assert "the aliases expand to too many values" in str(bad)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("y", True), ("N", False), ("on", True), ("yES", "yES"), ("1234e56", 1234e56), ("08912345", 8912345.0), ("017", 15), ("0o17", 15),
        ("0b11", 3), ("1_000", 1000), ("12:30:45", "12:30:45"), ("2026-01-31", "2026-01-31"), ("1.", 1.0), ("=", "="), ("~", None),
        ("1e400", "1e400"), ("18446744073709551616", 18446744073709551616.0), ("0x_1", 1), ("0b-11", -3), (".5_0", 0.5),
        ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_word_is_read_like_kubectl(word: str, value: Any) -> None:
    """These are the traps; tests/oracles compares the results with kubectl itself."""
    assert resolve_plain(word) == value
    assert type(resolve_plain(word)) is type(value)


@pytest.mark.parametrize(
    ("value", "key"),
    [(True, "true"), (7, "7"), (1.5, "1.5"), (1e6, "1e+06"), (1.1, "1.1"), (1e300, ".inf"), (123456.789, "123456.79")],
)
def test_key_that_is_no_text_becomes_text(value: Any, key: str) -> None:
    """The text is that of Go's format for 32-bit numbers."""
    assert key_of(value) == key


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("{a: 1}", (2, 2), "expected a key in double quotes"),
        ('{"a" 1}', (2, 6), "expected a colon after the key"),
        ('{"a": 1 "b": 2}', (2, 9), "expected a comma or the closing bracket"),
        ('{"a": }', (2, 7), "expected a value here"),
        ('{"a": "b\tc"}', (2, 9), "a tab or a line end inside a string; write \\t or \\n"),
        ('{"a": "\\q"}', (2, 8), "unknown escape sequence"),
        ('{"a": "b', (2, 7), "this quote is not closed"),
        ('{"a": NaN}', (2, 1), "NaN is not a valid JSON number"),
        ("x", (2, 1), "expected a value here"),
    ],
)
def test_text_after_json_is_reported(text: str, place: tuple[int, int], told: str) -> None:
    """The message has the place and plain words; two values before the fault prove that the file is JSON."""
    [*_, bad] = located_objects(f"{{}} {{}}\n{text}")
    assert isinstance(bad, BadManifestError)
    assert str(bad).startswith(f"not JSON: {told}")
    assert bad.place is not None
    assert (bad.place.line, bad.place.column) == place
