"""What a person reads when a workload is refused: all faults, and a patch that mends them."""

from collections.abc import Iterable

from webhook.model.violation import Remedy, Violation
from webhook.model.workload import Workload

INDENT = "  "


def refusal(workload: Workload, violations: tuple[Violation, ...]) -> str:
    """The whole message: a line a fault, then the labels to set, as YAML that can be pasted into the manifest."""
    remedies = [violation.remedy for violation in violations if violation.remedy is not None]
    count = "1 fault" if len(violations) == 1 else f"{len(violations)} faults"
    lines = [f"{workload.reference} has {count}:", *(f"- {line(violation)}" for violation in violations)]
    if remedies:
        lines += ["To mend it, set in the manifest:", *patch(remedies)]
    return "\n".join(lines)


def line(violation: Violation) -> str:
    """One fault on one line: rule, field path, sentence."""
    return f"{violation.rule}: {violation.path}: {violation.message}"


def patch(remedies: Iterable[Remedy]) -> list[str]:
    """The labels to set, nested as the manifest nests them."""
    by_place: dict[str, list[Remedy]] = {}
    for remedy in remedies:
        by_place.setdefault(remedy.place, []).append(remedy)
    lines: list[str] = []
    for place, wanted in by_place.items():
        keys = [*place.split("."), "labels"]
        lines += [f"{INDENT * (depth + 1)}{key}:" for depth, key in enumerate(keys)]
        lines += [f"{INDENT * (len(keys) + 1)}{setting(remedy)}" for remedy in wanted]
    return lines


def setting(remedy: Remedy) -> str:
    """One label as a line of YAML; a choice that a person has to make is left to them, in a comment."""
    value = f'"{remedy.value}"' if remedy.value is not None else '""'
    choices = [choice for choice in remedy.choices if choice != remedy.value]
    if not choices:
        return f"{remedy.label}: {value}" + ("" if remedy.value is not None else "  # choose a value")
    return f"{remedy.label}: {value}  # {'or' if remedy.value is not None else 'one of'}: {', '.join(choices)}"
