"""What an admin rules: the policy file as frozen values, with its defaults.

The field names are the file's own; the descriptions become its JSON Schema.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, model_validator
from pydantic_core import PydanticKnownError, SchemaError, SchemaValidator, core_schema

from webhook.model.custom import MOST_RULES, CustomRule
from webhook.model.exemptions import BreakGlass, Exempt, PolicyFileRights, Waiver, account_namespace
from webhook.model.extra_kinds import ExtraKind
from webhook.model.fields import (
    LabelKey,
    LabelValue,
    NamespacePattern,
    Node,
    ServiceAccountName,
    distinct,
)
from webhook.model.kinds import Makers
from webhook.model.limits import (
    LONGEST_PATTERN,
    MOST_ALIASES,
    MOST_EXCEPTIONS,
    MOST_EXTRA_KINDS,
    MOST_REQUIRED,
    MOST_ROLES,
    MOST_VALUES,
)
from webhook.model.modes import EVERYWHERE, SEVERITY, Mode, Override
from webhook.model.names import CALICO_NAMESPACES
from webhook.model.namespaces import ALWAYS_EXEMPT, Namespaces
from webhook.model.nearness import nearest
from webhook.model.network import Network
from webhook.model.pattern import too_large, unlike, whole
from webhook.model.workload import Scope

LONGEST_FRESHNESS = 10_000  # ms; repair takes less than one of these seconds, a namespace's making anew a few


# Reserved whatever the file says, or by its defaults.
ALWAYS_GIVEN = frozenset({*CALICO_NAMESPACES, "tigera-operator"})

Aliases = Annotated[tuple[LabelKey, ...], Field(max_length=MOST_ALIASES), AfterValidator(distinct)]


class AppLabel(Node):
    """The label that names a Pod's application."""

    label: LabelKey = Field("app", description="the label itself")
    aliases: Aliases = Field(
        ("app.kubernetes.io/name", "k8s-app"), description="labels that count in its place, the first one set wins"
    )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The label, then its aliases."""
        return (self.label, *self.aliases)

    def intended(self, labels: Mapping[str, str]) -> str | None:
        """What a Pod with these labels means to say, by whichever name comes first; None where it says nothing."""
        return next((value for key in self.keys if (value := labels.get(key))), None)


class RoleLabel(AppLabel):
    """The label that names a Pod's role, and the closed list of roles."""

    label: LabelKey = Field("role", description="the label itself")
    aliases: Aliases = Field(
        ("app.kubernetes.io/component",), description="labels that count in its place, the first one set wins"
    )
    one_of: Annotated[tuple[LabelValue, ...], Field(min_length=1, max_length=MOST_ROLES), AfterValidator(distinct)] = (
        Field(("frontend", "backend", "data"), description="the roles there are; no other value is admitted")
    )

    def intended(self, labels: Mapping[str, str]) -> str | None:
        """The role that a Pod with these labels means to have: the first one that is known, or else the nearest to the first."""
        said = [value for key in self.keys if (value := labels.get(key))]
        known = (value for value in said if value in self.one_of)
        return next(known, self.nearest(said[0]) if said else None)

    def nearest(self, value: str) -> str | None:
        """The role that may be meant by a value that is none; letter case is no matter here."""
        return nearest(value.lower(), self.one_of)


class Requirement(Node):
    """A further label that every Pod must carry: one of a closed list, or a full match of a pattern."""

    label: LabelKey = Field(description="the label")
    one_of: (
        Annotated[tuple[LabelValue, ...], Field(min_length=1, max_length=MOST_VALUES), AfterValidator(distinct)] | None
    ) = Field(None, description="the values there are")
    matches: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_PATTERN,
        description="a pattern that the whole value must match: a regular expression of the parts that docs/policy.md lists",
    )

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.one_of is None) == (self.matches is None):
            raise ValueError("give either oneOf or matches")
        if self.matches is not None and (what := too_large(self.matches)):
            raise ValueError(f"matches: {what}")
        try:
            if self.matches is not None:  # by itself first: a stray bracket must not close ours
                SchemaValidator(core_schema.str_schema(pattern=self.matches))
            self.admits("")
        except SchemaError as bad:
            reason = str(bad).rstrip().rpartition("error: ")[2]
            raise ValueError(f"matches: {self.matches!r} is no regular expression: {reason}") from None
        if self.matches is not None and (what := unlike(self.matches)):
            raise ValueError(f"matches: {what}")
        return self

    @property
    def expression(self) -> str:
        """The pattern as either engine looks for it."""
        return whole(self.matches or "")

    @cached_property
    def _validator(self) -> SchemaValidator:
        # pydantic's own engine is linear in the value's length, so no value that a user picks can stall a request.
        return SchemaValidator(core_schema.str_schema(pattern=self.expression))

    def admits(self, value: str) -> bool:
        """Whether the label may have this value."""
        if self.one_of is not None:
            return value in self.one_of
        return self._validator.isinstance_python(value)


def few_enough(value: Any) -> Any:
    """What may be a list of requirements; raises PydanticKnownError for one that is too long, before any pattern is compiled."""
    if isinstance(value, list | tuple) and len(value) > MOST_REQUIRED:
        long = {"field_type": "Tuple", "max_length": MOST_REQUIRED, "actual_length": len(value)}
        raise PydanticKnownError("too_long", long)
    return value


class Workloads(Node):
    """What every Pod must carry."""

    app: AppLabel = Field(AppLabel(), description="the label that names the application")
    role: RoleLabel = Field(RoleLabel(), description="the label that names the role")
    require: Annotated[tuple[Requirement, ...], BeforeValidator(few_enough)] = Field(
        (), max_length=MOST_REQUIRED, description="further labels"
    )
    fill_from_aliases: StrictBool = Field(
        default=True, description="write the plain label on a Pod at CREATE where only aliases stand, and they agree"
    )
    existing: Literal["admit", "judge"] = Field(
        "admit", description="Pods that Kubernetes' controllers make for owners older than catflap"
    )
    scope: Scope = Field(
        Scope.TEMPLATE,
        description="whose labels are judged of what makes Pods: those of its pod template, its own (object), or both; "
        "a Pod's own always are",
    )
    extra_kinds: tuple[ExtraKind, ...] = Field(
        (), max_length=MOST_EXTRA_KINDS, description="custom resources that make Pods, besides those that are built in"
    )

    @cached_property
    def extra_by_resource(self) -> Makers:
        """The extra kinds as reviews name them, by group and resource."""
        return {(one.group, one.resource): one.maker for one in self.extra_kinds}

    @cached_property
    def extra_by_kind(self) -> Makers:
        """The extra kinds as manifests name them, by group and kind."""
        return {(one.group, one.kind): one.maker for one in self.extra_kinds}


class Gate(Node):
    """How a namespace is proven closed before a Pod is stored in it."""

    freshness: int = Field(
        0,
        ge=0,
        le=LONGEST_FRESHNESS,
        strict=True,
        description="milliseconds for which a proof is trusted; for as long, Pods are stored in a namespace whose policy "
        "was removed, or that was made anew",
    )

    @property
    def seconds(self) -> float:
        """The freshness in seconds."""
        return self.freshness / 1000


class Claim(Node):
    """Who may carry a role; nobody else may."""

    namespaces: Annotated[tuple[NamespacePattern, ...], AfterValidator(distinct)] = Field(
        (), description="names and prefixes of namespaces; none: any"
    )
    service_accounts: Annotated[tuple[ServiceAccountName, ...], AfterValidator(distinct)] = Field(
        (), description="ServiceAccounts of the Pods, as namespace/name; none: any"
    )


class Role(Node):
    """What is particular to one role."""

    claim: Claim = Field(Claim(), description="who may carry it")


class GuardPolicy(Node):
    """The policy file, whole."""

    api_version: Literal["catflap.dev/v1"] = Field(description="the schema's version")
    kind: Literal["GuardPolicy"] = Field(description="the schema's name")
    mode: Mode = Field(Mode.ENFORCE, description="for every rule that says nothing of its own")
    rules: dict[str, Mode] = Field({}, description="a rule's own mode, by its id")
    workloads: Workloads = Field(Workloads(), description="what every Pod must carry")
    namespaces: Namespaces = Field(Namespaces(), description="which namespaces are judged and closed")
    network: Network = Field(Network(), description="how a closed namespace is closed")
    gate: Gate = Field(Gate(), description="how a namespace is proven closed before a Pod is stored in it")
    roles: dict[LabelValue, Role] = Field({}, description="what is particular to a role, by its name")
    policy_file: PolicyFileRights = Field(PolicyFileRights(), description="who may delete this file's ConfigMap")
    break_glass: BreakGlass = Field(BreakGlass(), description="who may act against the guard in an emergency")
    custom: tuple[CustomRule, ...] = Field((), max_length=MOST_RULES, description="rules of your own, in CEL")
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
    exceptions: tuple[Waiver, ...] = Field(
        (), max_length=MOST_EXCEPTIONS, description="rules whose faults pass in one namespace; each use is recorded"
    )

    @cached_property
    def given_names(self) -> tuple[str, ...]:
        """The names and prefixes under which not everybody may make a namespace: its name alone would give a right there."""
        claims = [role.claim for role in self.roles.values()]
        accounts = [self.exempt.service_accounts, *(claim.service_accounts for claim in claims)]
        names = {one.namespace for one in self.exceptions}
        names.update(*(claim.namespaces for claim in claims))
        names.update(account.partition("/")[0] for several in accounts for account in several)
        names.update(self.namespaces_of_principals, CALICO_NAMESPACES)  # decisions name accounts in them
        return tuple(sorted(names.union(self.namespaces.reserved_names) - ALWAYS_EXEMPT))

    @property
    def namespaces_of_principals(self) -> Iterator[str]:
        """The namespaces of the ServiceAccounts, and of the groups of them, that the file names as users and groups.

        Whoever makes such a namespace makes such accounts.
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
        """Whether a rule is not off in every namespace; found out once a policy, for every request asks."""
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
        """The mode in which a rule holds: the first one said of the rule itself, else of all rules.

        What is said of all is no stricter for it than `at_most`. `override` is what is said of the namespace alone.
        """
        local = override or EVERYWHERE
        own = local.rules.get(rule) or (None if local.mode else self.rules.get(rule))
        return own or min(local.mode or self.mode, at_most, key=SEVERITY.index)

    def waiver(self, rule: str, namespace: str, at: datetime) -> Waiver | None:
        """What lets a rule's faults pass in a namespace at a moment."""
        found = (one for one in self.exceptions if (one.rule, one.namespace) == (rule, namespace) and one.counts(at))
        return next(found, None)
