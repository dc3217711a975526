"""The labels of a Pod do not name two roles.

An alias violates the rule if its value is a role, and not the role in the role label. The rule does not check the aliases of the
application label.
"""

from collections.abc import Iterator

from webhook.model.cel import BEFORE, LENIENT, PLACES, ROLES, literal
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Remedy, Rule, RuleFinding
from webhook.model.workload import Workload


def conflicting(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield the aliases that name another role than the role label, because people and tools may use either.

    A value that is not a role does not count. Nor does an alias of the application's label: the label itself wins.
    """
    role = policy.workloads.role
    for place in workload.labelled(policy.workloads.scope):
        named = place.labels.get(role.label, "")
        for alias in role.aliases if role.counts(named) else ():
            other = place.labels.get(alias, "")
            if role.counts(other) and other != named:
                message = (
                    f"{alias!r} contains the role {other!r}, and {role.label!r} contains {named!r}; use the "
                    "same value for both"
                )
                yield RuleFinding(place.at(alias), message, Remedy(place.path, alias, value=named))


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """Yield the CEL expressions of this rule for the API server."""
    role = policy.workloads.role
    if not role.aliases:
        return
    key = literal(role.label)
    counts = f"alias in p.labels && p.labels[alias] in {ROLES} && p.labels[alias] != p.labels[{key}]"
    same = f"[{key}, alias].all(k, q.labels[?k] == p.labels[?k])"
    known = f"{LENIENT} && {BEFORE}.exists(q, {same})"
    named = f"{key} in p.labels && p.labels[{key}] in {ROLES}"
    yield f"{PLACES}.all(p, !({named}) || {literal(list(role.aliases))}.all(alias, !({counts}) || ({known})))"


RULE = Rule(id="no-alias-conflict", since="0.1", check=conflicting, in_cel=in_cel)
