"""A label and its aliases say the same."""

from collections.abc import Iterator

from webhook.model.cel import BEFORE, LENIENT, PLACES, ROLES, literal
from webhook.model.policy import AppLabel, GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Place, Workload


def disagreeing(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The aliases that say otherwise than the label beside them: people and tools would go by either."""
    role = policy.workloads.role
    for place in workload.labelled(policy.workloads.scope):
        yield from (fault for fault, _ in conflicts(place, policy.workloads.app))
        # A value that is no role is told of as such.
        yield from (fault for fault, value in conflicts(place, role) if value in role.one_of)


def conflicts(place: Place, label: AppLabel) -> Iterator[tuple[Fault, str]]:
    """The aliases of one label in conflict with it at one place, each with what it says."""
    said = place.labels.get(label.label)
    for alias in label.aliases if said is not None else ():
        value = place.labels.get(alias)
        if value and value != said and (meant := label.intended(place.labels)) and value != meant:
            message = f"{alias!r} says {value!r} where {label.label!r} stands for {meant!r}; let them agree"
            yield Fault(place.at(alias), message, Remedy(place.path, alias, value=meant)), value


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """The same for the API server."""
    workloads = policy.workloads
    for label, and_known in ((workloads.app, ""), (workloads.role, f" && {{}} in {ROLES}")):
        if label.aliases:
            yield agreeing(label, and_known)


def agreeing(label: AppLabel, and_known: str) -> str:
    """Whether the aliases of one label that count say what is meant; `and_known` tells which values do."""
    keys, own = literal(list(label.keys)), literal(label.label)

    def meant(x: str) -> str:
        counted = f"k in {x}.labels && {x}.labels[k] != ''" + and_known.format(f"{x}.labels[k]")
        return f"{x}.labels[{keys}.filter(k, {counted})[0]]"

    silent = f"!(alias in p.labels && p.labels[alias] != ''{and_known.format('p.labels[alias]')})"
    same = (
        f"{own} in q.labels && alias in q.labels && q.labels[alias] == p.labels[alias] && {meant('q')} == {meant('p')}"
    )
    known = f"{LENIENT} && {BEFORE}.exists(q, {same})"
    sound = f"{silent} || p.labels[alias] == {meant('p')} || ({known})"
    return f"{PLACES}.all(p, !({own} in p.labels) || {literal(list(label.aliases))}.all(alias, {sound}))"


RULE = Rule(id="no-alias-conflict", since="0.1", check=disagreeing, in_cel=in_cel)
