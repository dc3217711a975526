"""Explain why a text is not YAML, for people who write manifests and policy files.

libyaml and PyYAML's own parser describe tokens and nodes, each in its own sentences. This module has one sentence for
both.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml

UNPRINTABLE: Final = yaml.reader.Reader.NON_PRINTABLE
BYTE_ORDER_MARK: Final = "\ufeff"
MARK_INSIDE: Final = "U+FEFF (a byte order mark) cannot be part of the text; remove it"
INCOMPLETE_CHARACTER: Final = (
    "\\ud800 to \\udfff are halves of a surrogate pair: write the character itself, or an escape such as \\U0001f600"
)
TAB: Final = "YAML does not allow a tab here; replace it with spaces"
CONFLICT: Final = re.compile(r"<{7}|={7}|>{7}|\|{7}")
NO_BLANK: Final = re.compile(r"""[^\s:"'\[{#][^\s:"']*:[^\s/:]""")
SECOND_VALUE: Final = re.compile(r":\s")
ITEM_NO_BLANK: Final = re.compile(r"-[^\s-]")
# A colon or a hyphen, and a blank of Unicode that YAML does not read as one.
OTHER_SPACE: Final = re.compile(r"""(?:[^\s:"'\[{#][^\s:"']*:|-)([\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000])""")
LONGEST_KEY: Final = 1024  # characters (YAML 1.1, 9.3.2)
LONGEST_QUOTE: Final = 40
CODE_FENCE: Final = "```"
AS_TEXT: Final = "if this is text, write it in quotes"
OPENING: Final = {"]": "[", "}": "{"}
PREFIXES: Final = {"&": "anchor", "!": "tag"}
# Each quote, and its spelling inside a value with such quotes.
QUOTES: Final = {"'": "''", '"': '\\"'}
UNKNOWN: Final = "this is not valid YAML; check the quotes, colons and spaces of this line and of the previous line"


class YamlComplaint(NamedTuple):
    """A fault in words, and its line and column in the text, both from 1."""

    says: str
    line: int
    column: int


class ParserPosition(NamedTuple):
    """The place where the parser stopped, and the place of the enclosing value; lines and columns count from 0.

    `context` is the construct that the parser was reading; `first` is the number of the text's first line in its file.
    """

    lines: list[str]
    line: int
    column: int
    begun: int | None
    begun_column: int
    context: str
    first: int

    @property
    def here(self) -> str:
        """Return the line in which the parser stopped."""
        return self.line_at(self.line)

    @property
    def before(self) -> str:
        """Return the text of that line before the place."""
        return self.here[: self.column]

    @property
    def character(self) -> str:
        """Return the character at the place; empty at the end of a line."""
        return self.here[self.column : self.column + 1]

    @property
    def since(self) -> str:
        """Return the first line of the enclosing value, as the end of a sentence; empty if it is not known."""
        return "" if self.begun is None else f" of line {self.begun + self.first}"

    @property
    def above(self) -> int | None:
        """Return the number of the last line above that is neither empty nor a comment."""
        numbers = range(min(self.line, len(self.lines)) - 1, -1, -1)
        return next((number for number in numbers if (text := self.lines[number].strip()) and text[0] != "#"), None)

    def line_at(self, number: int | None) -> str:
        """Return a line; empty for a number after the last line."""
        return self.lines[number] if number is not None and number < len(self.lines) else ""

    def at(self, message: str, line: int | None = None, column: int = 0) -> YamlComplaint:
        """Return a complaint about a place; by default the place where the parser stopped."""
        if line is not None:
            return YamlComplaint(message, line + 1, column + 1)
        if self.line >= len(self.lines) and self.lines:  # libyaml reports the end in a line after the last one
            return YamlComplaint(message, len(self.lines), len(self.lines[-1]) + 1)
        return YamlComplaint(message, self.line + 1, self.column + 1)


def explain(bad: yaml.YAMLError, text: str, first: int = 1) -> YamlComplaint:
    """Return the parser's complaint about a text, as a sentence with its place in the text.

    `first` is the number of the text's first line in its file, because sentences name lines of the file.
    """
    if not isinstance(bad, yaml.MarkedYAMLError):
        return unprintable(text) or YamlComplaint(UNKNOWN, 1, 1)
    stop = parser_position(bad, text, first)
    for number in (stop.line, stop.begun, stop.above):
        if CONFLICT.match(stop.line_at(number)):
            return stop.at("an unresolved merge conflict of git; keep one of its two parts", number)
        if number and stop.line_at(number).startswith(BYTE_ORDER_MARK):
            return stop.at(MARK_INSIDE, number)
    if (mark := f"{stop.before}{stop.character}".find(BYTE_ORDER_MARK, int(stop.line == 0))) >= 0:
        return stop.at(MARK_INSIDE, stop.line, mark)
    problem = f"{bad.problem}, {bad.context or ''}"
    found = next((words(stop) for pattern, words in WORDS if pattern.search(problem)), UNKNOWN)
    return found if isinstance(found, YamlComplaint) else stop.at(found)


def unprintable(text: str) -> YamlComplaint | None:
    """Return the complaint about the first forbidden character; a byte order mark is one after the beginning."""
    found = UNPRINTABLE.search(text) or re.compile(BYTE_ORDER_MARK).search(text, 1)
    if found is None:
        return None
    line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
    what = " (a byte order mark)" if found[0] == BYTE_ORDER_MARK else ""
    return YamlComplaint(f"U+{ord(found[0]):04X}{what} cannot be part of the text; remove it", line, column)


def parser_position(bad: yaml.MarkedYAMLError, text: str, first: int) -> ParserPosition:
    """Return the place where the parser stopped."""
    lines = text.splitlines()
    mark, begun = bad.problem_mark or bad.context_mark, bad.context_mark if bad.context else None
    return ParserPosition(
        lines,
        mark.line if mark else len(lines),
        mark.column if mark else 0,
        begun.line if begun else None,
        begun.column if begun else 0,
        bad.context or "",
        first,
    )


def indent(line: str) -> int:
    """Return the number of columns by which a line is indented."""
    return len(line) - len(line.lstrip())


def character(stop: ParserPosition) -> str:
    """Return the sentence for a character that cannot begin a value."""
    if stop.here.startswith(CODE_FENCE):
        return f"{CODE_FENCE} is a fence of Markdown; use only the lines between the two {CODE_FENCE}"
    is_tab = "\t" in f"{stop.before}{stop.character}"
    return TAB if is_tab else f"a value cannot start with {stop.character}; write it in quotes"


def colon(stop: ParserPosition) -> str | YamlComplaint:
    """Return the sentence for a misplaced colon."""
    if stop.before.startswith("---"):
        return "text on the line of the separator ---; start a new line"
    if SECOND_VALUE.search(stop.before):
        return "a second ': ' in one line; write the value in quotes"
    above, line = stop.above, stop.line_at(stop.above)
    if above is None:
        return UNKNOWN
    if indent(stop.here) > indent(line):
        return f"this line has more indentation than line {above + stop.first}, which has a value already; keys of one mapping start in the same column"
    return stop.at(unfinished(line.strip()), above, indent(line))


def unfinished(line: str) -> str:
    """Return the sentence for a line that is neither a key with a value nor an item of a list."""
    if found := OTHER_SPACE.match(line):
        name = unicodedata.name(found[1]).lower()
        return f"the character after the {found[0][-2]} is U+{ord(found[1]):04X} ({name}); replace it with a space"
    if ITEM_NO_BLANK.match(line):
        return "the space after the - of a list item is missing; write - value"
    if NO_BLANK.match(line):
        return "the space after the colon is missing; write key: value"
    if len(line) > LONGEST_KEY:
        return f"the first {LONGEST_KEY} characters of this line contain no colon, so it has no key; write long text after key: |"
    return "this line has no colon after its key; write key: value, with a space after the colon"


def no_colon(stop: ParserPosition) -> YamlComplaint:
    """Return the sentence for a line without a colon."""
    number = stop.line if stop.begun is None else stop.begun
    return stop.at(unfinished(stop.line_at(number)[stop.begun_column :]), number, stop.begun_column)


def key(stop: ParserPosition) -> str:
    """Return the sentence for text that is neither a further key of a mapping nor a further item of a list."""
    if before := stop.before.strip():
        return text_after_value(before[-1], stop.character)
    if stop.character == ":":
        return "the key before the colon is missing"
    if "collection" in stop.context:
        return f"this line does not belong to the list{stop.since}; the items of one list start in the same column, each with '- '"
    if stop.here[stop.column :].startswith("- "):
        return f"a list item is between the keys of the mapping{stop.since}; write the list below its own key"
    return f"this line does not belong to the mapping{stop.since}; keys of one mapping start in the same column, and the lines of text after | have more indentation"


def text_after_value(last: str, first: str) -> str:
    """Return the sentence for text after a value, by the value's last character and the text's first one."""
    if first in OPENING:
        return f"an extra {first}; no {OPENING[first]} is open here"
    if first in PREFIXES:
        return f"a second {PREFIXES[first]} before one value; {AS_TEXT}"
    if last in QUOTES:
        return f"text after the closing quote; write the whole value in quotes, and write a quote inside it as {QUOTES[last]}"
    return "text after the end of a value; remove the text after the closing bracket, the alias or the value"


def bracket(opening: str, closing: str) -> Callable[[ParserPosition], str]:
    """Return the words for a bracket that is not closed."""
    return lambda stop: f"expected , or {closing} here; the {opening}{stop.since} is not closed"


def quote(stop: ParserPosition) -> str | YamlComplaint:
    """Return the sentence for a quote that is not closed."""
    if stop.begun is None:
        return "a quote is not closed"
    return stop.at("this quote is not closed", stop.begun, stop.begun_column)


def value(stop: ParserPosition) -> str:
    """Return the sentence for text that is no value."""
    if stop.character and stop.character in "]},":
        return f"expected a value before {stop.character}; {AS_TEXT}"
    return f"expected a value here{f' instead of {stop.character}' if stop.character else ''}"


def name(stop: ParserPosition) -> str:
    """Return the sentence for an anchor, an alias or a directive without a name."""
    if "directive" in stop.context:
        return DIRECTIVE
    if "anchor" in stop.context:
        return f"& starts an anchor, whose name can have only letters, digits, - and _; {AS_TEXT}"
    return f"* starts an alias, whose name can have only letters, digits, - and _; {AS_TEXT}"


def tag(stop: ParserPosition) -> YamlComplaint | str:
    """Return the sentence for a tag that cannot be read."""
    line, column = (stop.line, stop.column) if stop.begun is None else (stop.begun, stop.begun_column)
    written = stop.line_at(line)[column:].split(" ", 1)[0][:LONGEST_QUOTE]
    return stop.at(f"{written} is an unknown tag; remove it; {AS_TEXT}", line, column)


def document_end(stop: ParserPosition) -> YamlComplaint | str:
    """Return the sentence for text after the end of a document."""
    numbers = range(min(stop.line + 1, len(stop.lines)))
    if (directive := next((number for number in numbers if stop.lines[number][:1] == "%"), None)) is not None:
        return stop.at(CUT_OFF_DIRECTIVE, directive)
    return "text after the end of the document; start the next document with ---"


def constant(sentence: str) -> Callable[[Any], str]:
    """Return a function that gives the same sentence for every place."""
    return lambda _: sentence


CUT_OFF_DIRECTIVE: Final = (
    "the line with % (%YAML, %TAG) has no --- after it, so kubectl ends the document there; remove the line"
)
DIRECTIVE: Final = "the parser cannot use this line with % (%YAML, %TAG); remove the line"
WORDS: Final[tuple[tuple[re.Pattern[str], Callable[[ParserPosition], str | YamlComplaint]], ...]] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"tab character", constant(TAB)),
        (
            r"directive|duplicate (?:tag handle|%)|incompatible YAML|version number|digit or|a digit",
            constant(DIRECTIVE),
        ),
        (r"cannot start any token", character),
        (r"mapping values are not allowed", colon),
        (r"expected key|expected <block end>|expected '-' indicator", key),
        (r"could not find expected ':'", no_colon),
        (r"expected ',' or '\]'", bracket("[", "]")),
        (r"expected ',' or '\}'", bracket("{", "}")),
        (r"unexpected (?:end of stream|document (?:indicator|separator))", quote),
        (r"sequence entries are not allowed", constant("a list item cannot start here; start a new line with '- '")),
        (r"mapping keys are not allowed", constant("a value cannot start with '? '; write it in quotes")),
        (r"Unicode character escape|unexpected low surrogate", constant(INCOMPLETE_CHARACTER)),
        (
            r"unknown escape|hexdecimal|expected escape sequence",
            constant("unknown escape sequence in double quotes; write \\\\ for a backslash, or use single quotes"),
        ),
        (r"alphabetic or numeric|non-alphabetical", name),
        (
            r"scanning a block scalar|indentation indicator|comment or line break",
            constant("text after | or >; start the text on the next line"),
        ),
        (r"tag|'>'|URI|expected '!'|whitespace", tag),
        (r"unexpected ':'", constant("a colon inside brackets; write the value in quotes")),
        (r"node content", value),
        (r"document start", document_end),
    )
)
