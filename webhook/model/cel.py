"""Expressions of the API server's own CEL, put together as text.

A rule that can be said so has a condition over the variables of `webhook.controller.twin`: `places` are where Pods get
their labels, each with its `labels` and its `account`, `before` the same of the old object, and where `lenient` holds, a
fault that was there before is none. In what follows `x` is the name of one place.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

PLACES: Final = "variables.places"
BEFORE: Final = "variables.before"
LENIENT: Final = "variables.lenient"
IS_POD: Final = "variables.pod"
NAMESPACE: Final = "request.namespace"
NOTHING_SET: Final = "''"


def literal(value: Any) -> str:
    """A text, a number or a list of them; JSON's notation is CEL's as well (cel-spec, doc/langdef.md, "Values")."""
    return json.dumps(value, ensure_ascii=False)


def fits_any(patterns: Iterable[str], name: str) -> str:
    """Whether a name is one of those, or begins like one up to its star."""
    names = ", ".join(f"'{one}'" for one in patterns if not one.endswith("*"))
    stems = ", ".join(f"'{one[:-1]}'" for one in patterns if one.endswith("*"))
    cases = [f"{name} in [{names}]"] if names else []
    cases += [f"[{stems}].exists(stem, {name}.startsWith(stem))"] if stems else []
    return " || ".join(cases)


def everywhere(sound: str, same: str) -> str:
    """Whether each place `p` is sound, or has the same fault as a place `q` had before, where that counts for nothing."""
    return f"{PLACES}.all(p, ({sound}) || ({LENIENT} && {BEFORE}.exists(q, {same})))"


def keys_set(keys: str, x: str) -> str:
    """Those of a list of keys that are set at a place, in order."""
    return f"{keys}.filter(k, k in {x}.labels)"


def lack(keys: str, x: str) -> str:
    """How no label of `keys` says anything at a place, as a text; empty where one does."""
    found = keys_set(keys, x)
    return f"(size({found}) == 0 ? 'missing' : ({x}.labels[{found}[0]] == '' ? 'empty ' + {found}[0] : {NOTHING_SET}))"


def value(keys: Sequence[str], x: str) -> str:
    """The value of the first of `keys` that is set at a place; empty where none is."""
    found = keys_set(literal(list(keys)), x)
    return f"(size({found}) == 0 ? {NOTHING_SET} : {x}.labels[{found}[0]])"
