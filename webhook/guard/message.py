"""What a person reads when a workload is refused: all faults, and a patch that mends them."""

import re
from collections.abc import Iterable
from itertools import takewhile

from webhook.model.violation import Remedy, Violation

INDENT = "  "
# A key that YAML 1.1 reads as text without quotes; the words are its booleans and its null.
PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][-A-Za-z0-9_./]*", re.IGNORECASE)


def refusal(reference: str, violations: tuple[Violation, ...]) -> str:
    """The whole message: a line a fault, then the labels to set, as YAML that can be pasted into the manifest."""
    remedies = [violation.remedy for violation in violations if violation.remedy is not None]
    count = "1 fault" if len(violations) == 1 else f"{len(violations)} faults"
    lines = [f"{reference} has {count}:", *(f"- {line(violation)}" for violation in violations)]
    if remedies:
        lines += ["To mend it, set in the manifest:", *patch(remedies)]
    return "\n".join(lines)


def line(violation: Violation) -> str:
    """One fault on one line: rule, field path where there is one, sentence."""
    return ": ".join(part for part in (violation.rule, violation.path, violation.message) if part)


def patch(remedies: Iterable[Remedy]) -> list[str]:
    """The labels to set, nested as the manifest nests them."""
    by_place: dict[str, list[Remedy]] = {}
    for remedy in remedies:
        same = by_place.setdefault(remedy.place, [])
        if all(remedy.label != other.label for other in same):
            same.append(remedy)
    lines: list[str] = []
    above: tuple[str, ...] = ()
    for keys, wanted in sorted(((*place.split("."), "labels"), wanted) for place, wanted in by_place.items()):
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(above, keys, strict=False)))
        lines += [f"{INDENT * (depth + 1)}{key}:" for depth, key in enumerate(keys) if depth >= shared]
        lines += [f"{INDENT * (len(keys) + 1)}{setting(remedy)}" for remedy in wanted]
        above = keys
    return lines


def setting(remedy: Remedy) -> str:
    """One label as a line of YAML; a choice that a person has to make is left to them, in a comment."""
    value = f'"{remedy.value}"' if remedy.value is not None else '""'
    label = remedy.label if PLAIN.fullmatch(remedy.label) else f'"{remedy.label}"'
    choices = [choice for choice in remedy.choices if choice != remedy.value]
    if not choices:
        return f"{label}: {value}" + ("" if remedy.value is not None else "  # choose a value")
    return f"{label}: {value}  # {'or' if remedy.value is not None else 'one of'}: {', '.join(choices)}"
