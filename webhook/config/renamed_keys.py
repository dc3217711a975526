"""Read the keys of earlier releases: renamed keys count under their current names, removed keys have no effect.

The next release does not read them. The two tables are all that has to change then, or when another key is renamed.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from webhook.config.faults import PolicyFault
from webhook.config.places import Place, Step, written
from webhook.config.reading import Written

Path = tuple[str, ...]  # these paths have no items of lists
Fact = TypeVar("Fact")

# The former path of each renamed key, with its current name in the same mapping (decision 0051).
RENAMED: Final[Mapping[Path, str]] = {
    ("twin",): "validatingAdmissionPolicy",
    ("network", "standingNet"): "clusterWideDefaultDeny",
    ("namespaces", "adopt"): "includeExisting",
    ("workloads", "existing"): "existingWorkloads",
}
# The path of each removed key, with the reason.
REMOVED: Final[Mapping[Path, str]] = {("gate",): "catflap verifies the isolation of a namespace for each Pod"}
MIGRATE: Final = "catflap config migrate FILE"
# The mappings that contain such a key, besides the whole file.
SECTIONS: Final = frozenset(path[:end] for path in (*RENAMED, *REMOVED) for end in range(1, len(path)))


def with_current_names(found: Written, first: int = 1) -> Written:
    """Return the content of a file with the current names of its keys, and a warning for each former name.

    A key under both names is a fault at the former name. `first` is the number of the text's first line in its file;
    messages use it.
    """
    return Renaming(found, first).renamed() if isinstance(found.content, dict) else found


def current(path: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return a path with the current names of its keys."""
    for former, name in RENAMED.items():
        if path[: len(former)] == former:
            return (*former[:-1], name, *path[len(former) :])
    return path


def by_name(facts: Mapping[Step, Fact], names: Mapping[str, str]) -> dict[Step, Fact]:
    """Return facts about keys of a mapping by the current names of these keys."""
    return {names[key]: fact for key, fact in facts.items() if isinstance(key, str) and key in names}


class Renaming:
    """Renames the keys of one file.

    Changed mappings are copies, because aliases may use the same mapping at another place of the file. `marks` and `words` of
    the file are extended by those of the copies.
    """

    def __init__(self, found: Written, first: int) -> None:
        self._found = found
        self._first = first
        self._marks = dict(found.marks)
        self._words = dict(found.words)
        self._faults: list[PolicyFault] = []
        self._warnings: list[PolicyFault] = []
        self._former: dict[str, str] = {}

    def renamed(self) -> Written:
        """Return the file with the current names."""
        content = self._mapping(self._found.content, ())
        if content is self._found.content:
            return self._found
        return replace(
            self._found,
            content=content,
            faults=(*self._found.faults, *self._faults),
            marks=self._marks,
            words=self._words,
            broken=tuple(map(current, self._found.broken)),
            warnings=tuple(sorted(self._warnings, key=lambda one: one.place or (0, 0))),
            former=self._former,
        )

    def _mapping(self, mapping: dict[str, Any], path: Path) -> dict[str, Any]:
        """Return a mapping with current names; the same object if nothing in it changes."""
        names = {key: name for key in mapping if (name := self._name(mapping, key, (*path, key))) is not None}
        content = {
            names[key]: self._mapping(value, (*path, key))
            if (*path, key) in SECTIONS and isinstance(value, dict)
            else value
            for key, value in mapping.items()
            if key in names
        }
        if content.keys() == mapping.keys() and all(content[key] is mapping[key] for key in content):
            return mapping
        self._marks[id(content)] = by_name(self._found.marks.get(id(mapping), {}), names)
        self._words[id(content)] = by_name(self._found.words.get(id(mapping), {}), names)
        return content

    def _name(self, mapping: dict[str, Any], key: str, path: Path) -> str | None:
        """Return the current name of a key; None for a key that does not count."""
        place = self._found.marks.get(id(mapping), {}).get(key)
        if path in REMOVED:
            message = f"this key no longer has an effect: {REMOVED[path]}; {MIGRATE} removes it"
            self._warnings.append(PolicyFault(written(path), message, place))
            return None
        if path not in RENAMED:
            return key
        name, whole = RENAMED[path], written(current(path))
        if name in mapping:
            other = self._found.marks.get(id(mapping), {}).get(name)
            message = f"this is the former name of {whole}, which the file has too{self._line(other)}; remove {key}"
            self._faults.append(PolicyFault(written(path), message, place))
            return None
        message = f"this key is now {whole}, and the next release does not read the former name; {MIGRATE} renames it"
        self._warnings.append(PolicyFault(written(path), message, place))
        self._former[whole] = written(path)
        return name

    def _line(self, place: Place | None) -> str:
        return f" (line {place.line + self._first - 1})" if place else ""
