"""The policy file as frozen values, with its defaults.

The field names are the file's own; the descriptions become its JSON Schema.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, StrictBool, WrapValidator

from webhook.model.custom_rule import MAX_CUSTOM_RULES, CustomRule
from webhook.model.distinct_values import distinct
from webhook.model.exemptions import BreakGlass, Exempt, PolicyException, PolicyFileRights, account_namespace
from webhook.model.fields import (
    LabelValue,
    NamespacePattern,
    Node,
    ServiceAccountName,
    fits,
)
from webhook.model.limits import (
    MOST_EXCEPTIONS,
)
from webhook.model.modes import EVERYWHERE, SEVERITY, Mode, Override
from webhook.model.names import CALICO_NAMESPACES
from webhook.model.namespace_settings import ALWAYS_EXEMPT, Namespaces
from webhook.model.network import Network
from webhook.model.workload_labels import Workloads

# Reserved always, or by the defaults of the policy file.
ALWAYS_RESERVED = frozenset({*CALICO_NAMESPACES, "tigera-operator"})


class RoleClaim(Node):
    """The namespaces and ServiceAccounts that may have a role exclusively."""

    namespaces: Annotated[tuple[NamespacePattern, ...], WrapValidator(distinct)] = Field(
        (), description="names and prefixes of namespaces; empty: every namespace"
    )
    service_accounts: Annotated[tuple[ServiceAccountName, ...], WrapValidator(distinct)] = Field(
        (), description="ServiceAccounts of the Pods, as namespace/name; empty: every ServiceAccount"
    )

    def admits_namespace(self, name: str) -> bool:
        """Return whether Pods in a namespace may carry the role."""
        return not self.namespaces or any(fits(pattern, name) for pattern in self.namespaces)

    def admits_account(self, account: str) -> bool:
        """Return whether Pods of a ServiceAccount, as namespace/name, may carry the role."""
        return not self.service_accounts or account in self.service_accounts


class Role(Node):
    """Settings of one role."""

    claim: RoleClaim = Field(RoleClaim(), description="which Pods may have the role")


class GuardPolicy(Node):
    """The whole policy file."""

    api_version: Literal["catflap.dev/v1"] = Field(description="the version of the schema")
    kind: Literal["GuardPolicy"] = Field(description="the kind of the file")
    mode: Mode = Field(Mode.ENFORCE, description="the mode of every rule that has no mode of its own in rules")
    rules: dict[str, Mode] = Field({}, description="the mode of single rules, by identifier")
    workloads: Workloads = Field(Workloads(), description="the labels that Pods must have")
    namespaces: Namespaces = Field(Namespaces(), description="which namespaces are checked and isolated")
    network: Network = Field(Network(), description="the policies of isolated namespaces")
    roles: dict[LabelValue, Role] = Field({}, description="settings of single roles, by name")
    policy_file: PolicyFileRights = Field(PolicyFileRights(), description="who may delete the ConfigMap of this file")
    break_glass: BreakGlass = Field(BreakGlass(), description="emergency access")
    custom: tuple[CustomRule, ...] = Field((), max_length=MAX_CUSTOM_RULES, description="custom rules, in CEL")
    exempt: Exempt = Field(Exempt(), description="users, groups and ServiceAccounts that pass every rule")
    validating_admission_policy: StrictBool = Field(
        default=False,
        description="whether the API server also checks the labels itself, by a ValidatingAdmissionPolicy; this works even if no server of catflap answers",
    )
    reports: Literal["auto", "off"] = Field(
        "auto",
        description="repeated scans of the objects that exist; auto: metrics count their violations, and reports list them if "
        "openreports.io is served; off: neither, and existing reports are removed",
    )
    exceptions: tuple[PolicyException, ...] = Field(
        (), max_length=MOST_EXCEPTIONS, description="exceptions from one rule in one namespace; each use is recorded"
    )

    @cached_property
    def reserved_namespace_names(self) -> tuple[str, ...]:
        """Return the names and prefixes of namespaces that only some groups may create, because the name grants privileges."""
        claims = [role.claim for role in self.roles.values()]
        accounts = [self.exempt.service_accounts, *(claim.service_accounts for claim in claims)]
        names = {one.namespace for one in self.exceptions}
        names.update(*(claim.namespaces for claim in claims))
        names.update(account.partition("/")[0] for several in accounts for account in several)
        names.update(self.namespaces_of_principals, CALICO_NAMESPACES)  # decisions depend on accounts in them
        return tuple(sorted(names.union(self.namespaces.reserved_names) - ALWAYS_EXEMPT))

    @property
    def namespaces_of_principals(self) -> Iterator[str]:
        """Yield the namespaces of ServiceAccounts, and of their groups, that the policy file lists as users and groups.

        A user who can create such a namespace can create these accounts.
        """
        groups = (*self.break_glass.groups, *self.exempt.groups, *self.exempt.users)
        for name in (
            *groups,
            *self.policy_file.deleted_by,
            *self.namespaces.labelled_by,
            *self.namespaces.reserved.groups,
        ):
            if space := account_namespace(name):
                yield space

    def holds(self, rule: str, at_most: Mode = Mode.ENFORCE) -> bool:
        """Return whether a rule is not off in every namespace; cached, because every request needs it."""
        known = self._holding.get(rule)
        if known is None:
            overrides = (None, *self.namespaces.overrides)
            known = any(self.mode_of(rule, at_most=at_most, override=one) is not Mode.OFF for one in overrides)
            self._holding[rule] = known
        return known

    @cached_property
    def _holding(self) -> dict[str, bool]:
        return {}

    def mode_of(self, rule: str, *, at_most: Mode = Mode.ENFORCE, override: Override | None = None) -> Mode:
        """Return the mode of a rule: its own mode if it has one, else the mode for all rules.

        A mode for all rules is limited to `at_most`. `override` is the override for the namespace.
        """
        local = override or EVERYWHERE
        own = local.rules.get(rule) or (None if local.mode else self.rules.get(rule))
        return own or min(local.mode or self.mode, at_most, key=SEVERITY.index)

    def exception_for(self, rule: str, namespace: str, at: datetime) -> PolicyException | None:
        """Return the exception that applies to a rule in a namespace at a time; None if there is none."""
        found = (one for one in self.exceptions if (one.rule, one.namespace) == (rule, namespace) and one.counts(at))
        return next(found, None)
