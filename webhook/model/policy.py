"""What an admin rules: the policy file as frozen values, with its defaults.

The field names are the file's own; the descriptions become its JSON Schema.
"""

import ipaddress
import re
from collections import Counter
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import SchemaError, SchemaValidator, core_schema

from webhook.model.labels import LABEL_NAME, LABEL_PREFIX
from webhook.model.names import BREAK_GLASS_GROUP

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
PORT = re.compile(r"([1-9][0-9]{0,4})/(TCP|UDP|SCTP)")
HIGHEST_PORT = 65535
# Calico's limits on one rule (projectcalico.org/v3 schema, maxItems).
MOST_PORTS = 50
MOST_NETWORKS = 256

# What must run before anything else can, this webhook included: never judged, whatever the file says.
ALWAYS_EXEMPT = frozenset({"kube-system", "kube-public", "kube-node-lease"})


def label_key(key: str) -> str:
    """A label key as Kubernetes takes it; raises ValueError otherwise."""
    prefix, slash, name = key.rpartition("/")
    if not LABEL_NAME.fullmatch(name) or (slash and not LABEL_PREFIX.fullmatch(prefix)):
        raise ValueError(
            f"{key!r} is no label key: [prefix.example/]name, the name of at most 63 letters, digits, '-_.'"
        )
    return key


def label_value(value: str) -> str:
    """A label value as Kubernetes takes it, and not empty; raises ValueError otherwise."""
    if not LABEL_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no label value: 1 to 63 letters, digits, '-_.', alphanumeric at both ends")
    return value


def namespace_name(name: str) -> str:
    """A namespace's full name; raises ValueError otherwise."""
    if not DNS_LABEL.fullmatch(name):
        raise ValueError(f"{name!r} is no namespace name: lower-case letters, digits and '-', at most 63")
    return name


def namespace_pattern(pattern: str) -> str:
    """A namespace's full name, or a prefix that ends in a star; raises ValueError otherwise."""
    namespace_name(pattern.removesuffix("*").rstrip("-") if pattern.endswith("*") else pattern)
    return pattern


def cidr(text: str) -> str:
    """An IPv4 or IPv6 network with no host bits set; raises ValueError otherwise."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, which means something on one node only")
    return str(ipaddress.ip_network(text))


def port(text: str) -> str:
    """A port with its protocol, as in `53/UDP`; raises ValueError otherwise."""
    match = PORT.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= HIGHEST_PORT:
        raise ValueError(
            f"{text!r} is no port: write 53/UDP, 8080/TCP or 9000/SCTP, the number from 1 to {HIGHEST_PORT}"
        )
    return text


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, if none stands twice; raises ValueError otherwise."""
    twice = sorted(str(value) for value, count in Counter(values).items() if count > 1)
    if twice:
        raise ValueError(f"stands twice: {', '.join(twice)}")
    return values


LabelKey = Annotated[str, AfterValidator(label_key)]
LabelValue = Annotated[str, AfterValidator(label_value)]
NamespaceName = Annotated[str, AfterValidator(namespace_name)]
NamespacePattern = Annotated[str, AfterValidator(namespace_pattern)]
Cidr = Annotated[str, AfterValidator(cidr)]
Port = Annotated[str, AfterValidator(port)]


class Mode(StrEnum):
    """What a fault does to the request."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"
    OFF = "off"


class Node(BaseModel):
    """A mapping of the file: frozen, camelCase outside, and no key that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False)


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


class Namespaces(Node):
    """Which namespaces are judged and closed."""

    adopt: Literal["none", "all"] | tuple[NamespacePattern, ...] = Field(
        "none", description="namespaces older than catflap to close as well: none, all, or names and prefixes (team-*)"
    )
    exempt: Annotated[tuple[NamespaceName, ...], AfterValidator(distinct)] = Field(
        ("kube-system", "kube-public", "kube-node-lease", "calico-system", "calico-apiserver", "tigera-operator"),
        description="namespaces that are neither judged nor closed; kube-system, kube-public and kube-node-lease always",
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


class DnsEndpoint(Node):
    """One place where Pods may ask for names: Pods by labels, or addresses."""

    namespace_labels: dict[LabelKey, LabelValue] = Field({}, description="labels of the DNS server's namespace")
    pod_labels: dict[LabelKey, LabelValue] = Field({}, description="labels of the DNS server's Pods")
    cidrs: Annotated[tuple[Cidr, ...], Field(max_length=MOST_NETWORKS), AfterValidator(distinct)] = Field(
        (), description="networks, for servers that no pod selector reaches"
    )
    ports: Annotated[tuple[Port, ...], Field(min_length=1, max_length=MOST_PORTS), AfterValidator(distinct)] = Field(
        ("53/UDP", "53/TCP"), description="the servers' own ports, behind any Service"
    )

    @model_validator(mode="after")
    def _is_pods_or_networks(self) -> Self:
        by_labels = bool(self.namespace_labels), bool(self.pod_labels)
        if by_labels != ((False, False) if self.cidrs else (True, True)):
            raise ValueError("give either namespaceLabels and podLabels, or cidrs")
        return self


DnsPreset = Literal["auto", "kube-dns", "node-local", "aks", "openshift", "none"]


class Network(Node):
    """How a closed namespace is closed."""

    engine: Literal["auto", "calico", "kubernetes"] = Field(
        "auto", description="whose policies are written; auto: Calico's where projectcalico.org/v3 is served"
    )
    dns: DnsPreset | tuple[DnsEndpoint, ...] = Field(
        "auto", description="the name servers that stay open; auto: by what the cluster shows"
    )


class BreakGlass(Node):
    """Who may act against the guard in an emergency; each use is recorded."""

    groups: Annotated[tuple[str, ...], AfterValidator(distinct)] = Field(
        (BREAK_GLASS_GROUP,), description="groups whose members may edit and delete catflap's own policies"
    )


class GuardPolicy(Node):
    """The policy file, whole."""

    api_version: Literal["catflap.dev/v1"] = Field(description="the schema's version")
    kind: Literal["GuardPolicy"] = Field(description="the schema's name")
    mode: Mode = Field(Mode.ENFORCE, description="for every rule that says nothing of its own")
    rules: dict[str, Mode] = Field({}, description="a rule's own mode, by its id")
    workloads: Workloads = Field(Workloads(), description="what every Pod must carry")
    namespaces: Namespaces = Field(Namespaces(), description="which namespaces are judged and closed")
    network: Network = Field(Network(), description="how a closed namespace is closed")
    break_glass: BreakGlass = Field(BreakGlass(), description="who may act against the guard in an emergency")

    def mode_of(self, rule: str) -> Mode:
        """The mode in which a rule holds."""
        return self.rules.get(rule, self.mode)
