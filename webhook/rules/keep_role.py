"""The role of a running Pod does not change.

The admission of a Pod and the flows for it depend on its role. To use another role, create a new Pod. If the Pod has no role,
or its role is not one of the roles in the policy file, the role can be set or changed.
"""

from collections.abc import Iterator

from webhook.model.cel import BEFORE, IS_POD, PLACES, ROLES
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Rule, RuleFinding
from webhook.model.workload import Relabelling


def changed(relabelling: Relabelling, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield a finding if the role of a running Pod changes, because its admission and the network policies depend on the role.

    An unknown role was never admitted by catflap, so it may be fixed.
    """
    role = policy.workloads.role
    before, after = role.found(relabelling.before.labels), role.found(relabelling.after.labels)
    if before is None or before.value not in role.one_of:
        return
    if after is None or after.value != before.value:
        now = f"to {after.value!r}" if after and after.value else "to none"
        yield RuleFinding(
            path=relabelling.after.at(after.key if after else before.key),
            message=f"the role of a running Pod cannot change from {before.value!r} {now}; create a new Pod instead",
        )


def in_cel(policy: GuardPolicy) -> Iterator[str]:  # noqa: ARG001 (a rule)
    """Yield the CEL expressions of this rule for the API server."""
    yield f"!{IS_POD} || {PLACES}.all(p, {BEFORE}.all(q, !(q.role in {ROLES}) || q.role == p.role))"


RULE = Rule(id="keep-role", since="0.1", check=changed, about=Relabelling, in_cel=in_cel)
