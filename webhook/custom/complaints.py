"""What the CEL library says of an expression, in words for a person who writes rules.

Its parser is made by ANTLR and lists tokens ("mismatched input '<EOF>' expecting {'[', '{', …"); its checker names operators as functions
(`_+_`). Each of these sentences has one here; a sentence that is not known passes as it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from webhook.model.nearness import nearest

END: Final = "<EOF>"
# What the parser expects where any value may begin; it lists more than twenty tokens there.
ANY_VALUE: Final = "IDENTIFIER"
JOINING: Final = "join two conditions by && or ||, and negate one by !"
# Words of other languages, and what CEL has for them.
FOREIGN: Final = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "nil": "null",
    "none": "null",
    "undefined": "null",
    "true": "true",
    "false": "false",
}
# Functions of CEL itself that take a certain number of values; those of its extensions are in webhook.custom.functions.
STANDARD: Final = frozenset({"size", "contains", "startsWith", "endsWith", "matches"})
# What CEL makes of a list is no function to it: with another number of values nothing has that name.
MACROS: Final = {
    **dict.fromkeys(("all", "exists", "exists_one", "filter"), "a name and a condition, such as all(c, c.image != '')"),
    "map": "a name and a value, such as map(c, c.image)",
    "has": "a field, such as has(object.spec)",
}
OPERATOR: Final = re.compile(r"_([^_]+)_|([-!])_|_\[_\]")
SYNTAX: Final = re.compile("Syntax error: ")
# What a call with a variable of its own, or two, begins with.
LOOP: Final = re.compile(r"\(\s*([A-Za-z_]\w*)\s*,(?:\s*([A-Za-z_]\w*)\s*,)?")
QUOTED: Final = re.compile(r"'([^']+)'")


class Complaint(NamedTuple):
    """One complaint of the library; line and column count from one, and are not above zero where it has no place."""

    line: int
    column: int
    what: str

    @property
    def place(self) -> str:
        """Where it is, as the beginning of a sentence."""
        return f"line {self.line}, column {self.column} of the expression: " if self.line > 0 else ""

    @property
    def unknown(self) -> str:
        """The name that the library does not know, up to its first dot; empty for any other complaint."""
        found = UNKNOWN.match(self.what)
        return found[1].partition(".")[0] if found else ""

    def behind(self, expression: str) -> str:
        """The text of the expression from its place on: of a call, the library gives the place of the bracket."""
        lines = expression.split("\n")
        return (
            "\n".join([lines[self.line - 1][self.column - 1 :], *lines[self.line :]])
            if 0 < self.line <= len(lines)
            else ""
        )

    def is_call(self, expression: str) -> bool:
        """Whether it is about the name of a function."""
        return bool(self.unknown) and self.behind(expression).startswith("(")


def causes(found: Iterable[Complaint], expression: str) -> Iterator[Complaint]:
    """Each complaint without those that follow from an earlier one.

    Behind the first error of syntax the parser guesses. A name is complained of wherever it is; and a loop that is no function to the
    library leaves its variable without a meaning.
    """
    known: set[str] = set()
    for one in sorted(found):
        if SYNTAX.match(one.what):
            yield one
            return
        if one.is_call(expression) and (loop := LOOP.match(one.behind(expression))):
            known.update(name for name in loop.groups() if name)
            yield one
        elif not one.unknown or one.unknown not in known:
            known.update({one.unknown} - {""})
            yield one


def plainly(what: str, known: tuple[str, ...] = ()) -> str:
    """Return one complaint of the library in plain words; `known` are the names that an expression may read."""
    for pattern, words in WORDS:
        if found := pattern.fullmatch(what):
            return words(*found.groups())
    if found := UNKNOWN.fullmatch(what):
        if found[1] in MACROS:
            return f"{found[1]}() takes {MACROS[found[1]]}"
        return f"nothing is called {found[1]!r} here{meant(found[1], known)}"
    return what


def meant(name: str, known: tuple[str, ...]) -> str:
    """Return which name may be meant by one that there is not, as the end of a sentence."""
    first = name.partition(".")[0]
    if cel := FOREIGN.get(name.lower()):
        return f"; CEL writes {cel}"
    near = nearest(first, known)
    return f"; did you mean {near + name.removeprefix(first)!r}?" if near else ""


def unexpected(found: str, expected: str) -> str:
    """Return the sentence for a token where another one is expected."""
    if expected == END:
        cel = FOREIGN.get(found, found)
        return f"{found!r} cannot follow here; {JOINING if cel == found else f'CEL writes {cel}'}"
    wanted = "a value" if ANY_VALUE in expected else " or ".join(dict.fromkeys(QUOTED.findall(expected))) or expected
    if found == END:
        return f"the expression ends here, and {wanted} is expected"
    return f"{found!r} cannot be here; expected {wanted}"


def lacking(expected: str, found: str) -> str:
    """Return the sentence for a token that is not there."""
    return unexpected(found, expected)


def no_token(text: str) -> str:
    """Return the sentence for characters that are no part of the language."""
    begin = text.strip()
    if begin[:1] in {"'", '"'}:
        return f"the quote of {begin} is not closed, or a \\ in it begins an escape that CEL does not have (write \\\\)"
    if begin.startswith("="):
        return f"{begin!r} is no operator; compare by ==, <= or >="
    return f"{begin!r} means nothing in CEL"


def no_overload(function: str, types: str) -> str:
    """Return the sentence for an operator or a function that does not take such values."""
    of = f"values of these types: {types.replace('null_type', 'null')}"
    if operator := OPERATOR.fullmatch(function):
        return f"the operator {operator[1] or operator[2] or '[]'} does not take {of}"
    return f"{function}() does not take {of}"


UNKNOWN: Final = re.compile(r"undeclared reference to '([^']+)'(?: \(in container ''\))?")
WORDS: Final[tuple[tuple[re.Pattern[str], Callable[..., str]], ...]] = (
    (re.compile(r"Syntax error: (?:mismatched|extraneous) input '(.*)' expecting (.*)"), unexpected),
    (re.compile(r"Syntax error: missing (.*) at '(.*)'"), lacking),
    (re.compile(r"Syntax error: token recognition error at: '(.*)'", re.DOTALL), no_token),
    (re.compile(r"Syntax error: no viable alternative at input '(.*)'"), "{0!r} cannot be here".format),
    (re.compile(r"found no matching overload for '(.*)' applied to '\((.*)\)'"), no_overload),
    (
        re.compile(r"reserved identifier: (.*)"),
        "{0!r} is a reserved word of CEL; a choice is written CONDITION ? VALUE : OTHER".format,
    ),
    (
        re.compile(r"[Ii]nvalid (?:int|uint|double) literal.*"),
        lambda: "the number is too large; one without quotes has at most 64 bits",
    ),
    (
        re.compile(r"[Ii]nvalid (?:string|bytes) literal.*", re.DOTALL),
        lambda: (
            "the text is not closed by its quote, or a \\ in it begins an escape that CEL does not have (write \\\\)"
        ),
    ),
    (
        re.compile(r"has\(\) argument must be a field selection"),
        lambda: "has() takes a field, such as has(object.spec)",
    ),
)
