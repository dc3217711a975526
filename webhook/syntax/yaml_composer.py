"""Compose one YAML document into the plain values that kubectl reads, with their places.

The steps are those of go.yaml.in/yaml/v2 (decode.go). The last of two equal keys counts. A merge key replaces earlier
keys. The number of values that aliases repeat is bounded. Anchored values are shared and not copied, so the work is
proportional to the length of the text.

The places of all values cost as much as the values, and only faults need them. A document is therefore first composed
without places.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any, Final, NamedTuple

import yaml
from msgspec import Struct

from webhook.syntax.alias_limit import exceeds_alias_limit
from webhook.syntax.scalars import BadScalarError, key_of, resolve
from webhook.syntax.values import Step
from webhook.syntax.yaml_errors import explain

PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MERGE: Final = "<<"
MERGE_TAG: Final = "tag:yaml.org,2002:merge"
INVALID_MERGE: Final = "the key << must merge a mapping or a list of mappings"
# The limit is far above the depth of any manifest; the API server stops at 10,000.
DEEPEST: Final = 1_000
# This many values take half a minute. A document of the largest size reaches the limit only if each value takes less
# than nine bytes, which happens in no manifest.
MOST_VALUES: Final = 1_000_000


class YamlPosition(NamedTuple):
    """The place where a value begins, and its text if it is one word without quotes."""

    line: int
    column: int
    written: str | None = None


class BadYamlError(Exception):
    """kubectl cannot read a document; `place` counts from the document's first line."""

    def __init__(self, message: str, place: YamlPosition | None = None) -> None:
        super().__init__(message)
        self.place = place


# The place of each value, by the identity of the enclosing list or mapping.
YamlPositions = dict[int, dict[Step, YamlPosition]]


class ComposedDocument(Struct, frozen=True):
    """A document; `repeated` are the keys that occur more than once in one mapping, each with its place.

    `rest` is the end of the document, if that is before the end of the text. `places` is None if the caller needs no
    places.
    """

    value: Any
    places: YamlPositions | None = None
    repeated: tuple[tuple[str, YamlPosition], ...] = ()
    rest: YamlPosition | None = None


class AnchoredValue(NamedTuple):
    """The value of an anchor, and its number of values, which is 0 until its end is read."""

    value: Any
    weight: int


class OpenCollection(Struct):
    """A list or a mapping whose end is not read yet.

    `begin` is the event that began it. `key` is the key whose value follows, and `key_event` is the event of that key.
    `merged` are the keys that only a merge has set.
    """

    value: Any
    begin: Any
    is_mapping: bool
    began: int
    key: str | None = None
    key_event: Any = None
    merges: bool = False
    merged: set[str] | None = None


def compose(text: str, first: int = 1) -> ComposedDocument:
    """Return the first document of a text as kubectl reads it, without places.

    `first` is the number of the text's first line in its file; messages use it. Raises BadYamlError.
    """
    return compose_document(text, first, None)


def compose_with_places(text: str) -> ComposedDocument:
    """Return the first document with the place of each value.  Raises BadYamlError."""
    return compose_document(text, 1, {})


def compose_document(text: str, first: int, places: YamlPositions | None) -> ComposedDocument:
    """Return the first document of a text, and fill `places` if it is given.  Raises BadYamlError."""
    try:
        return YamlComposer(PARSER(text), places).document()
    except yaml.YAMLError as bad:
        found = explain(bad, text, first)
        raise BadYamlError(found.says, YamlPosition(found.line, found.column)) from None


def position_of(event: Any) -> YamlPosition:
    """Return where an event begins; the parser counts from 0."""
    mark = event.start_mark
    written = event.value if type(event) is yaml.ScalarEvent and event.implicit[0] else None
    return YamlPosition(mark.line + 1, mark.column + 1, written)


class YamlComposer:
    """Build the values of one document from the parser's events.

    `catflap check` spends most of its time here, once for each word of a file. Each kind of event therefore has one
    method, and no method does work that only a fault needs.
    """

    def __init__(self, parser: Any, places: YamlPositions | None) -> None:
        self._next_event = parser.get_event
        self._open: list[OpenCollection] = []
        self._anchors: dict[str, AnchoredValue] = {}
        self._places = places
        self._repeated: list[tuple[str, YamlPosition]] = []
        self._count = 0
        self._aliased = 0
        self._root: Any = None

    def document(self) -> ComposedDocument:
        """Return the first document; None for a text without one.  Raises BadYamlError, yaml.YAMLError."""
        steps: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._begin,
            yaml.SequenceStartEvent: self._begin,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
        }
        rest: YamlPosition | None = None
        while (event := self._next_event()) is not None:
            kind = type(event)
            if kind in steps:
                steps[kind](event)
            elif kind is yaml.DocumentEndEvent:
                rest = position_of(event) if event.explicit and self._has_more() else None
                break
        return ComposedDocument(self._root, self._places, tuple(self._repeated), rest)

    def _has_more(self) -> bool:
        """Return whether more than the end follows the document."""
        try:
            return type(self._next_event()) is not yaml.StreamEndEvent
        except yaml.YAMLError:
            return True

    def _scalar(self, event: Any) -> None:
        unquoted, text, tag = event.implicit[0], event.value, event.tag
        self._count += 1
        if self._count > MOST_VALUES:
            raise too_many_values(event)
        inside = self._open[-1] if self._open else None
        awaits_key = inside is not None and inside.is_mapping and inside.key is None
        if inside is not None and unquoted and "?" in text[1:] and inside.begin.flow_style:
            raise BadYamlError(f"{text} has a question mark inside brackets; write it in quotes", position_of(event))
        if inside is not None and awaits_key and text == MERGE and (unquoted or tag == MERGE_TAG):
            inside.merges = True
            inside.key = MERGE
            return
        try:
            value = resolve(text, tag or "") if unquoted or tag is not None else text
        except BadScalarError as bad:
            raise BadYamlError(str(bad), position_of(event)) from None
        if isinstance(value, float) and not awaits_key and not isfinite(value):
            raise BadYamlError(f"{text} is not a valid JSON number; write it in quotes", position_of(event))
        if event.anchor:
            self._anchors[event.anchor] = AnchoredValue(value, 1)
        self._add_value(value, event)

    def _begin(self, event: Any) -> None:
        self._count += 1
        if self._count > MOST_VALUES:
            raise too_many_values(event)
        if len(self._open) >= DEEPEST:
            raise BadYamlError(f"the nesting of lists and mappings is deeper than {DEEPEST} levels", position_of(event))
        is_mapping = type(event) is yaml.MappingStartEvent
        if self._open and self._open[-1].is_mapping and self._open[-1].key is None:
            raise BadYamlError(f"a {'mapping' if is_mapping else 'list'} cannot be a key", position_of(event))
        value: dict[str, Any] | list[Any] = {} if is_mapping else []
        if event.anchor:
            self._anchors[event.anchor] = AnchoredValue(value, 0)
        if self._places is not None:
            self._places[id(value)] = {}
        self._open.append(OpenCollection(value, event, is_mapping, self._count))

    def _end(self, _: Any) -> None:
        ended = self._open.pop()
        anchor = ended.begin.anchor
        if anchor and self._anchors[anchor].value is ended.value:  # otherwise an inner value has redefined the anchor
            self._anchors[anchor] = AnchoredValue(ended.value, self._count - ended.began + 1)
        self._add_value(ended.value, ended.begin)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise BadYamlError(
                f"the alias *{event.anchor} refers to the anchor &{event.anchor}, which is not defined before it",
                position_of(event),
            )
        found = self._anchors[event.anchor]
        if not found.weight:
            raise BadYamlError(f"the anchor &{event.anchor} contains itself", position_of(event))
        if self._open and self._open[-1].merges and isinstance(found.value, list):
            raise BadYamlError(INVALID_MERGE, position_of(event))
        self._count += found.weight + 1
        self._aliased += found.weight
        if exceeds_alias_limit(self._aliased, self._count):
            raise BadYamlError("the aliases expand to too many values", position_of(event))
        self._add_value(found.value, event)

    def _add_value(self, value: Any, event: Any) -> None:
        if not self._open:
            self._root = value
            return
        inside = self._open[-1]
        if not inside.is_mapping:
            self._record_position(inside, len(inside.value), event)
            inside.value.append(value)
        elif inside.key is None:
            inside.key, inside.key_event = key_in_json(value, event), event
        elif inside.merges:
            self._merge(inside, value, event)
            inside.key, inside.merges = None, False
        else:
            if inside.key in inside.value:
                self._record_duplicate(inside, inside.key)
            self._record_position(inside, inside.key, event)
            inside.value[inside.key] = value
            inside.key = None

    def _record_position(self, inside: OpenCollection, step: Step, event: Any) -> None:
        if self._places is not None:
            self._places[id(inside.value)][step] = position_of(event)

    def _record_duplicate(self, inside: OpenCollection, key: str) -> None:
        """Record a key that its mapping has already, unless only a merge has set it."""
        if inside.merged and key in inside.merged:
            inside.merged.remove(key)
        else:
            self._repeated.append((key, position_of(inside.key_event)))

    def _merge(self, inside: OpenCollection, value: Any, event: Any) -> None:
        inside.merged = inside.merged or set()
        for one in reversed(value) if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                raise BadYamlError(INVALID_MERGE, position_of(event))
            inside.merged |= one.keys() - inside.value.keys()
            inside.value.update(one)
            if self._places is not None:
                self._places[id(inside.value)].update(self._places[id(one)])


def too_many_values(event: Any) -> BadYamlError:
    """Return the error for a document with too many values."""
    return BadYamlError(
        f"more than {MOST_VALUES:,} values, the limit of a document; split it at ---", position_of(event)
    )


def key_in_json(value: Any, event: Any) -> str:
    """Return the text that a key becomes in JSON.  Raises BadYamlError."""
    if type(value) is str:
        return value
    if isinstance(value, dict | list):
        raise BadYamlError("a list or a mapping cannot be a key", position_of(event))
    try:
        return key_of(value)
    except BadScalarError as bad:
        raise BadYamlError(str(bad), position_of(event)) from None
