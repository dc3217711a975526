"""Label fixes for a workload: a printed fix can be applied unchanged, and the object then passes.

A rule names the label that is missing. The possible values of that label also depend on the rest of the object: on the selector next to the
template, which must keep matching the Pods and is immutable; on the object's own labels; and on the claims of roles.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.admission.judge import judge
from webhook.admission.label_values import ANY_TEXT, LabelSetting, LabelValues, Obstacle, is_constrained, is_enforced
from webhook.model.kinds import POD, selector_beside
from webhook.model.policy import GuardPolicy
from webhook.model.rule import API_SERVER, FixConstraint, Remedy, Violation
from webhook.model.workload import LabelLocation, Workload
from webhook.rules import RULES

# Labels that are set one by one, each with its dependent labels: the application, the role, further labels and aliases, at several places.
MAX_STEPS: Final = 50
# Choices that are tried. A policy file has three or four roles; each further one costs about 20 µs.
MAX_CHOICES_TRIED: Final = 4
MORE_LABELS: Final = "More labels can be necessary: set these labels, and check the object again."
DEBUG_COPY: Final = "If kubectl debug creates this Pod as a copy, add --keep-labels to the command."


class LabelFix(Struct, frozen=True):
    """The labels to set, and notes on violations that labels alone cannot fix."""

    remedies: tuple[Remedy, ...] = ()
    notes: tuple[str, ...] = ()


def label_fix(
    workload: Workload, violations: Iterable[Violation], policy: GuardPolicy, before: Workload | None = None
) -> LabelFix:
    """Return the fix for all violations of a workload; `before` is the object before an UPDATE.

    Labels of templates are set first. The object's own labels then follow from them.
    """
    return FixSearch(workload, policy, before).label_fix(violations)


class FixSearch:
    """The search for a fix: labels are set one by one, and the object is checked again after each.

    A search can continue with further violations from the labels that it has found.
    """

    def __init__(self, workload: Workload, policy: GuardPolicy, before: Workload | None) -> None:
        self._workload = workload
        self._policy = policy
        self._before = before
        self._paths = {place.path for place in (workload.own, *workload.places) if place is not None}
        self._rules: set[str] = set()
        self._found: tuple[Violation, ...] = ()
        # No rule finds these again once another label is set.
        self._by_api_server: list[Violation] = []
        self.remedies: dict[tuple[str, str], Remedy] = {}

    def label_fix(self, violations: Iterable[Violation]) -> LabelFix:
        """Return the fix for violations, with notes on those that no label fixes."""
        notes: dict[str, None] = {}
        # Most refusals that cost much have no remedy, such as those for thousands of labels.
        if self._adds(violations):
            notes = dict.fromkeys(self._notes(self._find()))
        workload = self._workload
        if workload.kind == POD.kind and not workload.places[0].labels and not self._before and not workload.owner:
            notes[DEBUG_COPY] = None
        return LabelFix(tuple(self.remedies.values()), tuple(notes))

    def extended_remedies(self, violations: Iterable[Violation]) -> tuple[Remedy, ...]:
        """Return the remedies after a search for further violations as well."""
        if self._adds(violations):
            self._find()
        return tuple(self.remedies.values())

    def _adds(self, violations: Iterable[Violation]) -> bool:
        """Add violations to fix; return whether a label can fix one of them."""
        new = tuple(one for one in violations if one.remedy is None or one.remedy.place in self._paths)
        self._rules |= {one.rule for one in new}
        self._by_api_server += [one for one in new if one.rule == API_SERVER]
        self._found = self._judged(self._now) if self.remedies else (*self._found, *new)
        return any(one.remedy for one in new)

    @property
    def _now(self) -> Workload:
        """The workload with the labels found so far."""
        return with_remedies(self._workload, self.remedies.values())

    def _judged(self, now: Workload) -> tuple[Violation, ...]:
        """Return the violations of the workload with further labels."""
        still = (one for one in self._by_api_server if one.remedy and key_of(one.remedy) not in self.remedies)
        return (*still, *judge(now, self._policy))

    @cached_property
    def _known(self) -> frozenset[tuple[tuple[str, str, str], ...]]:
        """The identities of the violations of the original workload."""
        return frozenset(one.identities for one in judge(self._workload, self._policy))

    def _find(self) -> list[str]:
        """Find the labels to set; return notes on violations that they do not fix."""
        must_agree = is_constrained(FixConstraint.AGREEMENT, self._policy)
        must_be_claimed = is_constrained(FixConstraint.CLAIM, self._policy)
        unmended: dict[Remedy, str] = {}
        now, has_moved, notes = self._now, False, list[str]()
        for _ in range(MAX_STEPS):
            remedy = self._next(now, unmended)
            if remedy is None and not (unmended and has_moved):
                break
            if remedy is None:  # what was impossible may follow from the labels that are set now
                unmended.clear()
                has_moved = False
                continue
            values = LabelValues(now, self._policy, self._before, must_agree, must_be_claimed)
            solution = values.solution(remedy)
            new = [one for one in solution.remedies if key_of(one) not in self.remedies]
            if not new:
                is_set = key_of(remedy) in self.remedies
                unmended[remedy] = "" if is_set else obstacle_note(values, remedy, solution.obstacle)
                continue
            has_moved = True
            self._take(values, new)
            now = self._now
            self._found = self._judged(now)
        else:
            notes.append(MORE_LABELS)
        self._keep_filled()
        return [*notes, *filter(None, unmended.values())]

    def _notes(self, unmended: list[str]) -> list[str]:
        """Return the notes of the fix, with those on contradictions and on choices that leave a violation."""
        notes = unmended or [contradiction_note(one) for one in self._counted if self._refuses(one)][:1]
        if not notes and any(self._refuses(one) for now in self._as_chosen() for one in judge(now, self._policy)):
            return [MORE_LABELS]
        return notes

    def _keep_filled(self) -> None:
        """Add the role that the mutating phase may have written from an alias, where the fix changes that alias.

        The manifest does not have the role's label then, so the next Pod would have no role. An alias of the application has a value after the fix.
        """
        if self._workload.kind != POD.kind or not self._policy.workloads.fill_from_aliases:
            return
        [place] = self._workload.places
        role = self._policy.workloads.role
        value = place.labels.get(role.label, "")
        changed = (alias for alias in role.aliases if (place.path, alias) in self.remedies)
        if role.counts(value) and any(place.labels.get(alias) == value for alias in changed):
            self.remedies.setdefault((place.path, role.label), Remedy(place.path, role.label, value=value))

    def _next(self, now: Workload, unmended: Mapping[Remedy, str]) -> Remedy | None:
        """Return the next remedy to try, of templates first; None where none is left."""
        wanted = [one.remedy for one in self._counted if one.remedy is not None and one.remedy not in unmended]
        of_templates = (one for one in wanted if now.own is None or one.place != now.own.path)
        return next(of_templates, next(iter(wanted), None))

    @property
    def _counted(self) -> Iterator[Violation]:
        """Yield the violations to fix, including those that a set label causes, in any mode."""
        return (one for one in self._found if one.rule in self._rules or one.identities not in self._known)

    def _as_chosen(self) -> Iterator[Workload]:
        """Yield the workload as it is after the fix, with each of the first choices that a person can take for all labels that offer it.

        Where a person chooses any value, that is some text, the same for all such labels.
        """
        offered = dict.fromkeys(choice for one in self.remedies.values() for choice in one.choices)
        for choice in islice(offered or {ANY_TEXT: None}, MAX_CHOICES_TRIED):
            taken = (
                replace(one, value=choice if choice in one.choices else ANY_TEXT)
                if choice in one.choices or not values_of(one)
                else one
                for one in self.remedies.values()
            )
            yield with_remedies(self._workload, taken)

    def _refuses(self, one: Violation) -> bool:
        """Return whether a remaining violation refuses the object and can be fixed by a label, or is caused by one."""
        is_new = one.identities not in self._known
        chosen = self.remedies.get(key_of(one.remedy)) if one.remedy is not None else None
        compares = one.rule in RULES and RULES[one.rule].constrains is FixConstraint.AGREEMENT
        if chosen is not None and not values_of(chosen) and not compares:
            return False  # a person chooses a value that the message describes
        return (one.remedy is not None or is_new) and (
            one.rule in self._rules or (one.rule in RULES and is_enforced(RULES[one.rule], self._policy))
        )

    def _take(self, values: LabelValues, new: list[Remedy]) -> None:
        """Add the labels of one solution; an alias that changes with its label keeps the choices that the label has at other places."""
        first = self._same(values, new[0])
        self.remedies[key_of(first)] = first
        for one in new[1:]:
            place = values.place_at(one.place)
            follows = replace(new[0], place=one.place, label=one.label) == one
            is_possible = not any(values.obstacle(LabelSetting(place, one.label, choice)) for choice in first.choices)
            same = replace(first, place=one.place, label=one.label) if follows and is_possible else one
            self.remedies[key_of(one)] = self._same(values, same)

    def _settle(self, values: LabelValues, one: Remedy) -> None:
        """Give the label the values of one place at each place where a person would choose any, and that admits them."""
        for key, earlier in self.remedies.items():
            place = values.place_at(earlier.place)
            if earlier.label == one.label and not values_of(earlier):
                against = (values.obstacle(LabelSetting(place, one.label, value)) for value in values_of(one))
                self.remedies[key] = earlier if any(against) else replace(one, place=earlier.place)

    def _same(self, values: LabelValues, one: Remedy) -> Remedy:
        """Return the remedy that other places have for the same label, so that all get one value.

        Values that this place does not admit are taken from the others too; where it admits none of theirs, it keeps its own.
        """
        other = next((other for other in self.remedies.values() if other.label == one.label), None)
        if other is None or other == replace(one, place=other.place):
            return one
        wanted = values_of(other)
        if not wanted:
            self._settle(values, one)
            return one
        place = values.place_at(one.place)
        admitted = [value for value in wanted if not values.obstacle(LabelSetting(place, one.label, value))]
        if not admitted:
            return one
        value = other.value if other.value in admitted else admitted[0] if len({*admitted}) == 1 else None
        choices = tuple(choice for choice in other.choices if choice in admitted)
        common = replace(other, value=value, choices=choices)
        for key, earlier in self.remedies.items():
            if earlier == replace(other, place=earlier.place):  # a place that has values of its own keeps them
                self.remedies[key] = replace(common, place=earlier.place)
        return replace(common, place=one.place)


def values_of(remedy: Remedy) -> list[str]:
    """Return the values that a remedy proposes; empty if the user may choose any value."""
    return [value for value in (remedy.value, *remedy.choices) if value is not None]


def key_of(remedy: Remedy) -> tuple[str, str]:
    """Return the place and the label of a remedy."""
    return remedy.place, remedy.label


def with_remedies(workload: Workload, remedies: Iterable[Remedy]) -> Workload:
    """Return the workload with the labels set; a remedy with several choices sets the first."""
    labels: dict[str, dict[str, str]] = {}
    for one in remedies:
        labels.setdefault(one.place, {})[one.label] = one.value or next(iter(one.choices), "")

    def written(place: LabelLocation) -> LabelLocation:
        return replace(place, labels={**place.labels, **labels.get(place.path, {})})

    own = written(workload.own) if workload.own is not None else None
    return replace(workload, own=own, places=tuple(written(place) for place in workload.places))


def obstacle_note(values: LabelValues, remedy: Remedy, found: Obstacle | None) -> str:
    """Return why no label fixes a violation, and what does."""
    place, key, term = found or Obstacle(values.place_at(remedy.place), remedy.label)
    if term is None:
        return (
            f"{place.at(key)}: the policy file admits no value for this Pod; an administrator can change the "
            "policy file or add an exception"
        )
    selector = selector_beside(place.path.removesuffix(".metadata"))
    return (
        f"{place.at(key)} cannot change alone: {selector} requires {term}. In a new manifest, change the label and the selector "
        f"together. The selector of an existing {values.workload.kind} cannot change: create the object under "
        "another name, or delete it first. "
        "An administrator can also add an exception to the policy file (exceptions)."
    )


def contradiction_note(left: Violation) -> str:
    """Return the note on a violation that the labels of a fix do not resolve."""
    return (
        f"Labels alone cannot fix {left.rule} at {left.path or 'this object'}, because the policy file requires "
        "more than one value there; an administrator can change the policy file or add an exception"
    )
