"""Decode the text of a file and split it into documents as kubectl does.

kubectl decodes a file by its byte order mark (k8s.io/cli-runtime, pkg/resource/visitor.go). If the file begins with a
brace, kubectl reads consecutive JSON values. Otherwise it splits the file at each line that begins with `---`
(k8s.io/apimachinery, pkg/util/yaml/decoder.go).
"""

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

from msgspec import Struct

from webhook.model.encoding import UTF_32, detect_encoding, is_utf_32

SEPARATOR: Final = "---"
BYTE_ORDER_MARK: Final = "\ufeff"
# kubectl looks for a brace in this many characters.
ENCODING_WINDOW: Final = 4096
LONGEST_QUOTE: Final = 40
# Separators, blanks and comments. A tab or a character outside of ASCII may be a fault, which the parser finds.
ONLY_COMMENTS: Final = re.compile(r"(?:(?:---)? *(?:#[ -~]*)?\r?\n)*+")
BLANK: Final = re.compile(r"\s*+")
# The lines before the first key: separators, directives, comments and blank lines.
LEADING_COMMENTS: Final = re.compile(r"(?:(?:---|%|[ \t\r]*#)[^\n]*\n|[ \t\r]*\n)*+")
SEPARATOR_LINE: Final = re.compile(r"(?m)^---[^\n]*\n")
# One value may still be YAML that looks like JSON; two values are JSON.
JSON_START: Final = 2
# JSON's escapes; Go's decoder (encoding/json) reads half a character alone as a replacement character.
INCOMPLETE_CHARACTER: Final = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


# The messages of Python's decoder for a text that is not JSON, with plain words for each.
JSON_WORDS: Final = {
    "Expecting property name": "expected a key in double quotes",
    "Expecting ':'": "expected a colon after the key",
    "Expecting ','": "expected a comma or the closing bracket",
    "Expecting value": "expected a value here",
    "Illegal trailing comma": "a comma after the last item; remove it",
    "Invalid control character": "a tab or a line end inside a string; write \\t or \\n",
    "Invalid \\": "unknown escape sequence; write \\\\ for a backslash",
    "Unterminated string": "this quote is not closed",
}
UNKNOWN: Final = "the rest of the text is invalid"


def parse_float(digits: str) -> float:
    """Return a number with a fraction or an exponent.  Raises OverflowError above 64 bits, as Go does."""
    if isfinite(number := float(digits)):
        return number
    raise OverflowError(f"not JSON: the number {digits[:LONGEST_QUOTE]} is too large")


def reject_constant(constant: str) -> Any:
    """Refuse NaN and Infinity, which JSON lacks.  Raises ValueError."""
    raise ValueError(f"{constant} is not a valid JSON number")


DECODER: Final = json.JSONDecoder(parse_constant=reject_constant, parse_float=parse_float)


class BadTextError(Exception):
    """kubectl cannot read a text; the error has the place in the file."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class DocumentText(Struct, frozen=True):
    """The text of one document, and its first line in the file.

    `value` is the content of JSON; a document of YAML is not parsed yet.
    """

    text: str
    line: int
    value: Any = None
    is_json: bool = False

    @property
    def is_empty(self) -> bool:
        """Return whether a document has comments and blanks only.

        Such a document needs no parser, and a file may have a million of them.
        """
        return not self.is_json and (not self.text.strip(" \r\n") or ONLY_COMMENTS.fullmatch(self.text) is not None)

    @property
    def first_line(self) -> int:
        """Return the line of the file with the first key."""
        head = LEADING_COMMENTS.match(self.text)
        return self.line + (head[0].count("\n") if head and head.end() < len(self.text) else 0)

    @property
    def is_json_like(self) -> bool:
        """Return whether a document that is not JSON begins like JSON."""
        return self.text.lstrip().startswith(("{", "//", "/*"))


def decode_text(data: bytes) -> str:
    """Return the text of a file.  Raises BadTextError for UTF-16 without a byte order mark and for UTF-32.

    As in kubectl, a byte order mark selects UTF-16 or UTF-8, and bytes that are not UTF-8 become replacement
    characters. Policy files are read more strictly (webhook.config.enclosure).
    """
    if is_utf_32(data):
        raise BadTextError(UTF_32)
    encoding, behind = detect_encoding(data)
    if not encoding:
        raise BadTextError(
            "the file is UTF-16 without a byte order mark, which kubectl cannot read; save it as UTF-8, in "
            "PowerShell with `… | Out-File -Encoding utf8 FILE`"
        )
    return behind.decode(encoding, "replace")


def split_documents(text: str) -> Iterator[DocumentText]:
    """Yield each document of a file.  Raises BadTextError if the file cannot be split into documents."""
    position = 0
    if text[:ENCODING_WINDOW].lstrip().startswith("{"):
        number = 0
        for chunk, end in json_values(text):
            if chunk is None:
                break
            yield chunk
            position, number = end, number + 1
        else:
            return
        if number >= JSON_START:
            raise json_error(text, position)
        position = yaml_start(text, position)
    yield from split_yaml(text[position:], text.count("\n", 0, position) + 1)


def json_values(text: str) -> Iterator[tuple[DocumentText | None, int]]:
    """Yield each JSON value with the position after it; None at the end if other text follows."""
    position, line, counted = 0, 1, 0
    while (position := skip_blanks(text, position)) < len(text):
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, end = DECODER.raw_decode(text, position)
        except OverflowError as bad:
            raise BadTextError(str(bad), line) from None
        except (ValueError, RecursionError):
            yield None, position
            return
        piece = text[position:end]
        if "\\u" in piece:
            value = DECODER.decode(INCOMPLETE_CHARACTER.sub(lambda found: found[1] or "\\ufffd", piece))
        yield DocumentText(piece, line, value, is_json=True), end
        position = end


def skip_blanks(text: str, position: int) -> int:
    """Return the position of the first character at or after a position that is no blank."""
    found = BLANK.match(text, position)
    return found.end() if found else position


def json_error(text: str, position: int) -> BadTextError:
    """Return the error for text that is not JSON from a position on, with its place."""
    position = len(text) - len(text[position:].lstrip())
    message, at = "other text follows the last value", position
    try:
        DECODER.raw_decode(text, position)
    except json.JSONDecodeError as bad:
        message, at = next((words for found, words in JSON_WORDS.items() if found in bad.msg), UNKNOWN), bad.pos
    except RecursionError:
        message = "nested too deeply"
    except ValueError as bad:
        message = str(bad)  # the sentence of `refuse`
    return BadTextError(f"not JSON: {message}", text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def yaml_start(text: str, position: int) -> int:
    """Return the position after the blanks that kubectl skips before it reads YAML: one line end at most."""
    while position < len(text) and text[position].isspace():
        position += 1
        if text[position - 1] == "\n":
            break
    return position


def split_yaml(text: str, first: int) -> Iterator[DocumentText]:
    """Yield each document of YAML, with line ends of Unix.

    Raises BadTextError for a separator with more than a comment after it.
    """
    text = (text if text.endswith("\n") else f"{text}\n").replace("\r\n", "\n")
    begin, line, seen = 0, first, 0
    number = first
    for found in SEPARATOR_LINE.finditer(text):
        number, seen = number + text.count("\n", seen, found.start()), found.start()
        behind = found[0].removeprefix(SEPARATOR).strip()
        if behind and not behind.strip("-"):
            raise BadTextError(
                f"not YAML: a separator has three dashes, but this line has {len(behind) + 3}; write ---", number
            )
        if behind and not behind.startswith("#"):
            raise BadTextError(
                f"not YAML: {behind[:LONGEST_QUOTE]!r} is on the line of the separator ---; start a new line",
                number,
            )
        if found.start() > begin:
            yield DocumentText(text[begin : found.start()].removeprefix(BYTE_ORDER_MARK), line)
            begin, line = found.end(), number + 1
    yield DocumentText(text[begin:].removeprefix(BYTE_ORDER_MARK), line)
