"""Exemptions from rules: break-glass groups, exempt users and exceptions with an end date. Each use is recorded."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, WrapValidator

from webhook.model.distinct_values import distinct
from webhook.model.fields import DNS_LABEL, Day, NamespaceName, Node, Principals, ServiceAccountName
from webhook.model.limits import MOST_ACCOUNTS
from webhook.model.names import BREAK_GLASS_GROUP
from webhook.model.reason import Reason, ReasonCode

NOTICE_DAYS = 7  # an exception's end is announced this long before


# The user name of a ServiceAccount, and the group of all in a namespace (k8s.io/apiserver, authentication/serviceaccount).
SERVICE_ACCOUNT_PRINCIPAL = re.compile(r"system:serviceaccounts?:([^:]+)(?::|$)")


def account_namespace(principal: str) -> str:
    """Return the namespace of a ServiceAccount, or of a group of them; empty for every other user or group."""
    found = SERVICE_ACCOUNT_PRINCIPAL.match(principal)
    return found[1] if found and DNS_LABEL.fullmatch(found[1]) else ""


def first_common(groups: Iterable[str], own: Iterable[str]) -> str | None:
    """Return the first of the groups that is also among the user's own; None if there is none."""
    known = frozenset(own)  # a user may have thousands of groups
    return next((group for group in groups if group in known), None)


class BreakGlass(Node):
    """Groups that may bypass catflap in an emergency; each use is recorded."""

    groups: Principals = Field(
        (BREAK_GLASS_GROUP,),
        description="groups whose members pass every rule and may edit and delete catflap's policies",
    )


class PolicyFileRights(Node):
    """Rights on the policy file itself; the RBAC of the cluster decides who may edit it."""

    deleted_by: Principals = Field(
        ("system:masters",),
        description="groups whose members may delete the ConfigMap of this file, in addition to breakGlass.groups",
    )


class Exempt(Node):
    """Users that are exempt from every rule. Each use is recorded, and the namespaces of their Pods are still isolated."""

    users: Principals = Field((), description="user names")
    groups: Principals = Field((), description="group names")
    service_accounts: Annotated[
        tuple[ServiceAccountName, ...], Field(max_length=MOST_ACCOUNTS), WrapValidator(distinct)
    ] = Field((), description="ServiceAccounts as namespace/name")

    def reason(self, user: str, groups: Iterable[str]) -> Reason | None:
        """Return why this user is exempt; None if they are not."""
        if user in self.users:
            return Reason(ReasonCode.EXEMPT_USER, f"exempt: user {user}")
        account = user.removeprefix("system:serviceaccount:").replace(":", "/")
        if account != user and account in self.service_accounts:
            return Reason(ReasonCode.EXEMPT_SERVICE_ACCOUNT, f"exempt: ServiceAccount {account}")
        found = first_common(self.groups, groups)
        return Reason(ReasonCode.EXEMPT_GROUP, f"exempt: member of {found}") if found else None


class PolicyException(Node):
    """An exception from one rule in one namespace, with an owner and an end date."""

    rule: str = Field(description="the identifier of the rule")
    namespace: NamespaceName = Field(description="the namespace in which the rule does not reject")
    owner: str = Field(min_length=1, description="the person or team that is responsible")
    reason: str = Field(min_length=1, description="the reason")
    until: Day = Field(description="the last day of the exception, until 24:00 UTC")

    def __str__(self) -> str:
        return f"exception to {self.rule} until {self.until}, {self.owner}: {self.reason}"

    def counts(self, at: datetime) -> bool:
        """Return whether the exception is in force at a time."""
        return at.astimezone(UTC).date() <= self.until

    def ends_soon(self, at: datetime) -> bool:
        """Return whether the end is to be announced: the exception is in force and ends within NOTICE_DAYS."""
        return 0 <= (self.until - at.astimezone(UTC).date()).days < NOTICE_DAYS
