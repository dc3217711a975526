"""Expressions of the API server's own CEL, put together as text.

A rule that can be said so has conditions over the variables of `webhook.controller.admission_policy`: `places` are where Pods get their
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
# When the value of an alias counts.
ANY_VALUE: Final = "{said} != ''"
KNOWN_ROLE: Final = f"{{said}} in {ROLES}"


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


def lack(keys: Sequence[str], counts: str, x: str, *, unless: str = "false") -> str:
    """How a label, the first of `keys`, is absent at a place, as a text ("missing" or "empty"); empty where it has a value, or an alias counts.

    `counts` is the condition under which the value `said` of an alias counts; where `unless` holds, no alias does.
    """
    key, labels = literal(keys[0]), f"{x}.labels"
    counted = f"!({unless}) && {literal(list(keys[1:]))}.exists(k, {counting(counts, labels)})" if keys[1:] else "false"
    return f"({key} in {labels} ? ({labels}[{key}] == '' ? 'empty' : '') : ({counted} ? '' : 'missing'))"


def value(keys: Sequence[str], counts: str, labels: str) -> str:
    """The value of the label that counts among labels: the first of `keys`, else the first other one that counts; empty where none does."""
    key = literal(keys[0])
    counted = (
        f"{literal(list(keys[1:]))}.filter(k, {counting(counts, labels)}).map(k, {labels}[k]) + " if keys[1:] else ""
    )
    return f"({key} in {labels} ? {labels}[{key}] : ({counted}[''])[0])"


def counting(counts: str, labels: str) -> str:
    """Whether an alias `k` is set among labels, and counts."""
    return f"k in {labels} && {counts.format(said=f'{labels}[k]')}"
