"""Print the result of a preview: as a table for people, as JSON for programs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from webhook.admission.owner_graph import ObjectName
from webhook.admission.policy_diff import OutcomeChange, RuleOutcome, outcome_of
from webhook.admission.preview import Effect, Preview, PreviewRow
from webhook.cli._streams import print_line
from webhook.cli._tables import Column, echo_table
from webhook.model.counting import counted
from webhook.model.rule import Violation

REFUSED_LATER = "refused*"
COLOURS = {str(Effect.REFUSED): "red", REFUSED_LATER: "yellow", str(Effect.WARNED): "yellow", "admitted": "green"}
COLUMNS = (
    Column("NAMESPACE"),
    Column("OWNER"),
    Column("RULE"),
    Column("PODS", is_number=True),
    Column("WOULD BE", colours=COLOURS),
)
EXPLANATION = (
    f"{REFUSED_LATER}: the owner is older than catflap, so its Pods are admitted (workloads.existingWorkloads: admit); "
    "it would be rejected if it is created again or if its pod template changes"
)


class PreviewResult(Struct, frozen=True):
    """All results of one call of the verb.

    `changes` is None if there is no comparison. `differences` are those of the files, in words. `notes` say what the
    result rests on, and `unseen` says what could not be read.
    """

    preview: Preview
    changes: tuple[OutcomeChange, ...] | None = None
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def has_result(self) -> bool:
        """Return whether an object would be rejected; in a comparison of files, whether there is a difference."""
        if self.changes is not None:
            return bool(self.changes or self.differences)
        return any(row.effect is Effect.REFUSED for row in self.preview.rows)


def show(found: PreviewResult, *, wide: bool) -> None:
    """Print the result for a person."""
    faults = (Column("VIOLATION"),) if wide else ()
    if found.changes is None:
        echo_table(
            (*COLUMNS, *faults),
            (table_row(row, describe_outcome(outcome_of(row)), wide=wide) for row in found.preview.rows),
        )
    else:
        changed = (
            table_row(one.row, describe_outcome(one.before), describe_outcome(one.after), wide=wide)
            for one in found.changes
        )
        echo_table((*COLUMNS[:-1], Column("WAS"), COLUMNS[-1], *faults), changed)
    if any(row.keeps_running for row in (*found.preview.rows, *(one.row for one in found.changes or ()))):
        print_line(EXPLANATION)
    for line in (*found.differences, *found.notes, *summary(found)):
        print_line(line)


def table_row(row: PreviewRow, *outcomes: str, wide: bool) -> tuple[str, ...]:
    """Return one row of the table; a wide one has the first fault."""
    faults = (violation_line(row.faults[0]),) if wide else ()
    return (row.owner.namespace or "-", short_owner(row.owner), row.rule, str(row.pods or "-"), *outcomes, *faults)


def short_owner(owner: ObjectName) -> str:
    """Return an owner in kubectl's form except for its kind: `Deployment/web`."""
    return f"{owner.full_kind}/{owner.name}"


def violation_line(violation: Violation) -> str:
    """Return a violation as one line, without its rule."""
    return ": ".join(part for part in (violation.path, violation.message) if part)


def describe_outcome(found: RuleOutcome | None) -> str:
    """Return in one word what would happen to an owner."""
    if found is None:
        return "admitted"
    return REFUSED_LATER if found.keeps_running else str(found.effect)


def summary(found: PreviewResult) -> Iterator[str]:
    """Yield the last lines: how much was examined, and what would happen to it."""
    looked = f"{counted(found.preview.objects, 'object')} of {counted(found.preview.owners, 'owner')}"
    if found.changes is not None:
        newly = len({one.owner for one in found.changes if one.is_newly_refused})
        differ = len({one.owner for one in found.changes})
        if found.preview.objects:
            yield f"{looked}: {differ} would have another result, {newly} would be newly rejected"
        if not found.has_result:
            yield "no differences"
        return
    count = totals(found.preview)
    running = f" ({counted(count['refusedPods'], 'Pod')} running)" if count["refusedPods"] else ""
    parts = [f"{count['refused']} would be rejected{running}"]
    parts += [f"{count['keepRunning']} of them older than catflap"] if count["keepRunning"] else []
    parts += [f"{count[effect]} {effect}" for effect in ("warned", "recorded") if count[effect]]
    yield f"{looked}: {'; '.join(parts)}"
    if by_rule := count_refused_by(found.preview, lambda row: row.rule):
        yield f"rejected by rule: {', '.join(f'{rule} {owners}' for rule, owners in by_rule.items())}"


def count_refused_by(preview: Preview, key: Callable[[PreviewRow], str]) -> dict[str, int]:
    """Return how many owners would be rejected, by a property of the owners."""
    pairs = sorted({(key(row), row.owner) for row in preview.rows if row.effect is Effect.REFUSED})
    return dict(Counter(value for value, _ in pairs))


def totals(preview: Preview) -> dict[str, Any]:
    """Return how many owners each effect would have; an owner with two effects counts for both."""
    by_effect = {effect: {row.owner for row in preview.rows if row.effect is effect} for effect in Effect}
    now = {row.owner for row in preview.rows if row.effect is Effect.REFUSED and not row.keeps_running}
    pods: Counter[ObjectName] = Counter()
    for row in preview.rows:
        if row.effect is Effect.REFUSED:
            pods[row.owner] = max(pods[row.owner], row.pods)
    return {
        "objects": preview.objects,
        "owners": preview.owners,
        "refused": len(by_effect[Effect.REFUSED]),
        "refusedPods": pods.total(),
        "keepRunning": len(by_effect[Effect.REFUSED] - now),
        "warned": len(by_effect[Effect.WARNED]),
        "recorded": len(by_effect[Effect.RECORDED]),
        "refusedByRule": count_refused_by(preview, lambda row: row.rule),
        "refusedByNamespace": count_refused_by(preview, lambda row: row.owner.namespace),
    }


def as_json(found: PreviewResult) -> Mapping[str, Any]:
    """Return the documented JSON."""
    found_notes: dict[str, Any] = {"totals": totals(found.preview), "notes": found.notes, "notLookedAt": found.unseen}
    if found.changes is None:
        return {
            "rows": [
                {**owner_as_json(row), **outcome_as_json(outcome_of(row)), **details_as_json(row)}
                for row in found.preview.rows
            ],
            **found_notes,
        }
    changes = [
        {
            **owner_as_json(one.row),
            "before": outcome_as_json(one.before),
            "after": outcome_as_json(one.after),
            **details_as_json(one.row),
        }
        for one in found.changes
    ]
    return {"changes": changes, "differences": list(found.differences), **found_notes}


def owner_as_json(row: PreviewRow) -> dict[str, str]:
    """Return the owner of a row."""
    owner = row.owner
    said = {"namespace": owner.namespace, "group": owner.group, "kind": owner.kind, "name": owner.name}
    return {**said, "rule": row.rule}


def outcome_as_json(found: RuleOutcome | None) -> dict[str, Any]:
    """Return what would happen."""
    return {"effect": found.effect if found else "admitted", "keepsRunning": bool(found and found.keeps_running)}


def details_as_json(row: PreviewRow) -> dict[str, Any]:
    """Return the number of Pods, and the violations."""
    return {"pods": row.pods, "faults": [{"path": one.path, "message": one.message} for one in row.faults]}
