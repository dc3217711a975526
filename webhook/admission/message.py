"""The text of refusal messages: all violations, and a patch that fixes them."""

import re
from collections.abc import Iterable
from itertools import accumulate, takewhile

from webhook.admission.label_fixes import LabelFix
from webhook.model.abbreviation import LONGEST_SENTENCE, listed, shortened
from webhook.model.counting import counted
from webhook.model.rule import Remedy, Violation

INDENT = "  "
NO_FIX = LabelFix()
# Characters that a user can read at a terminal without much scrolling. The audit record has each listed violation.
MAX_MESSAGE_LENGTH = 16_000
MAX_PATCH_LENGTH = 8_000
# A key that YAML 1.1 reads as text without quotes; the words are its booleans and its null.
PLAIN_KEY = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][-A-Za-z0-9_./]*", re.IGNORECASE)


def refusal(reference: str, violations: tuple[Violation, ...], fix: LabelFix = NO_FIX) -> str:
    """Return the whole message: one line for each violation, the labels to set as YAML for the manifest, and notes."""
    faults = sum(violation.count for violation in violations)
    lines = [f"{shortened(reference)} has {'1 violation' if faults == 1 else f'{faults} violations'}:"]
    lines += truncated_lines([f"- {line}" for line in violation_lines(violations)], MAX_MESSAGE_LENGTH)
    if fix.remedies:
        what = "it" if all(one.remedy for one in violations) else "the violations that labels can fix"
        lines += [f"To fix {what}, set in the manifest:", *truncated_lines(patch(fix.remedies), MAX_PATCH_LENGTH)]
    lines += (
        truncated_lines([shortened(note, LONGEST_SENTENCE) for note in fix.notes], MAX_PATCH_LENGTH)
        if fix.notes
        else []
    )
    return "\n".join(lines)


def truncated_lines(lines: list[str], most: int) -> list[str]:
    """Return the first lines, at most `most` characters in total, and the number of the others; the first line is always included."""
    lengths = accumulate(len(line) + 1 for line in lines)
    kept = max(1, sum(1 for _ in takewhile(lambda length: length <= most, lengths)))
    return lines if kept >= len(lines) else [*lines[:kept], f"… and {counted(len(lines) - kept, 'more line')}"]


def violation_lines(violations: Iterable[Violation]) -> list[str]:
    """Return one line for each violation; a violation of several rules has one line that names all of them."""
    rules: dict[tuple[str, str], list[str]] = {}
    for one in violations:
        # A violation that only counts others belongs to one rule.
        place = (one.path, one.message) if one.path else ("", f"{one.rule}: {one.message}")
        rules.setdefault(place, []).append(one.rule)
    return [": ".join((listed(named), path, message)) if path else message for (path, message), named in rules.items()]


def violation_line(violation: Violation) -> str:
    """Return a violation as one line: the rule, the field path if there is one, and the message."""
    return ": ".join(part for part in (violation.rule, violation.path, violation.message) if part)


def patch(remedies: Iterable[Remedy]) -> list[str]:
    """Return the labels to set as lines of YAML, nested as in the manifest."""
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
        lines += [f"{INDENT * (len(keys) + 1)}{patch_line(remedy)}" for remedy in wanted]
        above = keys
    return lines


def patch_line(remedy: Remedy) -> str:
    """Return one label as a line of YAML; a comment lists the values that the user can choose."""
    value = f'"{remedy.value}"' if remedy.value is not None else '""'
    label = remedy.label if PLAIN_KEY.fullmatch(remedy.label) else f'"{remedy.label}"'
    choices = [choice for choice in remedy.choices if choice != remedy.value]
    if not choices:
        return f"{label}: {value}" + ("" if remedy.value is not None else "  # choose a value")
    return f"{label}: {value}  # {'or' if remedy.value is not None else 'one of'}: {listed(choices)}"
