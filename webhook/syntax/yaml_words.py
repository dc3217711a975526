"""Why a text is not YAML, in words for a person who writes policy files.

libyaml and PyYAML's own parser speak of tokens and nodes, each in sentences of its own; what both mean is said here.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml

TEMPLATE: Final = re.compile(r"\{\{|\{%|<%")
UNRENDERED: Final = "this is a template that is not rendered; render it first, and check the result"


class Stop(NamedTuple):
    """Where the parser stopped: what its line has before and at that place, and the line in which the value around it begins."""

    before: str
    character: str
    begun: int | None
    begun_text: str

    @property
    def since(self) -> str:
        """The line in which the value around begins, as the end of a sentence; empty where it is not known."""
        return f" of line {self.begun}" if self.begun else ""


def why_not_yaml(bad: yaml.MarkedYAMLError, text: str) -> str:
    """Return the sentence for the parser's complaint about a text."""
    problem = bad.problem or ""
    stop = stop_of(bad, text)
    if TEMPLATE.search(f"{stop.before}{stop.character}{stop.begun_text}"):
        return UNRENDERED
    return next((words(stop) for pattern, words in WORDS if pattern.search(problem)), problem)


def stop_of(bad: yaml.MarkedYAMLError, text: str) -> Stop:
    """Return where the parser stopped."""
    lines = text.splitlines()
    line, column = (bad.problem_mark.line, bad.problem_mark.column) if bad.problem_mark else (len(lines), 0)
    here = line_of(lines, line)
    begun = bad.context_mark.line if bad.context and bad.context_mark else None
    return Stop(
        here[:column],
        here[column : column + 1],
        None if begun is None else begun + 1,
        "" if begun is None else line_of(lines, begun),
    )


def line_of(lines: list[str], number: int) -> str:
    """Return a line; empty for one behind the last."""
    return lines[number] if number < len(lines) else ""


def character(stop: Stop) -> str:
    """Return the sentence for a character with which no value begins."""
    if stop.character == "\t" or "\t" in stop.before:
        return tab(stop)
    return f"a value cannot begin with {stop.character}; write it in quotes"


def tab(_: Stop) -> str:
    """Return the sentence for a tab in the indentation."""
    return "a tab; YAML takes blanks only where a line is indented"


def colon(stop: Stop) -> str:
    """Return the sentence for a colon that cannot be there."""
    if ": " in stop.before:
        return "a second ': ' in one line; write a value that has one in quotes"
    return "this line is indented further than the lines above it; keys of one mapping begin in one column"


def key(stop: Stop) -> str:
    """Return the sentence for what is not a further key of a mapping."""
    if stop.before.strip():
        return "text behind the end of a value; in single quotes a quote is written twice (''), behind a bracket nothing follows"
    return f"this line does not belong to the mapping{stop.since}; keys of one mapping begin in one column, and list items with '- '"


def no_colon(stop: Stop) -> str:
    """Return the sentence for a line without a colon."""
    which = f"line {stop.begun}" if stop.begun else "this line"
    return f"{which} has no colon behind its key; write key: value, with a blank behind the colon"


def bracket(opening: str, closing: str) -> Callable[[Stop], str]:
    """Return the words for a bracket that is not closed."""
    return lambda stop: f"the {opening}{stop.since} is not closed; expected , or {closing} here"


def quote(stop: Stop) -> str:
    """Return the sentence for a quote that is not closed."""
    return f"the quote{stop.since} is not closed"


def value(stop: Stop) -> str:
    """Return the sentence for what is no value."""
    return f"expected a value here{f', and not {stop.character}' if stop.character else ''}"


def always(sentence: str) -> Callable[[Any], str]:
    """Return words that hang on nothing."""
    return lambda _: sentence


WORDS: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"tab character", tab),
        (r"cannot start any token", character),
        (r"mapping values are not allowed", colon),
        (r"expected key|expected <block end>", key),
        (r"could not find expected ':'", no_colon),
        (r"expected ',' or '\]'", bracket("[", "]")),
        (r"expected ',' or '\}'", bracket("{", "}")),
        (r"unexpected end of stream", quote),
        (r"sequence entries are not allowed", always("a list item cannot begin here; begin a new line for its '- '")),
        (
            r"unknown escape",
            always("in double quotes \\ begins an escape, and this one is unknown; write \\\\, or take single quotes"),
        ),
        (r"node content", value),
        (r"comment or line break", always("text behind | or >; it begins on the next line")),
        (r"document start", always("text behind the end of the document; a policy file is one document")),
        (r"incompatible YAML", always("%YAML names a version of YAML that is not read; remove the line")),
    )
)
