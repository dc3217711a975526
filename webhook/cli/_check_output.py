"""Print the result of `catflap check`: in words for people, as JSON for programs."""

from collections.abc import Iterator
from typing import Any

import click
from msgspec import Struct

from webhook.admission.policy_protection import PROTECTION
from webhook.admission.preview import Effect
from webhook.cli._inputs import Inputs, with_location
from webhook.model.abbreviation import printable
from webhook.model.counting import counted
from webhook.model.decision import Decision, Verdict
from webhook.model.rule import Remedy, Violation
from webhook.review.manifests import Manifest
from webhook.syntax.documents import LocatedObject

# The answer for a user who checks the output of `catflap render`.
OWN_POLICY = (
    "the controller of catflap writes this policy; do not apply the output of catflap render in a cluster "
    "where the controller runs"
)


class CheckedObject(Struct, frozen=True):
    """One object of a file with its decision."""

    source: str
    found: LocatedObject
    manifest: Manifest
    decision: Decision

    @property
    def violations(self) -> Iterator[tuple[Effect, Violation]]:
        """Yield every violation with its effect on the object."""
        yield from ((Effect.REFUSED, one) for one in self.decision.denied)
        yield from ((Effect.WARNED, one) for one in self.decision.warned)
        yield from ((Effect.RECORDED, one) for one in self.decision.audited)


class CheckCounts(Struct):
    """The numbers of objects that were checked, by result."""

    objects: int = 0
    makers: int = 0
    refused: int = 0
    unjudged: int = 0

    def add(self, one: CheckedObject) -> None:
        """Count one object."""
        self.objects += 1
        self.makers += one.manifest.workload is not None
        self.refused += not one.decision.allowed
        self.unjudged += bool(one.manifest.not_judged)


def as_json(checked: CheckedObject) -> dict[str, Any]:
    """Return one object as the documented JSON."""
    manifest, unchecked = checked.manifest, checked.decision.unchecked
    return {
        "source": checked.source,
        "kind": manifest.kind,
        "namespace": manifest.namespace,
        "name": manifest.name,
        "allowed": checked.decision.allowed,
        "violations": [violation_as_json(effect, violation) for effect, violation in checked.violations],
        **(
            {"fix": [remedy_as_json(one) for one in checked.decision.fix]}
            if fix_exceeds_remedies(checked.decision)
            else {}
        ),
        **({"fixNotes": list(checked.decision.fix_notes)} if checked.decision.fix_notes else {}),
        **({"unchecked": [one.rule for one in unchecked]} if unchecked else {}),
        **({"notJudged": manifest.not_judged} if manifest.not_judged else {}),
        **({"notes": found_notes} if (found_notes := list(notes(checked))) else {}),
    }


def fix_exceeds_remedies(decision: Decision) -> bool:
    """Return whether an object's fix sets more labels than its violations' remedies, and so needs its own entry."""
    return set(decision.fix) != {one.remedy for one in decision.denied if one.remedy}


def violation_as_json(effect: Effect, violation: Violation) -> dict[str, Any]:
    """Return one violation as JSON: the rule, the effect, and the label that would repair it."""
    return {
        "rule": violation.rule,
        "effect": effect,
        "path": violation.path,
        "message": violation.message,
        **({"remedy": remedy_as_json(violation.remedy)} if violation.remedy else {}),
    }


def remedy_as_json(remedy: Remedy) -> dict[str, Any]:
    """Return one label to set as JSON."""
    return {"path": remedy.place, "label": remedy.label, "value": remedy.value, "choices": remedy.choices}


def show(one: CheckedObject) -> None:
    """Print the messages about one object; print nothing if there are none."""
    if one.decision.message:
        click.echo(f"{printable(one.source)}: {one.decision.message}\n")
    for line in lines(one):
        print_paragraph(line)


def print_paragraph(line: str) -> None:
    """Print a line, and an empty one after it."""
    click.echo(f"{printable(line)}\n")


def lines(one: CheckedObject) -> Iterator[str]:
    """Yield a line for each message that refuses nothing; a message without a field has the object's place."""
    reference = one.manifest.reference
    for effect, violation in one.violations:
        if effect is not Effect.REFUSED:
            word = "warning" if effect is Effect.WARNED else "recorded only"
            place = f"{violation.path}: " if violation.path else ""
            yield f"{one.source}: {word}: {reference}: {violation.rule}: {place}{violation.message}"
    for left_out in one.decision.unchecked:
        yield f"{one.source}: not checked: {reference}: {left_out.rule}: {left_out.why}"
    if one.manifest.not_judged:
        yield with_location(one.source, one.found.place(), not_judged_message(one.manifest))
    for note in notes(one):
        yield with_location(one.source, one.found.place(), note_message(one.manifest, note))


def note_message(manifest: Manifest, note: str) -> str:
    """Return the sentence with a note about an object."""
    return f"note: {manifest.reference}: {note}"


def not_judged_message(manifest: Manifest) -> str:
    """Return the sentence for an object that is not judged."""
    return f"not checked: {manifest.reference}: {manifest.not_judged}"


def notes(one: CheckedObject) -> Iterator[str]:
    """Yield further notes about one object."""
    yield from one.manifest.notes
    yield from (notice for notice in one.decision.notices if notice != one.manifest.not_judged)
    if any(violation.rule == PROTECTION for violation in one.decision.denied):
        yield OWN_POLICY
    if one.manifest.workload is not None and one.decision.verdict is Verdict.UNJUDGED:
        yield f"not checked completely: {one.decision.reason}"


def summary(counts: CheckCounts, inputs: Inputs) -> Iterator[str]:
    """Yield the parts of the last line."""
    yield counted(counts.objects, "object")
    yield f"{counts.makers:,} of them {'creates' if counts.makers == 1 else 'create'} Pods"
    yield f"{counts.refused} rejected"
    if counts.unjudged:
        yield f"{counts.unjudged} not checked"
    if inputs.unreadable:
        yield f"and {inputs.unreadable} unreadable"
    if inputs.passed_over:
        yield f"{counted(len(inputs.passed_over), 'file')} of other programs skipped"
