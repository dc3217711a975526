"""No network policy of a user opens an isolated namespace.

Network policies are additive: a policy of a user can allow connections that the default-deny policy denies.
[Policies of users](network.md#policies-of-users) lists what the rule permits.
"""

from collections.abc import Iterator

from webhook.model.kinds import NETWORK_SETS
from webhook.model.modes import Mode
from webhook.model.network_set import set_faults
from webhook.model.opening_check import OpeningCheck
from webhook.model.opening_faults import opening_faults
from webhook.model.policy import GuardPolicy
from webhook.model.request import PolicyObject
from webhook.model.rule import Rule, RuleFinding


def opened(found: PolicyObject, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield the openings of a network policy that are too broad, and those that no flow covers if the policy file has flows.

    Network policies add up, so an allowing policy overrides the isolating one (Kubernetes' NetworkPolicy, "isolation").
    """
    check = OpeningCheck(policy, found.namespace)
    if found.unreadable:
        yield RuleFinding(
            "spec", f"cannot determine the allowed traffic: {found.unreadable}", parts=(found.fingerprint,)
        )
    if found.kind in NETWORK_SETS:
        yield from set_faults(found.labels, found.networks, check)
    yield from opening_faults(found.openings, check)


RULE = Rule(id="no-open-policy", since="0.1", check=opened, about=PolicyObject, at_most=Mode.WARN, managed_only=True)
