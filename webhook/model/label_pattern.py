"""Patterns of label values that mean one thing to both engines that run them: Rust's here, by pydantic, and Go's in the API server.

Each takes some that the other refuses or reads otherwise: `[a-z&&[^x]]`, `a{01}`, `a{2}{3}`, `x{1200}`. Listed here is what both
read alike; a test asks Go itself (tests/oracles/test_patterns.py).
"""

import re
from typing import Final

MAX_COPIES: Final = 1000  # of one thing, by all counts around it multiplied (Go, regexp/syntax, repeatIsValid)

# Beyond ASCII they differ, where no label value goes.
CHARACTERS: Final = r"\\[dDsSwW]"
# Any mark but < and >, by which words begin and end in Rust.
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
# Any piece of a pattern in either syntax, for its size.
PIECE: Final = re.compile(
    r"(?P<open>\()|(?P<close>\))|\{(?P<least>[0-9]{0,4})(?P<most>,[0-9]{0,4})?\}|(?P<times>[*+?])"
    r"|(?P<one>\[\^?\]?(?:\\.|[^\]\\])*\]?|\\+[pP](?:\{[^}]*\}|.)?|\\?.)",
    re.DOTALL,
)
CLASS_SIZE: Final = 100  # a class that has hundreds of ranges in Unicode, beside one of a few
MAX_SIZE: Final = 15_000  # takes the engine 30 ms to read
ANY_CASE: Final = "(?i)"
SUPPORTED_SYNTAX: Final = (  # as Markdown, too
    r"letters, digits and marks, `\` before those that mean something; `.`, `\d`, `\w`, `\s`; classes such as `[a-z]` and `[^a-z]`; "
    rf"`(`…`)`, `(?:`…`)`, `|`, `^`, `$`; `*`, `+`, `?`, `{{2}}`, `{{2,}}`, `{{2,4}}`, up to {MAX_COPIES} times; `(?i)` at the beginning"
)


def anchored(pattern: str) -> str:
    """Return the expression that is found in the values that a pattern matches from end to end, to either engine."""
    return f"^(?:{pattern})$"


def size_error(pattern: str) -> str:
    """Return why a pattern is not even tried, in words; empty where it is."""
    if (found := size(pattern)) > MAX_SIZE:
        return (
            f"with its repetitions written out it is {found} characters large, {MAX_SIZE} are the most; "
            rf"\d, \w and \s count for {CLASS_SIZE} each: write [0-9] or [a-z0-9]"
        )
    return ""


def portability_error(pattern: str) -> str:
    """Return what of a pattern the two may not read alike, in words; empty where there is nothing.

    It is one that Rust's engine takes: what is wrong in both is not looked for.
    """
    at = len(ANY_CASE) if pattern.startswith(ANY_CASE) else 0
    copies = [1]  # of one thing, by the counts inside of each group that is open, the whole first
    last = 0  # the same of what stands before; none if that cannot be repeated
    while at < len(pattern):
        found = TOKEN.match(pattern, at)
        if found is None or (found["times"] and not last):
            return f"{pattern[at:]!r} is not read alike in the API server, which takes {SUPPORTED_SYNTAX}"
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
            return f"{pattern[:at]!r} makes {copies[-1]} copies of one thing, {MAX_COPIES} are the most"
        last = 0 if found["times"] else last
    return ""


def size(pattern: str, heavy: str = "dDsSwW") -> int:
    """About how large a pattern becomes, with what it repeats written out: what an engine takes to read it goes by that.

    `heavy` are the letters of its escapes that stand for large classes; in Rust those that are ASCII in other engines.
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
    """Return how often something is written out for a repetition."""
    return max(1, int(times["most"] or times["least"] or 1))


# What pydantic's engine (Rust, regex-syntax) and CEL's (RE2) say of a pattern that is none, and what that means.
REASONS: Final = {
    "unclosed group": "a ( is not closed",
    "unopened group": "a ) has no ( before it",
    "unclosed character class": "a [ is not closed",
    "invalid repetition count": "in {2,4} the smaller number comes first",
    "unclosed counted repetition": "a { is not closed; write \\{ for the character itself",
    "repetition quantifier expects a valid decimal": "there is no number in { }; write \\{ for the character itself",
    "repetition operator missing": "*, + or ? has nothing before it to repeat; for any characters write .*",
    "unrecognized escape": "a \\ before a letter that has no meaning; write \\d, \\w or \\s, or leave the \\ out",
    "incomplete escape": "it ends with a \\; write \\\\ for the character itself",
    "backreferences": "it refers to a group before, as by \\1, which no label pattern may",
    "look-around": "it looks around, as by (?=…) or (?<!…), which no label pattern may",
    "missing )": "a ( is not closed",
    "unexpected )": "a ) has no ( before it",
    "missing ]": "a [ is not closed",
    "no argument for repetition operator": "*, + or ? has nothing before it to repeat; for any characters write .*",
    "bad repetition operator": "two of *, +, ? and {2} follow each other; put what is repeated in brackets",
    "invalid repetition size": "in {2,4} the smaller number comes first, and 1000 is the most",
    "invalid escape sequence": "a \\ before a letter that has no meaning; write \\d, \\w or \\s, or leave the \\ out",
    "trailing \\": "it ends with a \\; write \\\\ for the character itself",
    "invalid perl operator": "it looks around or sets a flag, as by (?=…), which these patterns may not",
    "invalid character class range": "in a range such as [a-z] the smaller character comes first",
    "exceeds size limit": "it is too large, by its counts such as {1000}",
}


def syntax_error_reason(says: str) -> str:
    """Return why a pattern is none, by what the engine says."""
    return next((words for found, words in REASONS.items() if found in says), f"it may have {SUPPORTED_SYNTAX}")
