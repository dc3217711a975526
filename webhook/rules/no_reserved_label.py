"""No Pod sets the labels that Calico derives from namespaces and ServiceAccounts.

Calico reads a label of a Pod with the prefix `pcns.` as a label of its namespace, and with the prefix `pcsa.` as a label of its
ServiceAccount.
"""

from collections.abc import Iterator
from typing import Final

from webhook.model.cel import BEFORE, LENIENT, PLACES, literal
from webhook.model.labels import RESERVED_PREFIXES
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Rule, RuleFinding
from webhook.model.workload import Workload

PREFIXES: Final = tuple(RESERVED_PREFIXES)
PREFIX_LENGTH: Final = len(PREFIXES[0])


def claims(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:  # noqa: ARG001 (a rule)
    """Yield the labels that Calico would read as labels of the namespace or the ServiceAccount of a Pod."""
    for place in workload.places:
        for key, value in place.labels.items():
            if key.startswith(PREFIXES):
                whose = RESERVED_PREFIXES[key[:PREFIX_LENGTH]]
                yield RuleFinding(
                    place.at(key), f"Calico reads '{key}={value}' as a label of the Pod's {whose}; remove this label"
                )


def in_cel(policy: GuardPolicy) -> Iterator[str]:  # noqa: ARG001 (a rule)
    """Yield the CEL expressions of this rule for the API server."""
    sound = " && ".join(f"!key.startsWith({literal(prefix)})" for prefix in PREFIXES)
    known = f"{LENIENT} && {BEFORE}.exists(q, key in q.labels && q.labels[key] == p.labels[key])"
    yield f"{PLACES}.all(p, p.labels.all(key, ({sound}) || ({known})))"


RULE = Rule(id="no-reserved-label", since="0.1", check=claims, in_cel=in_cel)
