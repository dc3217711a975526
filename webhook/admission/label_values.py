"""Possible values of a label at one location of a workload, and the other labels that have to change with it.

The grammar of labels, the selector next to a template, further requirements, claims of roles and the role of a running Pod each exclude
values. The label of the application and of the role is the same on an object and on its Pods.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from webhook.model.kinds import POD
from webhook.model.labels import LABEL_NAME
from webhook.model.modes import Mode
from webhook.model.pod_selector import ABSENT, IN, Term
from webhook.model.policy import GuardPolicy, RoleClaim
from webhook.model.rule import FixConstraint, Remedy, Rule
from webhook.model.workload import LabelLocation, Workload
from webhook.model.workload_labels import AppLabel, LabelRequirement
from webhook.rules import RULES

ANY_TEXT: Final = "text"


class Obstacle(NamedTuple):
    """A label that cannot have a value; `term` is the term of the selector that excludes it, None where another reason does."""

    place: LabelLocation
    key: str
    term: Term | None = None


class LabelSetting(NamedTuple):
    """A label that is set; the value None is one that a person chooses."""

    place: LabelLocation
    key: str
    value: str | None


LabelSettings = Callable[[str | None], Iterator[LabelSetting]]


class LabelSolution(Struct, frozen=True):
    """The labels to set for one violation; without labels, the obstacle is the reason."""

    remedies: tuple[Remedy, ...] = ()
    obstacle: Obstacle | None = None


def is_enforced(rule: Rule, policy: GuardPolicy) -> bool:
    """Return whether a rule refuses in some namespace."""
    return any(rule.mode(policy, one) is Mode.ENFORCE for one in (None, *policy.namespaces.overrides))


def is_constrained(constraint: FixConstraint, policy: GuardPolicy) -> bool:
    """Return whether a rule with this constraint on fixes refuses in some namespace."""
    return any(rule.constrains is constraint and is_enforced(rule, policy) for rule in RULES.values())


class LabelValues(Struct, frozen=True):
    """The possible label values of a workload under a policy; `before` is the object before an UPDATE.

    `must_agree` and `must_be_claimed` say whether the rules about agreement and about claims refuse in some namespace.
    """

    workload: Workload
    policy: GuardPolicy
    before: Workload | None = None
    must_agree: bool = False
    must_be_claimed: bool = True

    def solution(self, remedy: Remedy) -> LabelSolution:
        """Return the labels that fix one violation, with the labels that have to change with them."""
        place, workloads = self.place_at(remedy.place), self.policy.workloads
        label = next((one for one in (workloads.app, workloads.role) if remedy.label in one.keys), None)
        if label is not None and (remedy.label == label.label or will_count(label, remedy, place)):
            return self.identity_solution(place, label, remedy)
        alone = self.solution_for(
            self.agreeing_remedy(place, remedy), lambda value: iter([LabelSetting(place, remedy.label, value)])
        )
        if alone.remedies or label is None or remedy.value is None or remedy.label not in place.labels:
            return alone
        # The selector fixes the alias, so the label itself follows the alias. An object's own label follows that of its Pods.
        value = remedy.value if place is self.workload.own else place.labels[remedy.label]
        changed = self.identity_solution(place, label, Remedy(remedy.place, label.label, value=value))
        return changed if changed.remedies else alone

    def agreeing_remedy(self, place: LabelLocation, remedy: Remedy) -> Remedy | None:
        """Return the remedy for an alias of the role with the values that name no other role than the label, or than Pods here may have.

        None where no value is left.
        """
        role = self.policy.workloads.role
        named = place.labels.get(role.label)

        def agrees(value: str) -> bool:
            if remedy.label not in role.aliases or not role.counts(value):
                return True
            return self._may_have(place, value) if named is None else value == named or not role.counts(named)

        value = remedy.value if remedy.value is not None and agrees(remedy.value) else None
        choices = tuple(filter(agrees, remedy.choices))
        is_free = remedy.value is None and not remedy.choices
        return replace(remedy, value=value, choices=choices) if is_free or value is not None or choices else None

    def identity_solution(self, place: LabelLocation, label: AppLabel, remedy: Remedy) -> LabelSolution:
        """Return the solution for the label of the application or of the role.

        A value on the other side, the object's or its Pods', comes first; then the values that the violation suggests.
        """
        role = self.policy.workloads.role
        is_role = label is role
        if is_role and not (remedy.choices or role.counts(remedy.value or "")):
            remedy = replace(remedy, value=None, choices=role.one_of)
        meant = [label.intended(other.labels) for other in self.others(place)]
        agreed = [value for value in meant if value and (not is_role or label.counts(value))]
        named = {value for key in label.aliases if is_role and label.counts(value := place.labels.get(key, ""))}
        wanted = [replace(remedy, value=value, choices=()) for value in agreed]
        wanted += [remedy] if is_role or remedy.value is not None or remedy.choices else []
        if len(named) == 1 and named <= {*remedy.choices}:
            wanted.insert(-1, replace(remedy, value=None, choices=tuple(named)))
        kept = label.found(place.labels)
        if place is self.workload.own and kept is not None and kept.value:
            wanted.append(replace(remedy, value=kept.value, choices=()))
        if not is_role:
            wanted += [replace(remedy, value=self.workload.label_from_name), replace(remedy, value=None)]
        ways = [self.settings_with_others(place, label, remedy.label)]
        ways += [] if self.must_agree else [self.settings_at(place, label, remedy.label)]
        first: LabelSolution | None = None
        for way in ways:
            for one in wanted:
                found = self.solution_for(one, way)
                if found.remedies:
                    return found
                first = first if first is not None and first.obstacle and first.obstacle.term else found
        return first or LabelSolution()

    def settings_at(self, place: LabelLocation, label: AppLabel, key: str) -> LabelSettings:
        """Return the settings of a label under one of its keys at one location, with the aliases that would name another role."""
        aliases = [one for one in self.aliases(place, label) if one.key != key]
        return lambda value: chain((LabelSetting(place, key, value),), with_changed_value(aliases, value))

    def settings_with_others(self, place: LabelLocation, label: AppLabel, key: str) -> LabelSettings:
        """Return the same settings, with those of the labels on the object and on its Pods that would contradict it."""
        here, own = self.settings_at(place, label, key), self.workload.own
        own_label = label.found(own.labels) if own is not None else None
        others = list(self.named_elsewhere(place, label)) if own is not None else []

        def settings(value: str | None) -> Iterator[LabelSetting]:
            yield from here(value)
            if place is own or (own_label is not None and own_label.value not in {"", value}):
                for one in with_changed_value(others, value):
                    # An alias of the application contradicts no other label, so if it is kept, the label itself is set in addition.
                    kept = label is self.policy.workloads.app and self.obstacle(one)
                    yield one._replace(key=label.label) if kept else one

        return settings

    def named_elsewhere(self, place: LabelLocation, label: AppLabel) -> Iterator[LabelSetting]:
        """Yield the label as it is on the object and on its Pods, but for one place."""
        for other in self.every_place:
            found = label.found(other.labels) if other is not place else None
            if found is not None and found.value:
                yield LabelSetting(other, *found)
                yield from (one for one in self.aliases(other, label) if one.key != found.key)

    def aliases(self, place: LabelLocation, label: AppLabel) -> Iterator[LabelSetting]:
        """Yield the aliases that name a role; the aliases of an application contradict nothing."""
        for alias in label.aliases if label is self.policy.workloads.role else ():
            if label.counts(value := place.labels.get(alias, "")):
                yield LabelSetting(place, alias, value)

    def solution_for(self, remedy: Remedy | None, settings: LabelSettings) -> LabelSolution:
        """Return a remedy with those of its values that are possible, for each label that `settings` names for a value."""
        if remedy is None:
            return LabelSolution()
        remedy = self.with_listed_values(remedy)
        if remedy.value is None and not remedy.choices:
            against = next(filter(None, map(self.obstacle, settings(None))), None)
            return LabelSolution(obstacle=against) if against else LabelSolution(remedies_of(remedy, settings(None)))
        first: Obstacle | None = None
        possible: list[str] = []
        for value in dict.fromkeys((*([] if remedy.value is None else [remedy.value]), *remedy.choices)):
            against = next(filter(None, map(self.obstacle, settings(value))), None)
            if against is None:
                possible.append(value)
            elif first is None or (first.term is None and against.term is not None):
                first = against
        if not possible:
            return LabelSolution(obstacle=first)
        choices = tuple(one for one in remedy.choices if one in possible)
        only = choices[0] if len(choices) == 1 else None
        nearest = remedy.value if remedy.value in possible else only
        solved = replace(remedy, value=nearest, choices=choices)
        return LabelSolution(remedies_of(solved, chain.from_iterable(map(settings, possible))))

    def with_listed_values(self, remedy: Remedy) -> Remedy:
        """Return a remedy of any value with the values that the selector or the policy file leaves, where one of them lists some."""
        place = self.place_at(remedy.place)
        terms = place.selector.terms if place.selector is not None else ()
        listed = [term.values for term in terms if term.key == remedy.label and term.operator in {IN, ABSENT}]
        listed += [one.one_of for one in self.required(place) if one.label == remedy.label and one.one_of]
        if remedy.value is not None or remedy.choices or not listed:
            return remedy
        return replace(remedy, choices=tuple(filter(None, listed[0])) or ("",))

    def required(self, place: LabelLocation) -> tuple[LabelRequirement, ...]:
        """Return the required labels of a location; empty outside of the scope of label rules."""
        asked, scope = self.policy.workloads.require, self.policy.workloads.scope
        return asked if asked and any(place is one for one in self.workload.labelled(scope)) else ()

    def obstacle(self, setting: LabelSetting) -> Obstacle | None:
        """Return why a label cannot have a value; None where it can."""
        place, key, value = setting
        terms = place.selector.terms if place.selector is not None else ()
        if value is None:
            pinned = (term for term in terms if term.key == key and term.operator in {IN, ABSENT})
            return next((Obstacle(place, key, term) for term in pinned), None)
        if (term := next((one for one in terms if one.key == key and not one.admits(value)), None)) is not None:
            return Obstacle(place, key, term)
        is_label = LABEL_NAME.fullmatch(value)  # an empty value counts as none
        is_asked = all(one.admits(value) for one in self.required(place) if one.label == key)
        if is_label and is_asked and self.is_role_here(place, key, value):
            return None
        return Obstacle(place, key, next((one for one in terms if one.key == key), None))

    def is_role_here(self, place: LabelLocation, key: str, value: str) -> bool:
        """Return whether Pods of this location may have a value of the role label; other labels may have any value."""
        role = self.policy.workloads.role
        if key != role.label:
            return True
        if not role.counts(value):
            return False
        had = role.found(self.before.places[0].labels) if self.before and self.workload.kind == POD.kind else None
        if had is not None and role.counts(had.value):
            return value == had.value  # the role of a Pod that runs does not change
        return self._may_have(place, value)

    def _may_have(self, place: LabelLocation, role: str) -> bool:
        """Return whether the role claims of the policy file permit a role for the Pods of a location."""
        if place is self.workload.own or not self.must_be_claimed:
            return True
        claim = self.policy.roles[role].claim if role in self.policy.roles else RoleClaim()
        namespace = self.workload.namespace
        return claim.admits_namespace(namespace) and claim.admits_account(f"{namespace}/{place.account}")

    def others(self, place: LabelLocation) -> tuple[LabelLocation, ...]:
        """Return the places whose labels have to agree with those of a place."""
        own = self.workload.own
        if own is None:
            return ()
        return self.workload.places if place is own else (own,)

    def place_at(self, path: str) -> LabelLocation:
        """Return the place of the workload at a path."""
        return next(place for place in self.every_place if place.path == path)

    @property
    def every_place(self) -> tuple[LabelLocation, ...]:
        """Return the object's own metadata, where that is not a Pod's, and that of each template."""
        own: tuple[LabelLocation, ...] = (self.workload.own,) if self.workload.own is not None else ()
        return (*own, *self.workload.places)


def with_changed_value(named: Iterable[LabelSetting], value: str | None) -> Iterator[LabelSetting]:
    """Return the labels that have another value, with this value."""
    return (one._replace(value=value) for one in named if one.value != value)


def will_count(label: AppLabel, remedy: Remedy, place: LabelLocation) -> bool:
    """Return whether an alias is the one that counts at a place, once it has the value of a remedy; a free value is any text."""
    value = next(filter(None, (remedy.value, *remedy.choices, place.labels.get(remedy.label))), ANY_TEXT)
    found = label.found({**place.labels, remedy.label: value})
    return found is not None and found.key == remedy.label


def remedies_of(remedy: Remedy, settings: Iterable[LabelSetting]) -> tuple[Remedy, ...]:
    """Return one remedy for each label that is set."""
    keys = dict.fromkeys((one.place.path, one.key) for one in settings)
    return tuple(replace(remedy, place=path, label=key) for path, key in keys)
