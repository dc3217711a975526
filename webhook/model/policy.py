"""The policy file as frozen values, with its defaults.

The field names are the file's own; the descriptions become its JSON Schema.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool

from webhook.model.custom_rule import MAX_CUSTOM_RULES, CustomRule
from webhook.model.exemptions import BreakGlass, Exempt, PolicyException, PolicyFileRights, account_namespace
from webhook.model.fields import (
    LabelValue,
    NamespacePattern,
    Node,
    ServiceAccountName,
    distinct,
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

MAX_FRESHNESS = 10_000  # ms; repair takes less than one second, recreating a namespace a few seconds


# Reserved always, or by the defaults of the policy file.
ALWAYS_RESERVED = frozenset({*CALICO_NAMESPACES, "tigera-operator"})


class GateSettings(Node):
    """The check that a namespace is isolated before a Pod is stored in it."""

    freshness: int = Field(
        0,
        ge=0,
        le=MAX_FRESHNESS,
        strict=True,
        description="milliseconds for which a proof is trusted; for as long, Pods are stored in a namespace whose policy "
        "was removed, or that was made anew",
    )

    @property
    def seconds(self) -> float:
        """Return the freshness in seconds."""
        return self.freshness / 1000


class RoleClaim(Node):
    """The namespaces and ServiceAccounts that may have a role exclusively."""

    namespaces: Annotated[tuple[NamespacePattern, ...], AfterValidator(distinct)] = Field(
        (), description="names and prefixes of namespaces; none: any"
    )
    service_accounts: Annotated[tuple[ServiceAccountName, ...], AfterValidator(distinct)] = Field(
        (), description="ServiceAccounts of the Pods, as namespace/name; none: any"
    )

    def admits_namespace(self, name: str) -> bool:
        """Return whether Pods in a namespace may carry the role."""
        return not self.namespaces or any(fits(pattern, name) for pattern in self.namespaces)

    def admits_account(self, account: str) -> bool:
        """Return whether Pods of a ServiceAccount, as namespace/name, may carry the role."""
        return not self.service_accounts or account in self.service_accounts


class Role(Node):
    """Settings of one role."""

    claim: RoleClaim = Field(RoleClaim(), description="who may carry it")


class GuardPolicy(Node):
    """The whole policy file."""

    api_version: Literal["catflap.dev/v1"] = Field(description="the schema's version")
    kind: Literal["GuardPolicy"] = Field(description="the schema's name")
    mode: Mode = Field(Mode.ENFORCE, description="for every rule that says nothing of its own")
    rules: dict[str, Mode] = Field({}, description="a rule's own mode, by its id")
    workloads: Workloads = Field(Workloads(), description="what every Pod must carry")
    namespaces: Namespaces = Field(Namespaces(), description="which namespaces are judged and closed")
    network: Network = Field(Network(), description="how a closed namespace is closed")
    gate: GateSettings = Field(
        GateSettings(), description="how a namespace is proven closed before a Pod is stored in it"
    )
    roles: dict[LabelValue, Role] = Field({}, description="what is particular to a role, by its name")
    policy_file: PolicyFileRights = Field(PolicyFileRights(), description="who may delete this file's ConfigMap")
    break_glass: BreakGlass = Field(BreakGlass(), description="who may act against the guard in an emergency")
    custom: tuple[CustomRule, ...] = Field((), max_length=MAX_CUSTOM_RULES, description="rules of your own, in CEL")
    exempt: Exempt = Field(Exempt(), description="who passes every rule")
    twin: StrictBool = Field(
        default=False,
        description="have the API server judge labels as well (ValidatingAdmissionPolicy), so that they are while catflap is gone",
    )
    reports: Literal["auto", "off"] = Field(
        "auto",
        description="look again and again at what stands; auto: count its faults in metrics, and write them as reports where "
        "openreports.io is served; off: neither, and what was written goes",
    )
    exceptions: tuple[PolicyException, ...] = Field(
        (), max_length=MOST_EXCEPTIONS, description="rules whose faults pass in one namespace; each use is recorded"
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
