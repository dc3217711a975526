"""Builders of CEL expressions for the API server.

A rule that CEL can express has conditions over the variables of `webhook.controller.admission_policy`. `places` are the locations from which Pods get their
labels, each with its `labels`, its `role` as it is set there and its `account`; `before` has those of the old object. If
`lenient` is true, a violation that the old object has does not count. `roles` are the known roles. A parameter `x` is the name of one place.
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
# Conditions under which the value of an alias counts.
ANY_VALUE: Final = "{value} != ''"
KNOWN_ROLE: Final = f"{{value}} in {ROLES}"


def literal(value: Any) -> str:
    """Return the CEL literal of a string, a number or a list; JSON's notation is valid CEL (cel-spec, doc/langdef.md, "Values")."""
    return json.dumps(value, ensure_ascii=False)


def quoted(text: str) -> str:
    """Return a CEL string in single quotes, with escaped special characters (cel-spec, doc/langdef.md, "String and Bytes Values")."""
    return "'" + json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def fits_any(patterns: Iterable[str], name: str) -> str:
    """Return the condition that a name matches one of the patterns, which are names or prefixes with a star."""
    names = ", ".join(quoted(one) for one in patterns if not one.endswith("*"))
    stems = ", ".join(quoted(one[:-1]) for one in patterns if one.endswith("*"))
    cases = [f"{name} in [{names}]"] if names else []
    cases += [f"[{stems}].exists(stem, {name}.startsWith(stem))"] if stems else []
    return " || ".join(cases)


def everywhere(sound: str, same: str) -> str:
    """Return the condition that each place `p` is valid, or has the same violation as a place `q` of the old object if `lenient` is true."""
    return f"{PLACES}.all(p, ({sound}) || ({LENIENT} && {BEFORE}.exists(q, {same})))"


def lack(keys: Sequence[str], counts: str, x: str, *, unless: str = "false") -> str:
    """Return the expression for how a label is absent at a place: "missing" or "empty", or an empty string if it has a value or an alias counts.

    The label is the first of `keys`; the others are its aliases.

    `counts` is the condition under which the `value` of an alias counts. If `unless` is true, no alias counts.
    """
    key, labels = literal(keys[0]), f"{x}.labels"
    counted = f"!({unless}) && {literal(list(keys[1:]))}.exists(k, {counting(counts, labels)})" if keys[1:] else "false"
    return f"({key} in {labels} ? ({labels}[{key}] == '' ? 'empty' : '') : ({counted} ? '' : 'missing'))"


def value(keys: Sequence[str], counts: str, labels: str) -> str:
    """Return the expression for the value of a label: that of the first key, else of the first alias that counts, else an empty string."""
    key = literal(keys[0])
    counted = (
        f"{literal(list(keys[1:]))}.filter(k, {counting(counts, labels)}).map(k, {labels}[k]) + " if keys[1:] else ""
    )
    return f"({key} in {labels} ? {labels}[{key}] : ({counted}[''])[0])"


def counting(counts: str, labels: str) -> str:
    """Return the condition that an alias `k` is set in the labels, and counts."""
    return f"k in {labels} && {counts.format(value=f'{labels}[k]')}"
