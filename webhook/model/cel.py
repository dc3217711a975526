"""Expressions of the API server's own CEL, put together as text.

A rule that can be said so has conditions over the variables of `webhook.controller.twin`: `places` are where Pods get their
labels, each with its `labels`, its `role` as it is set there and its `account`, `before` the same of the old object, and where
`lenient` holds, a fault that was there before is none; `roles` are those there are. In what follows `x` is the name of one place.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

PLACES: Final = "variables.places"
BEFORE: Final = "variables.before"
LENIENT: Final = "variables.lenient"
IS_POD: Final = "variables.pod"
ROLES: Final = "variables.roles"
NAMESPACE: Final = "request.namespace"


def literal(value: Any) -> str:
    """A text, a number or a list of them; JSON's notation is CEL's as well (cel-spec, doc/langdef.md, "Values")."""
    return json.dumps(value, ensure_ascii=False)


def quoted(text: str) -> str:
    """A text between single quotes, with what would end it or mean something else escaped (cel-spec, doc/langdef.md, "String and Bytes Values")."""
    return "'" + json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def fits_any(patterns: Iterable[str], name: str) -> str:
    """Whether a name is one of those, or begins like one up to its star."""
    names = ", ".join(quoted(one) for one in patterns if not one.endswith("*"))
    stems = ", ".join(quoted(one[:-1]) for one in patterns if one.endswith("*"))
    cases = [f"{name} in [{names}]"] if names else []
    cases += [f"[{stems}].exists(stem, {name}.startsWith(stem))"] if stems else []
    return " || ".join(cases)


def everywhere(sound: str, same: str) -> str:
    """Whether each place `p` is sound, or has the same fault as a place `q` had before, where that counts for nothing."""
    return f"{PLACES}.all(p, ({sound}) || ({LENIENT} && {BEFORE}.exists(q, {same})))"


def lack(keys: str, x: str) -> str:
    """How no label of `keys` says anything at a place, as a text; empty where one does."""
    return first(keys, f"{x}.labels", f"{x}.labels[k] == '' ? 'empty ' + k : ''", "missing")


def value(keys: Sequence[str], labels: str) -> str:
    """The value of the first of `keys` that is set among labels; empty where none is."""
    return first(literal(list(keys)), labels, f"{labels}[k]", "")


def first(keys: str, labels: str, said: str, otherwise: str) -> str:
    """What is `said` of the first of `keys` that is set among labels, by its name `k`."""
    return f"({keys}.map(k, k in {labels}, {said}) + ['{otherwise}'])[0]"
