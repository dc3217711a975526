"""What an admin rules: the policy file as frozen values, with its defaults.

The field names are the file's own; the descriptions become its JSON Schema.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from webhook.model.extra_kinds import ExtraKind
from webhook.model.fields import LabelKey, LabelValue, NamespaceName, NamespacePattern, Node, distinct
from webhook.model.kinds import Makers
from webhook.model.names import BREAK_GLASS_GROUP
from webhook.model.network import Network
from webhook.model.workload import Scope

# What must run before anything else can, this webhook included: never judged, whatever the file says.
ALWAYS_EXEMPT = frozenset({"kube-system", "kube-public", "kube-node-lease"})

# Far above any cluster's, and far below what CEL takes as one expression.
MOST_EXTRA_KINDS = 100
LONGEST_FRESHNESS = 10_000  # ms; repair takes less than one of these seconds, a namespace's making anew a few


class Mode(StrEnum):
    """What a fault does to the request."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"
    OFF = "off"


SEVERITY = (Mode.OFF, Mode.AUDIT, Mode.WARN, Mode.ENFORCE)


class AppLabel(Node):
    """The label that names a Pod's application."""

    label: LabelKey = Field("app", description="the label itself")
    aliases: Annotated[tuple[LabelKey, ...], AfterValidator(distinct)] = Field(
        ("app.kubernetes.io/name", "k8s-app"), description="labels that count in its place, the first one set wins"
    )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The label, then its aliases."""
        return (self.label, *self.aliases)


class RoleLabel(AppLabel):
    """The label that names a Pod's role, and the closed list of roles."""

    label: LabelKey = Field("role", description="the label itself")
    aliases: Annotated[tuple[LabelKey, ...], AfterValidator(distinct)] = Field(
        ("app.kubernetes.io/component",), description="labels that count in its place, the first one set wins"
    )
    one_of: Annotated[tuple[LabelValue, ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        ("frontend", "backend", "data"), description="the roles there are; no other value is admitted"
    )


class Requirement(Node):
    """A further label that every Pod must carry: one of a closed list, or a full match of a pattern."""

    label: LabelKey = Field(description="the label")
    one_of: Annotated[tuple[LabelValue, ...], Field(min_length=1), AfterValidator(distinct)] | None = Field(
        None, description="the values there are"
    )
    matches: str | None = Field(
        None, min_length=1, description="a regular expression that the whole value must match (RE2 syntax)"
    )

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.one_of is None) == (self.matches is None):
            raise ValueError("give either oneOf or matches")
        try:
            if self.matches is not None:  # by itself first: a stray bracket must not close ours
                SchemaValidator(core_schema.str_schema(pattern=self.matches))
            self.admits("")
        except SchemaError as bad:
            reason = str(bad).rstrip().rpartition("error: ")[2]
            raise ValueError(f"matches: {self.matches!r} is no regular expression: {reason}") from None
        return self

    @cached_property
    def _validator(self) -> SchemaValidator:
        # pydantic's own engine is linear in the value's length, so no value that a user picks can stall a request.
        return SchemaValidator(core_schema.str_schema(pattern=rf"^(?:{self.matches})$"))

    def admits(self, value: str) -> bool:
        """Whether the label may have this value."""
        if self.one_of is not None:
            return value in self.one_of
        return self._validator.isinstance_python(value)


class Workloads(Node):
    """What every Pod must carry."""

    app: AppLabel = Field(AppLabel(), description="the label that names the application")
    role: RoleLabel = Field(RoleLabel(), description="the label that names the role")
    require: tuple[Requirement, ...] = Field((), description="further labels")
    fill_from_aliases: StrictBool = Field(
        default=True, description="write the plain label on a Pod at CREATE where only an alias stands"
    )
    existing: Literal["admit", "judge"] = Field(
        "admit", description="Pods that Kubernetes' controllers make for owners older than catflap"
    )
    scope: Scope = Field(
        Scope.TEMPLATE,
        description="whose labels are judged of what makes Pods: those of its pod template, its own (object), or both; "
        "a Pod's own always are",
    )
    extra_kinds: Annotated[tuple[ExtraKind, ...], Field(max_length=MOST_EXTRA_KINDS)] = Field(
        (), description="custom resources that make Pods, besides those that are built in"
    )

    @cached_property
    def extra_by_resource(self) -> Makers:
        """The extra kinds as reviews name them, by group and resource."""
        return {(one.group, one.resource): one.maker for one in self.extra_kinds}

    @cached_property
    def extra_by_kind(self) -> Makers:
        """The extra kinds as manifests name them, by group and kind."""
        return {(one.group, one.kind): one.maker for one in self.extra_kinds}


class Environment(Node):
    """The label that tells environments apart; the labels of namespaces, not of Pods."""

    label: LabelKey = Field("environment", description="the label itself")
    one_of: Annotated[tuple[LabelValue, ...], AfterValidator(distinct)] = Field(
        (), description="the environments there are, such as [production, test]; none: they are not told apart"
    )


class Namespaces(Node):
    """Which namespaces are judged and closed."""

    adopt: Literal["none", "all"] | tuple[NamespacePattern, ...] = Field(
        "none", description="namespaces older than catflap to close as well: none, all, or names and prefixes (team-*)"
    )
    exempt: Annotated[tuple[NamespaceName, ...], AfterValidator(distinct)] = Field(
        ("kube-system", "kube-public", "kube-node-lease", "calico-system", "calico-apiserver", "tigera-operator"),
        description="namespaces that are neither judged nor closed; kube-system, kube-public and kube-node-lease always",
    )
    environment: Environment = Field(Environment(), description="what tells environments apart")
    labelled_by: Annotated[tuple[str, ...], AfterValidator(distinct)] = Field(
        ("system:masters",),
        description="groups whose members may set, change and remove the environment's label and catflap.dev/guard",
    )

    def exempts(self, name: str) -> bool:
        """Whether neither rules nor policies touch this namespace."""
        return name in ALWAYS_EXEMPT or name in self.exempt

    def adopts(self, name: str) -> bool:
        """Whether this namespace is closed although it is older than catflap."""
        if isinstance(self.adopt, str):
            return self.adopt == "all"
        return any(
            name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in self.adopt
        )

    def environment_of(self, labels: Mapping[str, str]) -> str:
        """The environment that a namespace with these labels is in; empty where it is in none that we know."""
        value = labels.get(self.environment.label, "")
        return value if value in self.environment.one_of else ""


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


class BreakGlass(Node):
    """Who may act against the guard in an emergency; each use is recorded."""

    groups: Annotated[tuple[str, ...], AfterValidator(distinct)] = Field(
        (BREAK_GLASS_GROUP,), description="groups whose members may edit and delete catflap's own policies"
    )


class Waiver(Node):
    """One rule's faults let pass in one namespace, by somebody who answers for it, up to a day."""

    rule: str = Field(description="the rule's id")
    namespace: NamespaceName = Field(description="where it does not refuse")
    owner: str = Field(min_length=1, description="who answers for it")
    reason: str = Field(min_length=1, description="why")
    until: date = Field(description="the last day on which it counts, to 24:00 UTC")

    def __str__(self) -> str:
        return f"exception from {self.rule} until {self.until}, {self.owner}: {self.reason}"

    def counts(self, at: datetime) -> bool:
        """Whether it still counts at a moment."""
        return at.astimezone(UTC).date() <= self.until


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
    break_glass: BreakGlass = Field(BreakGlass(), description="who may act against the guard in an emergency")
    exceptions: tuple[Waiver, ...] = Field(
        (), description="rules whose faults pass in one namespace; each use is recorded"
    )

    def mode_of(self, rule: str, *, at_most: Mode = Mode.ENFORCE) -> Mode:
        """The mode in which a rule holds: its own, or the file's, which is no stricter than `at_most`."""
        own = self.rules.get(rule)
        if own is not None or at_most is Mode.ENFORCE:
            return own or self.mode
        return min(self.mode, at_most, key=SEVERITY.index)

    def waiver(self, rule: str, namespace: str, at: datetime) -> Waiver | None:
        """What lets a rule's faults pass in a namespace at a moment."""
        found = (one for one in self.exceptions if (one.rule, one.namespace) == (rule, namespace) and one.counts(at))
        return next(found, None)
