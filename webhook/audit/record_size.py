"""Limit the size of a record: shorten what is longer, and say so in the record.

Names, groups and reasons may be as long as a request. A reader splits a line of up to 64 KiB that begins with a half
line (webhook.audit.chain, LONGEST_MIXED). A reader also searches that many bytes for a file's first time
(webhook.audit.rotation, LONGEST_FIRST_RECORD).
"""

from collections.abc import Mapping
from typing import Any, Final

from webhook.audit.chain import LONGEST_MIXED, canonical_bytes
from webhook.model.abbreviation import shortened

# Without what the chain adds: torn lines, statements about other chains, a signature. These are at most as large again.
LARGEST_RECORD: Final = LONGEST_MIXED // 2
# The most half lines of 100 bytes each that one record lists. The next record lists the others.
MOST_PARTIAL_WRITES: Final = 64
# The longest text in characters, and the most items of a list or mapping, in a record that is too large. Each step
# halves them until the record fits. Values with a fixed form, such as a time or a digest in hex, are no longer than the
# smallest limit.
LONGEST_TEXTS: Final = (1024, 512, 256, 128, 64)
MOST_ITEMS: Final = (64, 32, 16, 8, 4)
LIST_ITEM: Final = "[]"  # a list item, in a path
MOST_PATHS: Final = 32


def limit_size(record: Mapping[str, object]) -> Mapping[str, object]:
    """Return a record of at most LARGEST_RECORD bytes; a shortened one lists the shortened paths in `cut`."""
    try:
        if len(canonical_bytes(record)) <= LARGEST_RECORD:
            return record
    except UnicodeEncodeError:  # half of a surrogate pair, which no reader accepts
        pass
    limited: dict[str, object] = {}
    for longest, most_items in zip(LONGEST_TEXTS, MOST_ITEMS, strict=True):
        truncator = Truncator(longest, most_items)
        limited = truncator.value(record, "")
        if truncator.cut:
            limited["cut"] = [f"{path}: {remark}" for path, remark in [*truncator.cut.items()][:MOST_PATHS]]
        if len(canonical_bytes(limited)) <= LARGEST_RECORD:
            break
    return limited


class Truncator:
    """Shortens values, and lists the paths of shortened values in `cut`."""

    def __init__(self, longest: int, most_items: int) -> None:
        self.cut: dict[str, str] = {}
        self._longest = longest
        self._most = most_items

    def value(self, value: Any, path: str) -> Any:
        """Return a value whose texts and lists have at most the permitted length."""
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, Mapping):
            kept = self._first_items([*value.items()], path)
            names = [self._text(str(key), path) for key, _ in kept]
            inside = f"{path}." if path else ""
            return {name: self.value(one, f"{inside}{name}") for name, (_, one) in zip(names, kept, strict=True)}
        if isinstance(value, list | tuple):
            return [self.value(one, f"{path}{LIST_ITEM}") for one in self._first_items(value, path)]
        return value

    def _text(self, text: str, path: str) -> str:
        if len(text) > self._longest:
            self.cut[path] = f"{self._longest} of {max(len(text), self._shortest_cut(path))} characters"
        return shortened(text, self._longest).encode(errors="backslashreplace").decode()

    def _shortest_cut(self, path: str) -> int:
        """Return the length of the longest text that was cut at a path so far."""
        return int(self.cut[path].split()[-2]) if path in self.cut else 0

    def _first_items(self, values: Any, path: str) -> Any:
        if len(values) > self._most and path:
            self.cut[path] = f"{self._most} of {len(values)}"
            return values[: self._most]
        return values
