"""If the policy file reserves a role, only the namespaces and ServiceAccounts that it names use the role.

The key `roles.NAME.claim` reserves the role NAME for some namespaces or ServiceAccounts. A role without a claim can be used
everywhere.
"""

from collections.abc import Iterator

from webhook.model.abbreviation import listed
from webhook.model.cel import NAMESPACE, everywhere, fits_any, literal
from webhook.model.policy import GuardPolicy
from webhook.model.rule import FixConstraint, Remedy, Rule, RuleFinding
from webhook.model.workload import Workload


def unclaimed(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield the places with a role that the policy file gives to other namespaces, or to other ServiceAccounts."""
    for place in workload.places if policy.roles else ():
        found = policy.workloads.role.found(place.labels)
        if found is None or found.value not in policy.roles:
            continue
        claim = policy.roles[found.value].claim
        other = Remedy(place.path, policy.workloads.role.label, choices=policy.workloads.role.one_of)
        if not claim.admits_namespace(workload.namespace):
            yield RuleFinding(
                place.at(found.key),
                f"the role {found.value!r} is reserved for the namespaces {listed(claim.namespaces)}; create the "
                "object there, or use another role",
                other,
            )
        account = f"{workload.namespace}/{place.account}"
        if not claim.admits_account(account):
            yield RuleFinding(
                f"{place.spec_path}serviceAccountName",
                f"the role {found.value!r} is reserved for the ServiceAccounts {listed(claim.service_accounts)}, "
                f"and this Pod uses {account}; use a listed ServiceAccount, or use another role",
                other,
            )


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """Yield the CEL expressions of this rule for the API server."""
    for name, role in policy.roles.items():
        claim, other, known = role.claim, f"p.role != {literal(name)}", f"q.role == {literal(name)}"
        if claim.namespaces:
            yield everywhere(f"{other} || {fits_any(claim.namespaces, NAMESPACE)}", known)
        if claim.service_accounts:
            accounts = f"{NAMESPACE} + '/' + p.account in {literal(list(claim.service_accounts))}"
            yield everywhere(f"{other} || {accounts}", f"{known} && q.account == p.account")


RULE = Rule(
    id="role-claim", since="0.1", check=unclaimed, in_cel=in_cel, constrains=FixConstraint.CLAIM, settings="roles"
)
