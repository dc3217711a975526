"""Parse Calico's selector language to a tree.

The grammar is libcalico-go's (lib/selector/tokenizer and parser): literals have no escapes, blanks are space and tab,
`!` binds closer than `&&`, and `&&` closer than `||`.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from webhook.model.abbreviation import shortened
from webhook.model.selector import EVERYTHING, LONGEST, AllOf, AnyOf, Equals, Global, Has, Like, Not, OneOf, Selector

TOKENS = re.compile(
    r"""[ \t]*+(?:
      (?P<has>has\([ \t]*+(?P<key>[A-Za-z0-9_./-]{1,512}+)[ \t]*+\))
    | (?P<all>all\([ \t]*+\)) | (?P<global>global\([ \t]*+\))
    | (?P<literal>"[^"]*+"|'[^']*+')
    | (?P<mark>==|!=|&&|\|\||[!(){},])
    | (?P<word>[A-Za-z0-9_./-]{1,512}+)
    )""",
    re.VERBOSE,
)
BLANKS = " \t"
QUOTES = "\"'"
FUNCTIONS = ("has", "all", "global")
DEEPEST = 100  # nested brackets; Calico has no limit, and real selectors have two or three
SHOWN, SHOWN_WORD = 120, 40  # characters of a selector, and of one of its words, in a message
WORD = re.compile(r"""[A-Za-z0-9_./-]+|"[^"]*"?|'[^']*'?|[=!]=|&&|\|\||\S""")


# What is expected at a place of a selector, for messages.
LABEL = "the key of a label, has(key), all() or global()"
OPERATOR = "==, !=, in, not in, contains, starts with or ends with"
CONJUNCTION = "&& or || between two parts"
TEXT = "text in quotes"
# Words of other languages, each with the one of Calico.
CORRECTIONS = {
    "=": "==",
    "&": "&&",
    "|": "||",
    "and": "&&",
    "or": "||",
    "AND": "&&",
    "OR": "||",
    "not": "!",
    "NOT": "!",
    "exists": "has(key)",
}


class SelectorToken(NamedTuple):
    """A token of the text with its kind and its position."""

    kind: str
    text: str
    at: int


def parse(text: str) -> Selector:
    """Return the tree of a selector; the empty one selects everything.

    Raises ValueError for text that is not a selector, is longer than Calico takes or has more than 100 nested brackets.
    """
    if len(text) > LONGEST:
        raise ValueError(
            f"a selector has {len(text)} characters, and the limit of Calico is {LONGEST}: {text[:SHOWN]!r}…"
        )
    tokens = list(tokens_of(text))
    if not tokens:
        return EVERYTHING
    parser = SelectorParser(text, tokens)
    found = parser.parse_or()
    parser.check_end()
    return found


def tokens_of(text: str) -> Iterator[SelectorToken]:
    """Yield the tokens of a text; raises ValueError at the first character that begins no token."""
    at, end = 0, len(text.rstrip(BLANKS))
    while at < end:
        match = TOKENS.match(text, at)
        if match is None:
            at = end - len(text[at:end].lstrip(BLANKS))
            raise syntax_error(text, at)
        kind = next(name for name in ("has", "all", "global", "literal", "mark", "word") if match[name] is not None)
        yield SelectorToken(kind, match["key"] if kind == "has" else match[kind], match.start(kind))
        at = match.end()


class SelectorParser:
    """A parser of one text; each method parses one level of the grammar.  They raise ValueError."""

    def __init__(self, text: str, tokens: list[SelectorToken]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def parse_or(self) -> Selector:
        """Parse parts joined by `||`."""
        parts = [self._parse_and()]
        while self._accept("||"):
            parts.append(self._parse_and())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def check_end(self) -> None:
        """Check that no token is left."""
        if self._at < len(self._tokens):
            raise self._error(CONJUNCTION)

    def _parse_and(self) -> Selector:
        parts = [self._parse_unary()]
        while self._accept("&&"):
            parts.append(self._parse_unary())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _parse_unary(self) -> Selector:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"at most {DEEPEST} nested brackets")
        try:
            negated = False
            while self._accept("!"):  # as Calico reads them: any number is one or none
                negated = not negated
            if negated:
                return Not(self._parse_unary())
            if self._accept("("):
                found = self.parse_or()
                self._expect(")")
                return found
            return self._parse_operation()
        finally:
            self._depth -= 1

    def _parse_operation(self) -> Selector:
        kind, text = self._next(LABEL)
        match kind:
            case "has":
                return Has(text)
            case "all":
                return EVERYTHING
            case "global":
                return Global()
            case "word":
                return self._parse_label_condition(text)
        raise self._error(LABEL, before=1)

    def _parse_label_condition(self, key: str) -> Selector:
        """Parse a condition about one label."""
        kind, operator = self._next(OPERATOR)
        if kind not in {"mark", "word"}:  # `in` of has(in) is a label, not an operator
            raise self._error(OPERATOR, before=1)
        found: Selector
        if operator in {"==", "!="}:
            found = Equals(key, self._parse_literal())
        elif operator in {"in", "notin", "not"}:
            if operator == "not":
                self._expect("in")
            found = OneOf(key, self._parse_set())
        else:
            found = Like(key, self._parse_string_operator(operator), self._parse_literal())
        return Not(found) if operator in {"!=", "notin", "not"} else found

    def _parse_string_operator(self, operator: str) -> str:
        if operator in {"starts", "ends"}:
            self._expect("with")
            return f"{operator} with"
        if operator in {"startswith", "endswith"}:  # Calico accepts any number of blanks there
            return f"{operator.removesuffix('with')} with"
        if operator != "contains":
            raise self._error(OPERATOR, before=1)
        return operator

    def _parse_set(self) -> tuple[str, ...]:
        self._expect("{")
        values = []
        while not self._accept("}"):
            values.append(self._parse_literal())
            if not self._accept(","):
                self._expect("}")
                break
        return tuple(values)

    def _parse_literal(self) -> str:
        kind, text = self._next(TEXT)
        if kind != "literal":
            raise self._error(TEXT, before=1)
        return text[1:-1]

    def _next(self, expected: str) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise self._error(expected)
        self._at += 1
        return self._tokens[self._at - 1][:2]

    def _accept(self, text: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at][:2] in {("mark", text), ("word", text)}
        self._at += found
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._error(text)

    def _error(self, expected: str, *, before: int = 0) -> ValueError:
        """Return the error at the next token, or at one before it."""
        number = self._at - before
        at = self._tokens[number].at if number < len(self._tokens) else len(self._text)
        return syntax_error(self._text, at, expected)


def syntax_error(text: str, at: int, expected: str = "") -> ValueError:
    """Return the error of a text that is no selector from a position on; `expected` is empty where nothing has such a beginning."""
    found = WORD.match(text, at)
    word = found[0] if found else ""
    correction = f"{word!r}" if expected == TEXT and word[:1] not in {*QUOTES, ""} else CORRECTIONS.get(word)
    advice = f" (write {correction})" if correction else ""
    if not word:
        problem = f"expected {expected} at the end"
    elif word == "(" and text[:at].endswith(FUNCTIONS):
        problem = f"the bracket at character {at + 1} is not closed"
    elif expected:
        problem = f"expected {expected} at character {at + 1}, instead of {word[:SHOWN_WORD]}{advice}"
    elif word[0] in QUOTES:
        problem = f"the quote at character {at + 1} is not closed"
    else:
        problem = f"{word[:SHOWN_WORD]} at character {at + 1} is unknown{advice}"
    return ValueError(f"{shortened(text, SHOWN)!r} is not a valid Calico selector: {problem}")
