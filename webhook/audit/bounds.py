"""How large a record is at most: what is longer is cut, and the record says so.

Names, groups and reasons may be as long as a request. What reads a log back takes lines of 64 KiB apart where half a line stands
before them (webhook.audit.chain, LONGEST_MIXED), and looks so far for a file's first time (webhook.audit.rotation, LONGEST_START).
"""

from collections.abc import Mapping
from typing import Any, Final

from webhook.audit.chain import LONGEST_MIXED, canonical
from webhook.model.abbreviation import shortened

# Without what the chain adds: torn lines, what was seen of other chains, a signature; together as much again at most.
LARGEST: Final = LONGEST_MIXED // 2
# Half lines that one record owns up to, of 100 bytes each; the next record owns up to the others.
MOST_TORN: Final = 64
# Characters of a text and items of a list or mapping, where a record is too large; halved until it fits. What has a form of
# its own, such as a time or a digest in hex, is no longer than the least of them.
LONGEST_TEXTS: Final = (1024, 512, 256, 128, 64)
MOST_ITEMS: Final = (64, 32, 16, 8, 4)
PART: Final = "[]"  # of a list, in a path
MOST_PATHS: Final = 32


def bounded(record: Mapping[str, object]) -> Mapping[str, object]:
    """A record as it is where it has at most LARGEST bytes, else with shorter texts and lists, and `cut` for what was longer."""
    try:
        if len(canonical(record)) <= LARGEST:
            return record
    except UnicodeEncodeError:  # half of a surrogate pair, which no reader takes
        pass
    smaller: dict[str, object] = {}
    for longest, most in zip(LONGEST_TEXTS, MOST_ITEMS, strict=True):
        cutter = Cutter(longest, most)
        smaller = cutter.value(record, "")
        if cutter.cut:
            smaller["cut"] = [f"{path}: {what}" for path, what in [*cutter.cut.items()][:MOST_PATHS]]
        if len(canonical(smaller)) <= LARGEST:
            break
    return smaller


class Cutter:
    """Makes values smaller; `cut` says which, by their paths."""

    def __init__(self, longest: int, most: int) -> None:
        self.cut: dict[str, str] = {}
        self._longest = longest
        self._most = most

    def value(self, value: Any, path: str) -> Any:
        """A value with no text and no list in it that is longer than it may be."""
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, Mapping):
            kept = self._first([*value.items()], path)
            names = [self._text(str(key), path) for key, _ in kept]
            inside = f"{path}." if path else ""
            return {name: self.value(one, f"{inside}{name}") for name, (_, one) in zip(names, kept, strict=True)}
        if isinstance(value, list | tuple):
            return [self.value(one, f"{path}{PART}") for one in self._first(value, path)]
        return value

    def _text(self, text: str, path: str) -> str:
        if len(text) > self._longest:
            self.cut[path] = f"{self._longest} of {max(len(text), self._least(path))} characters"
        return shortened(text, self._longest).encode(errors="backslashreplace").decode()

    def _least(self, path: str) -> int:
        """The length that is on record for a path already, of the longest text there."""
        return int(self.cut[path].split()[-2]) if path in self.cut else 0

    def _first(self, values: Any, path: str) -> Any:
        if len(values) > self._most and path:
            self.cut[path] = f"{self._most} of {len(values)}"
            return values[: self._most]
        return values
