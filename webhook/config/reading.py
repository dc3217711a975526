"""Read the text of a policy file as plain values with their places, and collect all faults of its syntax.

The syntax is YAML 1.2 with its core schema: text, numbers, booleans, null, lists, and mappings whose keys are text.
This module composes values from the parser's events. It builds no value larger than a policy, even if aliases make a
short text large. A fault of one value hides no other fault.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import yaml
from msgspec import Struct

from webhook.config.faults import PolicyFault
from webhook.config.places import Marks, Place, Step, nearest, place, written
from webhook.config.plain_scalars import plain
from webhook.syntax.template_detection import find_template
from webhook.syntax.values import ANY, describe_type
from webhook.syntax.yaml_errors import INCOMPLETE_CHARACTER, explain, unprintable

# The limit is far above the size of any policy in use; a ConfigMap holds 1 MiB at most.
LARGEST: Final = 1 << 20
# Keys and values, with those that aliases repeat; a long one counts as several. Every operation on a file with so
# many takes a second at most.
MOST_NODES: Final = 50_000
LONG: Final = 100  # characters
DEEPEST: Final = 50
CONFIG_CHECK: Final = "catflap config check -"

PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SURROGATE: Final = re.compile("[\ud800-\udfff]")

TAG: Final = "tag:yaml.org,2002:"
MERGE: Final = "<<"
MAPPING_AS_KEY: Final = "the key is a mapping, and a key must be text; if this is a template ({{ … }}), render it first"
NO_KEY: Final = "?"  # the step in a path for a key that cannot be read
KINDS: Final = {"null": type(None), "bool": bool, "int": int, "float": float}


# The texts of values that are not text, by the identity of the enclosing mapping or list.
Words = Mapping[int, Mapping[Step, str]]


class Written(Struct, frozen=True):
    """What a text says; `content` is None where it cannot be read to its end, and `broken` are the paths of the faults.

    `warnings` are about keys of earlier releases. `former` maps the current path of such a key to the path in the text
    (webhook.config.renamed_keys).
    """

    content: Any
    faults: tuple[PolicyFault, ...] = ()
    marks: Marks = {}
    words: Words = {}
    broken: tuple[tuple[Step, ...], ...] = ()
    warnings: tuple[PolicyFault, ...] = ()
    former: Mapping[str, str] = {}

    def as_in_text(self, path: str) -> str:
        """Return a path with the key names of the text."""
        for current, former in self.former.items():
            if path == current or path.startswith((f"{current}.", f"{current}[")):
                return former + path.removeprefix(current)
        return path

    def written(self, path: Iterable[Step]) -> str | None:
        """Return the text of a value that is not text and has no quotes, such as 8080 or false; else None."""
        found, content = None, self.content
        for step in path:
            if step not in self.marks.get(id(content), {}):
                return None
            found, content = self.words.get(id(content), {}).get(step), content[step]
        return found

    def place(self, path: str) -> Place | None:
        """Return the place of a path, or of its innermost part that the file has."""
        return nearest(path, self.content, self.marks)


class TooMuchError(Exception):
    """A policy file exceeds a limit; the message names it."""


def read(text: str, first: int = 1) -> Written:
    """Return the content of a text and the faults of its syntax.

    `first` is the number of the text's first line in its file; messages use it.
    """
    if bad := unprintable(text):
        return Written(None, (PolicyFault("", f"not YAML: {bad.says}", Place(bad.line, bad.column)),))
    if (size := len(text.encode())) > LARGEST:
        return Written(None, (PolicyFault("", f"the file has {size} bytes, and the limit is {LARGEST} bytes"),))
    composer = Composer(yaml.parse(text.removeprefix("\ufeff"), PARSER))
    content = None
    try:
        content = composer.document()
    except yaml.YAMLError as wrong:
        found = explain(wrong, text, first)
        if template := find_template(text, found.line, CONFIG_CHECK):
            composer.fault(template.says, Place(template.line, template.column))
        else:
            composer.fault(f"not YAML: {found.says}", Place(found.line, found.column))
    except TooMuchError as wrong:
        composer.fault(str(wrong))
    if composer.has_mapping_as_key and (template := find_template(text, 0, CONFIG_CHECK)):
        composer.fault(template.says, Place(template.line, template.column))
        composer.faults = [one for one in composer.faults if one.message != MAPPING_AS_KEY]
    return Written(content, tuple(composer.faults), composer.marks, composer.words, tuple(composer.broken))


def key_complaint(key: Any, event: Any) -> str:
    """Return the sentence for a key that is not text."""
    if isinstance(key, dict):
        return MAPPING_AS_KEY
    if isinstance(key, list):
        return "the key is a list, and a key must be text"
    written = event.value if isinstance(event, yaml.ScalarEvent) else f"*{event.anchor}"
    if key is None and not written:
        return "the key before the colon is missing"
    kind = "null" if key is None else describe_type(key)
    return f'the key {written} is {kind}, and a key must be text; write it in quotes: "{written}"'


class Composer:
    """Build values from events; `faults` are the problems that it skipped, `marks` are the places of all values."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.faults: list[PolicyFault] = []
        self.broken: list[tuple[Step, ...]] = []
        self.marks: dict[int, dict[Step, Place]] = {}
        self.words: dict[int, dict[Step, str]] = {}
        self._events = events
        self._steps: list[Step] = []
        self._at = Place(1, 1)
        self._count = 0
        self._anchors: dict[str, tuple[Any, int]] = {}

    def document(self) -> Any:
        """Return the one document of the text that is not empty; None if there is none.

        Raises yaml.YAMLError, TooMuchError.
        """
        content = None
        is_found = False
        for begin in (one for one in self._events if isinstance(one, yaml.DocumentStartEvent)):
            first = next(self._events)
            if isinstance(first, yaml.ScalarEvent) and not first.value and first.implicit[0] and not first.anchor:
                continue  # templates leave an empty document between two --- or after the last one
            if is_found:
                message = (
                    "a second YAML document starts here, and a policy file is one document; move other "
                    "objects to their own files"
                )
                self.fault(message, place(begin.start_mark))
                break
            is_found = True
            content = self._value(first)
        return content

    def fault(self, message: str, at: Place | None = None) -> None:
        """Record a fault of the value that is being read."""
        steps = self._steps[:-1] if self._steps[-1:] == [NO_KEY] else self._steps
        self.faults.append(PolicyFault(written(steps), message, at or self._at))
        if self._steps:  # otherwise the fault is about the document or about another one
            self.broken.append(tuple(steps) if steps is self._steps else (*steps, ANY))

    @property
    def has_mapping_as_key(self) -> bool:
        """Return whether a key is a mapping; YAML reads {{ … }} of a template as one."""
        return any(fault.message == MAPPING_AS_KEY for fault in self.faults)

    def _value(self, event: Any) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event.anchor)
        before = self._count
        if isinstance(event, yaml.ScalarEvent):
            self._take(1 + len(event.value) // LONG)
            value = self._scalar(event)
        else:
            self._take(1)
            value = self._collection(event)
        if event.anchor:
            self._anchors[event.anchor] = value, self._count - before
        return value

    def _collection(self, event: Any) -> Any:
        is_list = isinstance(event, yaml.SequenceStartEvent)
        fits = event.tag in {None, "!", f"{TAG}seq" if is_list else f"{TAG}map"}
        if not fits:
            self._misfit(event.tag)
        value = self._list() if is_list else self._mapping()
        return value if fits else None

    def _aliased(self, anchor: str | None) -> Any:
        if anchor is None or anchor not in self._anchors:
            return self.fault(
                f"the alias *{anchor} refers to the anchor &{anchor}, which is not defined before it; if this is "
                "text, write it in quotes"
            )
        value, size = self._anchors[anchor]
        self._take(size)
        return value

    def _take(self, count: int) -> None:
        self._count += count
        if self._count > MOST_NODES:
            raise TooMuchError(
                f"the file has more than {MOST_NODES} keys and values up to this line (a long value and an alias "
                "count as several)"
            )
        if len(self._steps) > DEEPEST:
            raise TooMuchError(f"the nesting is deeper than {DEEPEST} levels")

    def _list(self) -> list[Any]:
        found: list[Any] = []
        marks = self.marks[id(found)] = {}
        self.words.pop(id(found), None)  # an earlier list with this identity no longer exists
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            self._at = marks[len(found)] = place(event.start_mark)
            self._steps.append(len(found))
            found.append(value := self._value(event))
            self._note(found, len(found) - 1, event, value)
            self._steps.pop()
        return found

    def _mapping(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        marks = self.marks[id(found)] = {}
        self.words.pop(id(found), None)  # an earlier mapping with this identity no longer exists
        merged: list[dict[str, Any]] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            self._at = at = place(event.start_mark)
            self._steps.append(NO_KEY)
            before = len(self.faults)
            key = self._value(event)
            is_told = len(self.faults) > before and not isinstance(event, yaml.ScalarEvent)
            self._steps[-1] = key if isinstance(key, str) else getattr(event, "value", "") or NO_KEY
            self._at = at
            value = self._value(behind := next(self._events))
            if not isinstance(key, str):
                if not is_told:  # otherwise a fault of its parts is recorded
                    self.fault(key_complaint(key, event), at)
            elif key == MERGE and event.implicit[0]:
                merged += self._merged(value, at)
            elif key in found:
                self.fault(f"duplicate key {key!r}; remove one of the two", at)
            else:
                found[key], marks[key] = value, at
                self._note(found, key, behind, value)
            self._steps.pop()
        for other in merged:
            marks |= {key: self.marks[id(other)][key] for key in other if key not in found}
            found |= {key: value for key, value in other.items() if key not in found}
        return found

    def _note(self, inside: dict[str, Any] | list[Any], step: Step, event: Any, value: Any) -> None:
        if isinstance(event, yaml.ScalarEvent) and not isinstance(value, str):
            self.words.setdefault(id(inside), {})[step] = event.value

    def _merged(self, value: Any, at: Place) -> list[dict[str, Any]]:
        others = value if isinstance(value, list) else [value]
        if all(isinstance(one, dict) for one in others):
            return others
        self.fault("the key << must merge a mapping or a list of mappings", at)
        return []

    def _scalar(self, event: Any) -> Any:
        if SURROGATE.search(event.value):  # libyaml refuses them, Python's own parser does not
            return self.fault(INCOMPLETE_CHARACTER)
        by_itself, quoted = event.implicit
        if quoted or event.tag == "!":
            return event.value
        return plain(event.value) if by_itself else self._tagged(event.tag, event.value)

    def _tagged(self, tag: str, text: str) -> Any:
        value, kind = plain(text), tag.removeprefix(TAG)
        if kind == "str":
            return text
        if kind == "float" and type(value) is int:
            return float(value)
        return value if type(value) is KINDS.get(kind) else self._misfit(tag)

    def _misfit(self, tag: str) -> None:
        if tag.startswith(TAG):
            remedy = "does not match the value; remove the tag: the notation of a value determines its type"
        else:
            remedy = (
                "starts with ! and is therefore a YAML tag; if it is part of the value, write the whole value in quotes"
            )
        self.fault(f"{tag.replace(TAG, '!!')} {remedy}")
