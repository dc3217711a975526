"""Find where each key of a policy file begins and ends in its text.

The positions count characters. The text is one that `webhook.config.reading` reads without faults, so its depth is limited
and each alias has an anchor.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from msgspec import Struct
from msgspec.structs import replace

from webhook.config.reading import MERGE, PARSER

COLON: Final = re.compile(r"\s*:")


class Entry(Struct, frozen=True):
    """A key with its value; `start` and `key_end` enclose the key with its anchor and its tag, `end` is the end of the value."""

    start: int
    key_end: int
    end: int
    value: "LocatedValue"


class LocatedValue(Struct):
    """A value; `text` is that of a scalar, `entries` are those of a mapping, and `merged` the mappings that it merges."""

    start: int
    end: int
    text: str | None = None
    is_flow: bool = False
    entries: dict[str, Entry] = {}
    merged: tuple["LocatedValue", ...] = ()

    def mapping_with(self, key: str) -> "LocatedValue | None":
        """Return this mapping if it has a key itself, or else the merged one that has it; None if no mapping has it."""
        if key in self.entries:
            return self
        return next((found for one in self.merged if (found := one.mapping_with(key)) is not None), None)


def root_of(text: str) -> LocatedValue | None:
    """Return the value of the first document that is not empty; None if there is none."""
    events = yaml.parse(text, PARSER)
    for _ in (one for one in events if isinstance(one, yaml.DocumentStartEvent)):
        found = Positions(text, events).node(next(events))
        if found.text != "" or found.end > found.start:
            return found
    return None


class Positions:
    """Reads one document from the parser's events."""

    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self._text = text
        self._events = events
        self._anchors: dict[str, LocatedValue] = {}

    def node(self, event: Any) -> LocatedValue:
        """Return the value that begins with an event."""
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.AliasEvent):
            return replace(self._anchors[event.anchor or ""], start=start, end=end)
        if isinstance(event, yaml.ScalarEvent):
            found = LocatedValue(start, end, text=event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            found = self._list(LocatedValue(start, end, is_flow=bool(event.flow_style)))
        else:
            found = self._mapping(LocatedValue(start, end, is_flow=bool(event.flow_style)))
        if event.anchor:
            self._anchors[event.anchor] = found
        return found

    def _list(self, found: LocatedValue) -> LocatedValue:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self.node(event))
            found.end = items[-1].end
        found.merged = tuple(items)  # of a list that a merge key names
        return self._ended(found, event)

    def _mapping(self, found: LocatedValue) -> LocatedValue:
        entries: dict[str, Entry] = {}
        merged: tuple[LocatedValue, ...] = ()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self.node(event)
            value = self.node(next(self._events))
            found.end = self._end_of(key, value)
            entry = Entry(key.start, key.end, found.end, value)
            if key.text == MERGE and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
                merged += (value,)
            entries[key.text or ""] = entry
        found.entries, found.merged = entries, merged
        return self._ended(found, event)

    def _ended(self, found: LocatedValue, event: Any) -> LocatedValue:
        """Set the end of a flow collection; a block collection ends with its last item, and its event comes later."""
        if found.is_flow:
            found.end = event.end_mark.index
        return found

    def _end_of(self, key: LocatedValue, value: LocatedValue) -> int:
        """Return the end of an entry; the parser may place a missing value at the beginning of the next token."""
        is_missing = value.start == value.end
        colon = COLON.match(self._text, key.end)
        return (colon.end() if colon else key.end) if is_missing else value.end
