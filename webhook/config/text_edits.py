"""Edit a text at given positions, also a text inside a quoted or literal value of a manifest."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from webhook.config.enclosure import LITERAL, Enclosed

# What stands for characters of a value in double quotes: an escaped line end, an escape, characters, and a fold of lines.
DOUBLE: Final = re.compile(
    r"(?P<joined>\\\r?\n[ \t]*+)|\\(?P<code>x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|\\(?P<escape>[^\r\n])"
    r'|(?P<plain>[^"\\ \t\r\n]++|[ \t]++(?!\r?\n))|(?P<fold>[ \t]*+(?:\r?\n[ \t]*+)++)'
)
SINGLE: Final = re.compile(
    r"(?P<quote>'')|(?P<plain>[^' \t\r\n]++|[ \t]++(?!\r?\n))|(?P<fold>[ \t]*+(?:\r?\n[ \t]*+)++)"
)
PROPERTIES: Final = re.compile(r"(?:[&!]\S*\s+)*")
# The escapes of YAML that stand for another character; those of JSON are among them.
ESCAPES: Final = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", "N": "\x85",
    "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip


class Edit(NamedTuple):
    """The replacement of the characters from `start` up to `end`."""

    start: int
    end: int
    text: str = ""


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return a text after edits that do not overlap."""
    parts: list[str] = []
    position = 0
    for edit in sorted(set(edits)):
        parts += (text[position : edit.start], edit.text)
        position = max(position, edit.end)
    return "".join((*parts, text[position:]))


def in_manifest(manifest: str, found: Enclosed, edits: Iterable[Edit]) -> list[Edit] | None:
    """Return edits of the policy file in a manifest as edits of the manifest; None if its value has another style."""
    lines = manifest.split("\n")
    begins = [0, *accumulate(len(line) + 1 for line in lines)]
    begin = begins[found.place.line - 1] + found.place.column - 1
    properties = PROPERTIES.match(manifest, begin)
    opening = properties.end() if properties else begin
    if found.first:
        positions = literal_positions(lines, begins, found)
    elif LITERAL.match(manifest, begin) or (read := quoted_positions(manifest, opening, found.text)) is None:
        return None
    else:
        positions = read
    inner = [Edit(positions[one.start], positions[one.end], one.text) for one in edits]
    return [one if one.text else removal(manifest, one, manifest[opening : opening + 1]) for one in inner]


def removal(text: str, edit: Edit, quote: str) -> Edit:
    """Return a removal of whole lines with their indentation, and any other one without an effect on the blanks behind it.

    Blanks at the beginning of a line belong to a value in double quotes only if an escape precedes them.
    """
    start, end = (text.rfind("\n", 0, position) + 1 for position in edit[:2])
    is_at_begin = not text[start : edit.start].strip(" \t")
    if start < end and is_at_begin and not text[end : edit.end].strip(" "):
        return Edit(start, end)
    return edit._replace(text="\\") if quote == '"' and is_at_begin and text[edit.end] in " \t" else edit


def literal_positions(lines: Sequence[str], begins: Sequence[int], found: Enclosed) -> list[int]:
    """Return the position in the manifest of each character of a value in the style |, and of its end."""
    positions: list[int] = []
    for number, line in enumerate(found.text.split("\n"), found.first - 1):
        outer = lines[number].removesuffix("\r") if number < len(lines) else ""
        begin = begins[min(number, len(lines))]
        indent = min(found.indent, len(outer))
        positions += (begin + indent + column for column in range(len(line) + 1))
    return positions


def quoted_positions(text: str, begin: int, value: str) -> list[int] | None:
    """Return the position in a text of each character of a quoted value, and of its end; None if it is not read so."""
    tokens = {'"': DOUBLE, "'": SINGLE}.get(text[begin : begin + 1])
    if tokens is None:
        return None
    position = begin + 1
    characters: list[str] = []
    positions: list[int] = []
    while token := tokens.match(text, position):
        read = meaning(token)
        characters.append(read)
        positions += range(position, token.end()) if token.lastgroup == "plain" else [position] * len(read)
        position = token.end()
    return [*positions, position] if "".join(characters) == value else None


def meaning(token: re.Match[str]) -> str:
    """Return the characters of a token of a quoted value."""
    kind = token.lastgroup or ""
    return MEANINGS[kind](token[kind])


MEANINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "joined": lambda _: "",
    "code": lambda written: chr(int(written[1:], 16)),
    "escape": lambda written: ESCAPES.get(written, written),
    "fold": lambda written: "\n" * (written.count("\n") - 1) or " ",
    "quote": lambda _: "'",
    "plain": lambda written: written,
}
