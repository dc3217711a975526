"""Patterns for label values that have the same meaning in both regular expression engines: Rust's in pydantic, and Go's in the API server.

Some patterns are valid in one engine only or have different meanings: `[a-z&&[^x]]`, `a{01}`, `a{2}{3}`, `x{1200}`. This module accepts
only the common syntax; a test compares with Go (tests/oracles/test_patterns.py).
"""

import re
from typing import Final

MAX_COPIES: Final = 1000  # of one thing, by all counts around it multiplied (Go, regexp/syntax, repeatIsValid)

# They differ only outside of ASCII, which label values cannot contain.
CHARACTERS: Final = r"\\[dDsSwW]"
# All punctuation except < and >, which are word boundaries in Rust.
ESCAPED: Final = r"\\[!-/:;=?@\[-`{-~]"
ITSELF: Final = rf"""(?:[A-Za-z0-9 _!"#%',/:;<=>@`]|{ESCAPED})"""
OUTSIDE: Final = r"[-&~]"
IN_CLASS: Final = rf"(?:{ITSELF}|[.$()*+?{{|}}])"
CLASS: Final = rf"\[\^?(?:-?(?:{CHARACTERS}|{IN_CLASS}(?:-{IN_CLASS})?)+-?|-)\]"
COUNT: Final = r"(?:0|[1-9][0-9]{0,3})"
TOKEN: Final = re.compile(
    rf"(?P<one>{ITSELF}|{OUTSIDE}|{CHARACTERS}|{CLASS}|\.)"
    rf"|(?P<times>(?:[*+?]|\{{(?P<least>{COUNT})(?:,(?P<most>{COUNT})?)?\}})\??)"
    r"|(?P<open>\((?:\?:|(?!\?)))|(?P<close>\))|(?P<between>[|^$])"
)
# Any token of a pattern in either syntax, to estimate the size.
PIECE: Final = re.compile(
    r"(?P<open>\()|(?P<close>\))|\{(?P<least>[0-9]{0,4})(?P<most>,[0-9]{0,4})?\}|(?P<times>[*+?])"
    r"|(?P<one>\[\^?\]?(?:\\.|[^\]\\])*\]?|\\+[pP](?:\{[^}]*\}|.)?|\\?.)",
    re.DOTALL,
)
CLASS_SIZE: Final = 100  # the cost of a class with hundreds of Unicode ranges
MAX_SIZE: Final = 15_000  # takes the engine 30 ms to read
ANY_CASE: Final = "(?i)"
SUPPORTED_SYNTAX: Final = (  # as Markdown, too
    r"letters, digits and punctuation, with `\` before special characters; `.`, `\d`, `\w`, `\s`; classes such as "
    r"`[a-z]` and `[^a-z]`; "
    rf"`(`…`)`, `(?:`…`)`, `|`, `^`, `$`; `*`, `+`, `?`, `{{2}}`, `{{2,}}`, `{{2,4}}`, up to {MAX_COPIES} times; `(?i)` at the beginning"
)


def anchored(pattern: str) -> str:
    """Return the pattern with anchors for a full match, valid in both engines."""
    return f"^(?:{pattern})$"


def size_error(pattern: str) -> str:
    """Return why a pattern is too large; empty if it is not."""
    if (found := size(pattern)) > MAX_SIZE:
        return (
            f"with expanded repetitions, the pattern has {found} characters, and the limit is {MAX_SIZE}; "
            rf"\d, \w and \s count as {CLASS_SIZE} each: write [0-9] or [a-z0-9]"
        )
    return ""


def portability_error(pattern: str) -> str:
    """Return why a pattern may differ between the engines; empty if it does not.

    The pattern must be valid in Rust's engine.
    """
    at = len(ANY_CASE) if pattern.startswith(ANY_CASE) else 0
    copies = [1]  # copies of one element by the counts inside each open group, the outermost first
    last = 0  # copies of the element before; 0 if it cannot be repeated
    while at < len(pattern):
        found = TOKEN.match(pattern, at)
        if found is None or (found["times"] and not last):
            return f"{pattern[at:]!r} has another meaning in the API server; use only {SUPPORTED_SYNTAX}"
        at = found.end()
        if found["open"]:
            copies.append(1)
            last = 0
        elif found["close"]:
            last = copies.pop()
        elif found["times"]:
            last *= repetitions(found)
        else:
            last = 1 if found["one"] else 0
        copies[-1] = max(copies[-1], last)
        if copies[-1] > MAX_COPIES:
            return f"{pattern[:at]!r} makes {copies[-1]} copies of one part, and the limit is {MAX_COPIES}"
        last = 0 if found["times"] else last
    return ""


def size(pattern: str, heavy: str = "dDsSwW") -> int:
    """Return the estimated size of a pattern with its repetitions expanded, to which the compile time is proportional.

    `heavy` are the letters of escapes for large classes; in Rust these are Unicode classes.
    """
    groups, last = [0], 0
    for found in PIECE.finditer(pattern):
        if found["open"]:
            groups.append(0)
            last = 0
        elif found["close"]:
            last = groups.pop() if len(groups) > 1 else 0
            groups[-1] += last
        elif found["one"]:
            last = CLASS_SIZE if any(f"\\{letter}" in found["one"] for letter in heavy) else 1
            groups[-1] += last
        elif not found["times"]:
            more = last * (max(1, int(found["least"] or 1), int((found["most"] or "")[1:] or 1)) - 1)
            groups[-1] += more
            last += more
    return sum(groups)


def repetitions(times: re.Match[str]) -> int:
    """Return the number of copies for a repetition."""
    return max(1, int(times["most"] or times["least"] or 1))


# Error messages of pydantic's engine (Rust, regex-syntax) and of CEL's (RE2), with an explanation of each.
REASONS: Final = {
    "unclosed group": "a ( is not closed",
    "unopened group": "a ) has no matching (",
    "unclosed character class": "a [ is not closed",
    "invalid repetition count": "in {2,4} the smaller number comes first",
    "unclosed counted repetition": "a { is not closed; write \\{ for the character itself",
    "repetition quantifier expects a valid decimal": "the number in { } is missing; write \\{ for the character itself",
    "repetition operator missing": "*, + or ? has nothing before it to repeat; for any characters write .*",
    "unrecognized escape": "a \\ before a letter without a special meaning; write \\d, \\w or \\s, or remove the \\",
    "incomplete escape": "the pattern ends with a \\; write \\\\ for the character itself",
    "backreferences": "back references such as \\1 are not supported",
    "look-around": "lookarounds such as (?=…) and (?<!…) are not supported",
    "missing )": "a ( is not closed",
    "unexpected )": "a ) has no matching (",
    "missing ]": "a [ is not closed",
    "no argument for repetition operator": "*, + or ? has nothing before it to repeat; for any characters write .*",
    "bad repetition operator": "two of *, +, ? and {2} follow each other; put the repeated part in brackets",
    "invalid repetition size": "in {2,4} the smaller number comes first, and the limit is 1000",
    "invalid escape sequence": (
        "a \\ before a letter without a special meaning; write \\d, \\w or \\s, or remove the \\"
    ),
    "trailing \\": "the pattern ends with a \\; write \\\\ for the character itself",
    "invalid perl operator": "lookarounds and flags such as (?=…) are not supported",
    "invalid character class range": "in a range such as [a-z] the smaller character comes first",
    "exceeds size limit": "the pattern is too large because of counts such as {1000}",
}


def syntax_error_reason(says: str) -> str:
    """Return why a pattern is invalid, from the error message of the engine."""
    return next((words for found, words in REASONS.items() if found in says), f"supported are {SUPPORTED_SYNTAX}")
