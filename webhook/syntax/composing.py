"""One document of YAML to the plain values that kubectl makes of it, and where each of them stands.

The steps are those of go.yaml.in/yaml/v2 (decode.go): the last of two equal keys counts, a merge key replaces what stands before it, and
what aliases stand for is bounded. Anchored values are shared instead of copied, so the work follows the length of the text.
"""

from collections.abc import Iterator
from math import isfinite
from typing import Any, Final, NamedTuple

import yaml
from msgspec import Struct, field

from webhook.syntax.scalars import BadScalarError, key_of, resolve
from webhook.syntax.values import Step
from webhook.syntax.yaml_words import complaint

PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MERGE: Final = "<<"
MERGE_TAG: Final = "tag:yaml.org,2002:merge"
NO_MERGE: Final = "the key << takes a mapping or a list of mappings"
# Far above any manifest; the API server stops at 10,000.
DEEPEST: Final = 1_000
# Half a minute of work. A document of the largest size that is read has so many only where each takes less than nine bytes, which no manifest does.
MOST_VALUES: Final = 1_000_000
# decode.go: how much of a document may come from aliases, by the number of values.
FEW_ALIASED, FEW_VALUES = 100, 1_000
SMALL, LARGE = 400_000, 4_000_000
SMALL_SHARE, LARGE_SHARE = 0.99, 0.10


class Place(NamedTuple):
    """Where a value begins, and how it is written where that is one word without quotes."""

    line: int
    column: int
    written: str | None = None


class BadYamlError(Exception):
    """A document that kubectl cannot read; `place` is where, counted from the document's first line."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.place = place


# The place of each value, by the identity of the list or mapping that holds it.
Places = dict[int, dict[Step, Place]]


class Composed(Struct, frozen=True):
    """A document; `repeated` are the keys that stand more than once in one mapping, each with its place."""

    value: Any
    places: Places = {}
    repeated: tuple[tuple[str, Place], ...] = ()


class Anchored(NamedTuple):
    """What an anchor stands for, and how many values that is; 0 before its end is read."""

    value: Any
    weight: int


class Open(Struct):
    """A list or a mapping whose end is not read yet."""

    value: dict[str, Any] | list[Any]
    place: Place
    anchor: str | None
    began: int
    key: str | None = None
    key_place: Place = Place(1, 1)
    merges: bool = False
    own: set[str] = field(default_factory=set)
    in_flow: bool = False


def compose(text: str, first: int = 1) -> Composed:
    """Return the first document of a text as kubectl reads it.

    `first` is the number of the text's first line in its file, for messages. Raises BadYamlError.
    """
    try:
        return Composer(yaml.parse(text, PARSER)).document()
    except yaml.YAMLError as bad:
        found = complaint(bad, text, first)
        raise BadYamlError(found.says, Place(found.line, found.column)) from None


def place_of(mark: Any, written: str | None = None) -> Place:
    """Return the place of the parser's mark; the parser counts from 0."""
    return Place(mark.line + 1, mark.column + 1, written)


class Composer:
    """Builds the values of one document from the parser's events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._open: list[Open] = []
        self._anchors: dict[str, Anchored] = {}
        self._places: Places = {}
        self._repeated: list[tuple[str, Place]] = []
        self._count = 0
        self._aliased = 0
        self._root: Any = None

    def document(self) -> Composed:
        """Return the first document; None is the value of a text without one.  Raises BadYamlError, yaml.YAMLError."""
        for event in self._events:
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentEndEvent):
                break
        return Composed(self._root, self._places, tuple(self._repeated))

    def _add(self, place: Place) -> None:
        self._count += 1
        if self._count > MOST_VALUES:
            raise BadYamlError(f"more than {MOST_VALUES:,} values, the most of one document; split it by ---", place)

    def _scalar(self, event: Any) -> None:
        unquoted = event.implicit[0]
        place = place_of(event.start_mark, event.value if unquoted else None)
        self._add(place)
        if unquoted and self._open and self._open[-1].in_flow and "?" in event.value[1:]:
            raise BadYamlError(f"{event.value} has a question mark inside brackets; write it in quotes", place)
        if self._awaits_key and event.value == MERGE and (unquoted or event.tag == MERGE_TAG):
            self._open[-1].merges = True
            self._open[-1].key = MERGE
            return
        try:
            value = event.value if event.tag is None and not unquoted else resolve(event.value, event.tag or "")
        except BadScalarError as bad:
            raise BadYamlError(str(bad), place) from None
        if isinstance(value, float) and not isfinite(value) and not self._awaits_key:
            raise BadYamlError(f"{event.value} is no number of JSON; write it in quotes", place)
        if event.anchor:
            self._anchors[event.anchor] = Anchored(value, 1)
        self._put(value, place)

    def _begin(self, event: Any) -> None:
        place = place_of(event.start_mark)
        self._add(place)
        if len(self._open) >= DEEPEST:
            raise BadYamlError(f"lists and mappings are nested more than {DEEPEST} deep", place)
        if self._awaits_key:
            raise BadYamlError(
                f"a {'mapping' if isinstance(event, yaml.MappingStartEvent) else 'list'} cannot be a key", place
            )
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if event.anchor:
            self._anchors[event.anchor] = Anchored(value, 0)
        self._places[id(value)] = {}
        self._open.append(Open(value, place, event.anchor, self._count, in_flow=bool(event.flow_style)))

    def _end(self) -> None:
        ended = self._open.pop()
        if ended.anchor and self._anchors[ended.anchor].value is ended.value:  # else it has a new meaning inside
            self._anchors[ended.anchor] = Anchored(ended.value, self._count - ended.began + 1)
        self._put(ended.value, ended.place)

    def _alias(self, event: Any) -> None:
        place = place_of(event.start_mark)
        if event.anchor not in self._anchors:
            raise BadYamlError(f"the alias *{event.anchor} has no anchor &{event.anchor} before it", place)
        found = self._anchors[event.anchor]
        if not found.weight:
            raise BadYamlError(f"the anchor &{event.anchor} contains itself", place)
        if self._open and self._open[-1].merges and isinstance(found.value, list):
            raise BadYamlError(NO_MERGE, place)
        self._count += found.weight + 1
        self._aliased += found.weight
        if (
            self._aliased > FEW_ALIASED
            and self._count > FEW_VALUES
            and self._aliased > self._count * share(self._count)
        ):
            raise BadYamlError("aliases stand for too many values", place)
        self._put(found.value, place)

    @property
    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _put(self, value: Any, place: Place) -> None:
        if not self._open:
            self._root = value
            return
        inside = self._open[-1]
        if isinstance(inside.value, list):
            self._places[id(inside.value)][len(inside.value)] = place
            inside.value.append(value)
        elif inside.key is None:
            self._key(inside, value, place)
        elif inside.merges:
            self._merge(inside.value, value, place)
            inside.key, inside.merges = None, False
        else:
            if inside.key in inside.own:
                self._repeated.append((inside.key, inside.key_place))
            inside.own.add(inside.key)
            self._places[id(inside.value)][inside.key] = place
            inside.value[inside.key] = value
            inside.key = None

    def _key(self, inside: Open, value: Any, place: Place) -> None:
        if isinstance(value, dict | list):
            raise BadYamlError("a list or a mapping cannot be a key", place)
        try:
            inside.key, inside.key_place = key_of(value), place
        except BadScalarError as bad:
            raise BadYamlError(str(bad), place) from None

    def _merge(self, into: dict[str, Any], value: Any, place: Place) -> None:
        for one in reversed(value) if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                raise BadYamlError(NO_MERGE, place)
            into.update(one)
            self._places[id(into)].update(self._places[id(one)])


def share(count: int) -> float:
    """Return how much of a document may come from aliases (decode.go, allowedAliasRatio)."""
    if count <= SMALL:
        return SMALL_SHARE
    if count >= LARGE:
        return LARGE_SHARE
    return SMALL_SHARE - (SMALL_SHARE - LARGE_SHARE) * ((count - SMALL) / (LARGE - SMALL))
