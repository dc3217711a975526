"""Rewrite the keys of earlier releases in the text of a policy file.

Only the keys change: comments, order, quotes, line ends and anchors stay. The text is edited at the positions of the keys
and never written anew. The new text counts only if it means the same as before.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from webhook.config.enclosure import manifest_in, parse_file
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.key_positions import Entry, LocatedValue, root_of
from webhook.config.parse import IN_VALUES, chart_values
from webhook.config.places import Place, written
from webhook.config.reading import read
from webhook.config.renamed_keys import REMOVED, RENAMED, Path, current, with_current_names
from webhook.config.text_edits import Edit, edited, in_manifest

BY_HAND: Final = "change these keys by hand"
OTHER_STYLE: Final = f"the lines of the policy file are not lines of this manifest; write policy.yaml: | with the lines below it, or {BY_HAND}"
OTHER_MEANING: Final = f"the file would not mean the same afterwards, as with an alias (*name) that uses a key at another place too; {BY_HAND}"
ODD_KEY: Final = f"a key in this style cannot be rewritten; {BY_HAND}"
# A key as an alias, in quotes, or as a word, after its anchor and its tag.
KEY: Final = re.compile(
    r"(?:[&!]\S*\s+)*(?:(?P<alias>\*\S+)|\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>(?:[^']|'')*)'|(?P<word>[\w.-]+))",
    re.DOTALL,
)
BEFORE_COMMA: Final = re.compile(r"(?:\s|#[^\r\n]*+)*+,")
QUESTION_MARK: Final = re.compile(r"\?[ \t]*$")
ONLY_A_COMMENT: Final = re.compile(r"[ \t]*(?:#[^\r\n]*)?")
LINE_END: Final = re.compile(r"\r\n|\n|\r|\Z")


class Change(Struct, frozen=True):
    """A key that was rewritten, with its place in the text before; `current` is empty for a removed key."""

    former: str
    current: str
    place: Place | None


class Migrated(Struct, frozen=True):
    """The text of a file with the current names of its keys, and the changes; none if the text is the same."""

    text: str
    changes: tuple[Change, ...] = ()


class NotMigratedError(Exception):
    """A file cannot be rewritten; the message gives the reason and the remedy, `changes` are those that it needs."""

    def __init__(self, message: str, changes: tuple[Change, ...]) -> None:
        super().__init__(message)
        self.changes = changes


class Meaning(NamedTuple):
    """What a file says with the current names of its keys, and the warnings about the former ones."""

    content: Any
    warnings: tuple[PolicyFault, ...]
    section: str = ""  # the key of the policy in values of the chart


def migrated(text: str) -> Migrated:
    """Return the text of a policy file with the current names of its keys.

    The text is a policy file, the manifest of its ConfigMap, or values of the Helm chart. Raises BadPolicy for a text with
    faults, and NotMigratedError.
    """
    before = meaning(text)
    if not before.warnings:
        return Migrated(text)
    changes = tuple(change(one, before.section) for one in before.warnings)
    result = rewritten(text, before.section, changes)
    try:
        after = meaning(result)
    except BadPolicy:
        raise NotMigratedError(OTHER_MEANING, changes) from None
    if after.content != before.content or after.warnings:
        raise NotMigratedError(OTHER_MEANING, changes)
    return Migrated(result, changes)


def meaning(text: str) -> Meaning:
    """Return the meaning of a policy file, of a manifest or of values.  Raises BadPolicy."""
    found = meaning_of_values(text)
    if found is None:
        loaded = parse_file(text)
        return Meaning(loaded.policy, loaded.warnings)
    return found


def meaning_of_values(text: str) -> Meaning | None:
    """Return the meaning of values of the Helm chart; None for any other text.  Raises BadPolicy for faults of syntax.

    Values may lack keys of the policy, so only the chart and the server can validate the policy.
    """
    found = read(text)
    if not isinstance(found.content, dict) or chart_values(found.content) is None:
        return None
    inner = with_current_names(replace(found, content=found.content[IN_VALUES]))
    if inner.faults:
        raise BadPolicy(inner.faults)
    return Meaning({**found.content, IN_VALUES: inner.content}, inner.warnings, IN_VALUES)


def change(warning: PolicyFault, section: str) -> Change:
    """Return the change of the key that a warning is about."""
    path = tuple(warning.path.split("."))
    former = (*([section] if section else []), *path)
    now = "" if path in REMOVED else written((*former[: -len(path)], *current(path)))
    return Change(written(former), now, warning.place)


def rewritten(text: str, section: str, changes: tuple[Change, ...]) -> str:
    """Return a text with its keys rewritten.  Raises NotMigratedError, BadPolicy."""
    found = manifest_in(text) if not section else None
    inner = found.text if found else text
    mark = len(inner) - len(inner.removeprefix("\ufeff"))
    root = root_of(inner[mark:])
    if root and section:
        root = root.entries[section].value
    try:
        edits = [one._replace(start=one.start + mark, end=one.end + mark) for one in edits_of(inner[mark:], root)]
    except OddKeyError:
        raise NotMigratedError(ODD_KEY, changes) from None
    if found is None:
        return edited(text, edits)
    if (outer := in_manifest(text, found, edits)) is None:
        raise NotMigratedError(OTHER_STYLE, changes)
    return edited(text, outer)


class OddKeyError(Exception):
    """A key has a style that cannot be edited."""


def edits_of(text: str, policy: LocatedValue | None) -> Iterator[Edit]:
    """Yield the edits that rewrite the keys of a policy.  Raises OddKeyError."""
    for path, name in RENAMED.items():
        if (found := found_at(policy, path)) is not None:
            yield renaming(text, found[1], name)
    for path in REMOVED:
        if (found := found_at(policy, path)) is not None:
            yield from removal(text, *found)


def found_at(node: LocatedValue | None, path: Path) -> tuple[LocatedValue, Entry] | None:
    """Return the mapping with the last key of a path, and its entry; None if the file has no such key."""
    found = None
    for step in path:
        mapping = node.mapping_with(step) if node else None
        found = (mapping, mapping.entries[step]) if mapping else None
        node = found[1].value if found else None
    return found


def renaming(text: str, entry: Entry, name: str) -> Edit:
    """Return the edit that renames a key; its quotes stay.  Raises OddKeyError."""
    found = KEY.fullmatch(text, entry.start, entry.key_end)
    if found is None or found.lastgroup is None:
        raise OddKeyError
    return Edit(*found.span(found.lastgroup), name)


def removal(text: str, mapping: LocatedValue, entry: Entry) -> Iterator[Edit]:
    """Yield the edits that remove an entry, with the comment on its line and with its comma."""
    start, end = entry.start, entry.end
    if mark := QUESTION_MARK.search(text, 0, start):
        start = mark.start()
    if mapping.is_flow:
        if comma := BEFORE_COMMA.match(text, end):
            end = comma.end()
        elif before := comma_before(text, mapping, entry):
            yield Edit(before - 1, before)
    yield Edit(*whole_lines(text, start, end))


def comma_before(text: str, mapping: LocatedValue, entry: Entry) -> int | None:
    """Return the end of the comma before an entry; None if it is the first one."""
    ends = [one.end for one in mapping.entries.values() if one.end <= entry.start]
    comma = BEFORE_COMMA.match(text, max(ends)) if ends else None
    return comma.end() if comma else None


def whole_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a range as whole lines if nothing else but a comment is on them; otherwise without the blanks beside it."""
    begin = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    if text[end - 1] in "\r\n":  # a block scalar, to which the parser counts the empty lines after it
        end = start + len(text[start:end].rstrip())
    line_end = LINE_END.search(text, end)
    assert line_end is not None
    if not text[begin:start].strip(" \t") and ONLY_A_COMMENT.fullmatch(text, end, line_end.start()):
        return begin, line_end.end()
    before = len(text[begin:start].rstrip(" \t")) + begin
    after = end + len(text[end : line_end.start()]) - len(text[end : line_end.start()].lstrip(" \t"))
    return (start, after) if text[end - 1] == "," else (before, end)
