"""Explain keys that the model does not have: the intended key, or the right place of the key."""

from collections.abc import Iterator
from typing import Any, Final

from webhook.config.places import Step, written
from webhook.config.renamed_keys import RENAMED
from webhook.config.shape import homes, keys_at, mappings_at, takes
from webhook.model.abbreviation import listed
from webhook.model.spelling import closest_word
from webhook.rules import RULES
from webhook.syntax.values import ANY

Path = tuple[Step, ...]
FORMER_NAMES: Final = {str(path[-1]): name for path, name in RENAMED.items()}
RULE: Final = "rule"  # the key of an exception that names a rule
# Keys that nearly all objects of a cluster have, next to apiVersion and kind or in their metadata.
OF_OBJECTS: Final = frozenset({"metadata", "spec", "status", "name", "namespace", "labels", "annotations", "version"})


def unknown_key(path: Path) -> Iterator[Path]:
    """Yield the path of a key that the model does not have, and each path that it may mean."""
    yield path
    meant = [*near(path), *inside(path), *elsewhere(path)]
    yield from meant or [(*path[:-1], ANY)]


def near(path: Path) -> Iterator[Path]:
    """Yield the path of the most similar key in the same mapping, if one is similar."""
    *before, key = path
    keys = keys_at(before)
    if found := closest_word(str(key), keys) or closest_word(str(key).lower(), keys):
        yield (*before, found)


def inside(path: Path) -> Iterator[Path]:
    """Return the paths of the key one mapping further inside.

    An example is `roles.backend.claim.namespaces` for `roles.backend.namespaces`.
    """
    *before, key = path
    return ((*before, one, key) for one in mappings_at(before) if str(key) in keys_at((*before, one)))


def elsewhere(path: Path) -> Iterator[Path]:
    """Return the paths of the key in other parts of the file, without those of `inside`."""
    known = {path, *inside(path)}
    key = FORMER_NAMES.get(str(path[-1]), str(path[-1]))
    return (one for one in map(tuple, (home.split(".") for home in homes().get(key, ()))) if one not in known)


def sentence(path: Path, value: Any) -> str:
    """Return the sentence for a key that the model does not have.

    Its value selects between several keys that it may mean.
    """
    *before, last = path
    key, keys = str(last), keys_at(before)
    alike, right = list(near(path)), [one for one in (*inside(path), *elsewhere(path)) if takes(one, value)]
    if alike and (takes(alike[0], value) or not (right or (not before and key in OF_OBJECTS))):
        return f"unknown key; did you mean {alike[0][-1]!r}?"
    if key in RULES and not before:
        return f"unknown key; the key rules contains the mode of a rule: write rules: {{{key}: MODE}}"
    if key in RULES and RULE in keys:
        return f"unknown key; write {RULE}: {key}"
    if not before and key in OF_OBJECTS:
        return "unknown key; a policy file has no metadata and no spec: write its keys at the top level, next to kind"
    if places := right or [*inside(path), *elsewhere(path)]:
        return f"unknown key here; the policy file has this key at {listed([*map(written, places)], 3, joint=' and ')}"
    return f"unknown key{f'; the valid keys are {listed(keys, 20)}' if keys else ''}"
