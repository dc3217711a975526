"""Finding by a pattern (k8s.io/apiserver, pkg/cel/library/regex.go), in linear time by RE2, as Go's regexp is."""

from functools import lru_cache
from typing import Any, Final

from webhook.custom.functions.function import Function, Kind
from webhook.custom.functions.strings import MOST_PARTS

LONGEST_PATTERN: Final = 1_000


def find(text: str, pattern: str) -> str:
    """The first match; empty where there is none."""
    found = compiled(pattern).search(text)
    return str(found[0]) if found else ""


def find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    """Each match, at most so many; raises ValueError for too many."""
    found: list[str] = []
    for one in compiled(pattern).finditer(text):
        if len(found) == most:
            break
        if len(found) == MOST_PARTS:
            raise ValueError(f"findAll: more than {MOST_PARTS} matches")
        found.append(str(one[0]))
    return found


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """A pattern, made once; raises ValueError for one that is none."""
    import re2  # noqa: PLC0415 (an extra)

    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a pattern of more than {LONGEST_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as bad:
        reason = bad.args[0].decode() if isinstance(bad.args[0], bytes) else str(bad)
        raise ValueError(f"Illegal regex: {reason}") from None


FUNCTIONS = (
    Function("find", (Kind.STRING, Kind.STRING), Kind.STRING, find),
    Function("findAll", (Kind.STRING, Kind.STRING), Kind.STRINGS, find_all),
    Function("findAll", (Kind.STRING, Kind.STRING, Kind.INT), Kind.STRINGS, find_all),
)
