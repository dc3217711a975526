"""Which labels would mend a workload: a fix that is printed can be applied as it stands, and passes.

A rule names the label that it misses.  Whether that label can have a value also depends on the rest of the object: on the selector beside the
template, which must go on matching the Pods and which the API server never changes; on the object's own labels; on who may have a role.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.guard.judge import judge
from webhook.model.kinds import POD, selector_beside
from webhook.model.pod_selector import ABSENT, IN
from webhook.model.policy import Claim, GuardPolicy
from webhook.model.violation import Remedy, Violation
from webhook.model.workload import Place, Workload
from webhook.model.workload_labels import AppLabel

# Labels that are set one after the other, each with those that follow from it: the application, the role, further labels and aliases, at several places.
MOST_STEPS: Final = 50
DEBUG_COPY: Final = "If this is a copy that kubectl debug makes, add --keep-labels to the command."


class Mending(Struct, frozen=True):
    """The labels to set, and in words what no label alone can mend, or another way."""

    remedies: tuple[Remedy, ...] = ()
    notes: tuple[str, ...] = ()


def mending(
    workload: Workload, violations: Iterable[Violation], policy: GuardPolicy, before: Workload | None = None
) -> Mending:
    """What mends the faults of a workload together; `before` is the object before an UPDATE.

    The labels of templates come first. The object's own labels follow from what the templates then are.
    """
    remedies: dict[tuple[str, str], Remedy] = {}
    notes: dict[str, None] = {}
    unmended: set[Remedy] = set()
    found, now = tuple(violations), workload
    rules = {one.rule for one in found}
    # Most refusals that cost much have no remedy, such as those for thousands of labels.
    known = {one.identities for one in judge(workload, policy)} if any(one.remedy for one in found) else set()
    for _ in range(MOST_STEPS):
        # What a label that is set brings counts as well, whatever the mode of its rule.
        counted = (one for one in found if one.rule in rules or one.identities not in known)
        wanted = [one.remedy for one in counted if one.remedy is not None and one.remedy not in unmended]
        of_templates = (one for one in wanted if workload.own is None or one.place != workload.own.path)
        remedy = next(of_templates, next(iter(wanted), None))
        if remedy is None:
            break
        case = Case(now, place_at(now, remedy.place), policy, before)
        steps = [one for one in solved(case, remedy) if (one.place, one.label) not in remedies]
        if not steps:
            unmended.add(remedy)
            if (remedy.place, remedy.label) not in remedies:
                notes[obstacle(case, remedy)] = None
        for one in steps:
            same = next((other for other in remedies.values() if other.label == one.label), one)
            remedies[one.place, one.label] = replace(same, place=one.place)
        now = mended(workload, remedies.values())
        found = judge(now, policy)
    if workload.kind == POD.kind and not workload.places[0].labels and before is None and workload.owner is None:
        notes[DEBUG_COPY] = None
    return Mending(tuple(remedies.values()), tuple(notes))


def mended(workload: Workload, remedies: Iterable[Remedy]) -> Workload:
    """The workload with the labels set; of several choices the first."""
    labels: dict[str, dict[str, str]] = {}
    for one in remedies:
        labels.setdefault(one.place, {})[one.label] = one.value or next(iter(one.choices), "")

    def written(place: Place) -> Place:
        return replace(place, labels={**place.labels, **labels.get(place.path, {})})

    own = written(workload.own) if workload.own is not None else None
    return replace(workload, own=own, places=tuple(written(place) for place in workload.places))


def place_at(workload: Workload, path: str) -> Place:
    """The place of a workload at a path."""
    own = (workload.own,) if workload.own is not None else ()
    places: tuple[Place, ...] = (*own, *workload.places)
    return next(place for place in places if place.path == path)


class Case(Struct, frozen=True):
    """One place with labels, and what decides which values are possible there."""

    workload: Workload
    place: Place
    policy: GuardPolicy
    before: Workload | None

    def admits(self, key: str, value: str) -> bool:
        """Whether a label may have a value here: for the selector, for further requirements, and for those who may have a role."""
        if self.place.selector is not None and self.place.selector.against(key, value):
            return False
        workloads = self.policy.workloads
        if self.place in self.workload.labelled(workloads.scope) and not all(
            one.admits(value) for one in workloads.require if one.label == key
        ):
            return False
        role = self.policy.workloads.role
        if key != role.label:
            return True
        if not role.counts(value):
            return False
        had = role.found(self.before.places[0].labels) if self.before and self.workload.kind == POD.kind else None
        if had is not None and role.counts(had.value):
            return value == had.value  # the role of a Pod that runs does not change
        return self.place is self.workload.own or self._may_have(value)

    def limited(self, remedy: Remedy) -> Remedy:
        """A remedy of any value with the values that the selector leaves, where it names some."""
        terms = self.place.selector.terms if self.place.selector is not None else ()
        listed = [term.values for term in terms if term.key == remedy.label and term.operator in {IN, ABSENT}]
        if remedy.value is not None or remedy.choices or not listed:
            return remedy
        return replace(remedy, choices=listed[0] or ("",))

    def agrees(self, key: str, value: str) -> bool:
        """Whether an alias with a value names no other role than the label of the role does."""
        role = self.policy.workloads.role
        named = self.place.labels.get(role.label, "")
        return key not in role.aliases or not role.counts(value) or not role.counts(named) or value == named

    def _may_have(self, role: str) -> bool:
        claim = self.policy.roles[role].claim if role in self.policy.roles else Claim()
        namespace = self.workload.namespace
        return claim.admits_namespace(namespace) and claim.admits_account(f"{namespace}/{self.place.account}")

    @property
    def others(self) -> tuple[Place, ...]:
        """The places whose labels have to agree with those here."""
        workload = self.workload
        if workload.own is None:
            return ()
        return workload.places if self.place is workload.own else (workload.own,)


def solved(case: Case, remedy: Remedy) -> Iterator[Remedy]:
    """The labels to set for one fault; none where no label alone can mend it."""
    workloads = case.policy.workloads
    label = next((one for one in (workloads.app, workloads.role) if remedy.label in one.keys), None)
    if label is not None and remedy.label == label.label:
        yield from identified(case, label, remedy)
        return
    remedy = case.limited(remedy)
    found = list(chosen(remedy, lambda value: case.admits(remedy.label, value) and case.agrees(remedy.label, value)))
    kept = case.place.labels.get(remedy.label)
    if not found and label is not None and remedy.value is not None and kept is not None:
        # The selector keeps the alias as it is, so the label itself has to follow; an object's own label follows its Pods'.
        value = remedy.value if case.place is case.workload.own else kept
        found = list(identified(case, label, Remedy(remedy.place, label.label, value=value)))
    yield from found


def chosen(remedy: Remedy, admits: Callable[[str], bool]) -> Iterator[Remedy]:
    """A remedy with those of its values that are possible; none where none is, itself where its value is free."""
    if remedy.value is None and not remedy.choices:
        yield remedy
        return
    value = remedy.value if remedy.value is not None and admits(remedy.value) else None
    choices = tuple(choice for choice in remedy.choices if admits(choice))
    if value is None and len(choices) == 1:
        value = choices[0]
    if value is not None or choices:
        yield replace(remedy, value=value, choices=choices)


def identified(case: Case, label: AppLabel, remedy: Remedy) -> Iterator[Remedy]:
    """The remedy for the label of the application or of the role, with what has to follow it: aliases, and the object's own label."""
    labels = case.place.labels
    is_role = label is case.policy.workloads.role  # the aliases of an application contradict nothing
    named = {key: said for key in label.aliases if is_role and label.counts(said := labels.get(key, ""))}

    def admits(value: str) -> bool:
        return case.admits(label.label, value) and all(
            case.admits(alias, value) for alias, said in named.items() if said != value
        )

    meant = (label.intended(other.labels) for other in case.others)
    agreed = next((value for value in meant if value and admits(value) and (not is_role or label.counts(value))), None)
    if agreed is not None:
        remedy = replace(remedy, value=agreed, choices=())
    elif len(roles := {*named.values()}) == 1 and roles <= {*remedy.choices} and admits(*roles):
        remedy = replace(remedy, choices=tuple(roles))
    for one in chosen(remedy, admits):
        yield one
        possible = {value for value in (one.value, *one.choices) if value is not None}
        yield from (replace(one, label=alias) for alias, said_there in named.items() if possible - {said_there})
        for other in case.others:
            found = label.found(other.labels)
            if other is case.workload.own and found and found.value and found.value != one.value:
                yield replace(one, place=other.path, label=found.key)


def obstacle(case: Case, remedy: Remedy) -> str:
    """Why no label alone mends a fault, and what else does."""
    place, kind = case.place, case.workload.kind
    remedy = case.limited(remedy)
    values = [value for value in (remedy.value, *remedy.choices) if value is not None]
    terms = place.selector.terms if place.selector is not None else ()
    against = next((term for term in terms if term.key == remedy.label and not all(map(term.admits, values))), None)
    if against is None and remedy.value is None and place.labels.get(remedy.label) in remedy.choices:
        against = next((term for term in terms if term.key == remedy.label), None)
    if against is None:
        return (
            f"{place.at(remedy.label)}: no value is admitted here for a Pod like this one; "
            "an administrator can change the policy file, or add an exception to it"
        )
    selector = selector_beside(place.path.removesuffix(".metadata"))
    return (
        f"{place.at(remedy.label)} cannot change alone: {selector} requires {against}. In a new manifest, change the label and the selector "
        f"together. The selector of a {kind} that exists cannot change: create it under another name, or delete it first. "
        "An administrator can also add an exception to the policy file (exceptions)."
    )
