"""Whom, and for how long, the rules do not hold; each use is recorded."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from webhook.model.fields import DNS_LABEL, Day, NamespaceName, Node, Principals, ServiceAccountName, distinct
from webhook.model.limits import MOST_ACCOUNTS
from webhook.model.names import BREAK_GLASS_GROUP
from webhook.model.reason import Reason, ReasonCode

NOTICE_DAYS = 7  # an exception that ends is announced so long before


# The user name of a ServiceAccount, and the group of all in a namespace (k8s.io/apiserver, authentication/serviceaccount).
OF_NAMESPACE = re.compile(r"system:serviceaccounts?:([^:]+)(?::|$)")


def account_namespace(principal: str) -> str:
    """The namespace of a ServiceAccount, or of a group of them; empty for every other user or group."""
    found = OF_NAMESPACE.match(principal)
    return found[1] if found and DNS_LABEL.fullmatch(found[1]) else ""


class BreakGlass(Node):
    """Who may act against the guard in an emergency; each use is recorded."""

    groups: Principals = Field(
        (BREAK_GLASS_GROUP,),
        description="groups whose members pass every rule, and may edit and delete catflap's own policies",
    )


class PolicyFileRights(Node):
    """Who may do what to the policy file itself; who may edit it, the cluster's own RBAC says."""

    deleted_by: Principals = Field(
        ("system:masters",),
        description="groups whose members, besides those of breakGlass.groups, may delete the ConfigMap that holds this file",
    )


class Exempt(Node):
    """Who passes every rule, and is recorded; the namespaces of their Pods are closed all the same."""

    users: Principals = Field((), description="by user name")
    groups: Principals = Field((), description="by group")
    service_accounts: Annotated[
        tuple[ServiceAccountName, ...], Field(max_length=MOST_ACCOUNTS), AfterValidator(distinct)
    ] = Field((), description="ServiceAccounts as namespace/name")

    def reason(self, user: str, groups: Iterable[str]) -> Reason | None:
        """By what this user is exempt; None where they are not."""
        if user in self.users:
            return Reason(ReasonCode.EXEMPT_USER, f"exempt: user {user}")
        account = user.removeprefix("system:serviceaccount:").replace(":", "/")
        if account != user and account in self.service_accounts:
            return Reason(ReasonCode.EXEMPT_SERVICE_ACCOUNT, f"exempt: ServiceAccount {account}")
        own = frozenset(groups if self.groups else ())  # there may be thousands
        found = next((group for group in self.groups if group in own), None)
        return Reason(ReasonCode.EXEMPT_GROUP, f"exempt: member of {found}") if found else None


class Waiver(Node):
    """One rule's faults let pass in one namespace, by somebody who answers for it, up to a day."""

    rule: str = Field(description="the rule's id")
    namespace: NamespaceName = Field(description="where it does not refuse")
    owner: str = Field(min_length=1, description="who answers for it")
    reason: str = Field(min_length=1, description="why")
    until: Day = Field(description="the last day on which it counts, to 24:00 UTC")

    def __str__(self) -> str:
        return f"exception from {self.rule} until {self.until}, {self.owner}: {self.reason}"

    def counts(self, at: datetime) -> bool:
        """Whether it still counts at a moment."""
        return at.astimezone(UTC).date() <= self.until

    def ends_soon(self, at: datetime) -> bool:
        """Whether its end is to be announced: it counts still, and will not in a week."""
        return 0 <= (self.until - at.astimezone(UTC).date()).days < NOTICE_DAYS
