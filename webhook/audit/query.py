"""Select records by their fields."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

from webhook.audit.log_entry import LogEntry
from webhook.audit.record import timestamp
from webhook.audit.schema import RECORD_TYPES

WILDCARD: Final = "*"

EntryFilter = Callable[[LogEntry], bool]


def record_types() -> list[str]:
    """Return every type of record in the schema."""
    hints = (get_type_hints(kind)["type"] for kind in RECORD_TYPES)
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

    def compile(self) -> EntryFilter:
        """Return one test for all conditions."""
        tests = tuple(self._tests())
        return lambda entry: all(test(entry) for test in tests)

    def _tests(self) -> Iterator[EntryFilter]:
        if self.begin is not None:
            yield since(timestamp(self.begin))
        if self.end is not None:
            yield before(timestamp(self.end))
        if self.types:
            yield lambda entry: entry.type in self.types
        if self.decisions:
            yield lambda entry: entry.decision in self.decisions
        yield from field_matches(self.users, lambda entry: (entry.username,))
        yield from field_matches(self.groups, lambda entry: entry.groups)
        yield from field_matches(self.namespaces, lambda entry: (entry.object_ref.namespace,))
        yield from field_matches([name.lower() for name in self.resources], resource_names)
        yield from field_matches(self.names, lambda entry: (entry.object_ref.name,))
        yield from field_matches(self.rules, lambda entry: entry.rules)
        yield from field_matches(self.reasons, lambda entry: (entry.reason_code,))


def since(begin: str) -> EntryFilter:
    """Return a test for records of this time or later: text order is time order."""
    return lambda entry: entry.time >= begin


def before(end: str) -> EntryFilter:
    """Return a test for older records."""
    return lambda entry: entry.time < end


def field_matches(patterns: Sequence[str], values: Callable[[LogEntry], Sequence[str]]) -> Iterator[EntryFilter]:
    """Yield a test whether a record's value matches a pattern; yield nothing if there are no patterns."""
    if patterns:
        matches = re.compile("|".join(map(to_regex, patterns)), re.DOTALL).fullmatch
        yield lambda entry: any(matches(value) for value in values(entry))


def to_regex(pattern: str) -> str:
    """Return the regular expression of a name with stars."""
    return ".*".join(map(re.escape, pattern.split(WILDCARD)))


def matches_any(pattern: str, words: Iterable[str]) -> bool:
    """Return whether a name with stars matches one of the words."""
    matches = re.compile(to_regex(pattern), re.DOTALL).fullmatch
    return any(matches(word) for word in words)


def resource_names(entry: LogEntry) -> tuple[str, ...]:
    """Return the names of the object's resource with and without its subresource, in lower case."""
    target = entry.object_ref
    return target.resource, target.path.lower()


def parse_time(text: str) -> datetime:
    """Return a date or time of RFC 3339; UTC is the default.  Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
