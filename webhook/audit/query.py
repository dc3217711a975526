"""Select records by their fields."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

from webhook.audit.log_entry import Entry
from webhook.audit.record import stamp
from webhook.audit.schema import KINDS

STAR: Final = "*"

Test = Callable[[Entry], bool]


def record_types() -> list[str]:
    """Return every type of record in the schema."""
    hints = (get_type_hints(kind)["type"] for kind in KINDS)
    return [get_args(hint)[0] for hint in hints if get_origin(hint) is Literal]


class Query(Struct, frozen=True, kw_only=True):
    """Conditions for a record: it has one value of each list that is not empty; in names, `*` matches any text."""

    begin: datetime | None = None
    end: datetime | None = None  # exclusive
    types: Sequence[str] = ()
    decisions: Sequence[str] = ()
    users: Sequence[str] = ()
    groups: Sequence[str] = ()
    namespaces: Sequence[str] = ()
    resources: Sequence[str] = ()  # or kinds
    names: Sequence[str] = ()
    rules: Sequence[str] = ()
    reasons: Sequence[str] = ()  # codes

    def compiled(self) -> Test:
        """Return one test for all conditions."""
        tests = tuple(self._tests())
        return lambda entry: all(test(entry) for test in tests)

    def _tests(self) -> Iterator[Test]:
        if self.begin is not None:
            yield since(stamp(self.begin))
        if self.end is not None:
            yield before(stamp(self.end))
        if self.types:
            yield lambda entry: entry.type in self.types
        if self.decisions:
            yield lambda entry: entry.decision in self.decisions
        yield from one_of(self.users, lambda entry: (entry.username,))
        yield from one_of(self.groups, lambda entry: entry.groups)
        yield from one_of(self.namespaces, lambda entry: (entry.object_ref.namespace,))
        yield from one_of([name.lower() for name in self.resources], resource_names)
        yield from one_of(self.names, lambda entry: (entry.object_ref.name,))
        yield from one_of(self.rules, lambda entry: entry.rules)
        yield from one_of(self.reasons, lambda entry: (entry.reason_code,))


def since(begin: str) -> Test:
    """Return a test for records of this time or later: text order is time order."""
    return lambda entry: entry.time >= begin


def before(end: str) -> Test:
    """Return a test for older records."""
    return lambda entry: entry.time < end


def one_of(patterns: Sequence[str], values: Callable[[Entry], Sequence[str]]) -> Iterator[Test]:
    """Yield a test whether a record's value matches a pattern; yield nothing if there are no patterns."""
    if patterns:
        matches = re.compile("|".join(map(expression, patterns)), re.DOTALL).fullmatch
        yield lambda entry: any(matches(value) for value in values(entry))


def expression(pattern: str) -> str:
    """Return the regular expression of a name with stars."""
    return ".*".join(map(re.escape, pattern.split(STAR)))


def names_one(pattern: str, words: Iterable[str]) -> bool:
    """Return whether a name with stars matches one of the words."""
    matches = re.compile(expression(pattern), re.DOTALL).fullmatch
    return any(matches(word) for word in words)


def resource_names(entry: Entry) -> tuple[str, ...]:
    """Return the names of the object's resource with and without its subresource, in lower case."""
    target = entry.object_ref
    return target.resource, target.path.lower()


def moment(text: str) -> datetime:
    """Return a date or time of RFC 3339; UTC is the default.  Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
