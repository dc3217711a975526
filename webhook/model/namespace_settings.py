"""Which namespaces are judged and closed, and in which rules hold otherwise: a part of the policy file."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from webhook.model.fields import (
    LabelKey,
    LabelValue,
    NamespaceName,
    NamespacePattern,
    NamespacePrefix,
    Node,
    Principals,
    distinct,
)
from webhook.model.limits import MOST_NAMESPACES, MOST_OVERRIDES, MOST_VALUES
from webhook.model.modes import Override

# What must run before anything else can, this webhook included: never judged, whatever the file says.
ALWAYS_EXEMPT = frozenset({"kube-system", "kube-public", "kube-node-lease"})


class Environment(Node):
    """The label that tells environments apart; the labels of namespaces, not of Pods."""

    label: LabelKey = Field("environment", description="the label itself")
    one_of: Annotated[tuple[LabelValue, ...], Field(max_length=MOST_VALUES), AfterValidator(distinct)] = Field(
        (), description="the environments there are, such as [production, test]; none: they are not told apart"
    )


class Reserved(Node):
    """Namespaces that are exempt by the beginning of their name, and who makes them."""

    prefixes: Annotated[tuple[NamespacePrefix, ...], AfterValidator(distinct)] = Field(
        (), description="prefixes such as openshift-*; neither judged nor closed"
    )
    groups: Principals = Field(
        ("system:masters", "system:serviceaccounts:tigera-operator"),
        description="groups whose members may make namespaces that are exempt or reserved, or that overrides, claims, exceptions or exempt accounts name",
    )

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """Return the prefixes without their stars."""
        return tuple(prefix[:-1] for prefix in self.prefixes)


class Namespaces(Node):
    """Which namespaces are judged and closed."""

    adopt: Literal["none", "all"] | Annotated[tuple[NamespacePattern, ...], Field(max_length=MOST_NAMESPACES)] = Field(
        "none", description="namespaces older than catflap to close as well: none, all, or names and prefixes (team-*)"
    )
    exempt: Annotated[tuple[NamespaceName, ...], AfterValidator(distinct)] = Field(
        ("kube-system", "kube-public", "kube-node-lease", "calico-system", "calico-apiserver", "tigera-operator"),
        description="namespaces that are neither judged nor closed; kube-system, kube-public and kube-node-lease always",
    )
    environment: Environment = Field(Environment(), description="what tells environments apart")
    reserved: Reserved = Field(Reserved(), description="namespaces that are exempt by their prefix")
    overrides: tuple[Override, ...] = Field(
        (),
        max_length=MOST_OVERRIDES,
        description="namespaces in which rules hold in another mode; the first that fits counts",
    )
    labelled_by: Principals = Field(
        ("system:masters",),
        description="groups whose members may set, change and remove the environment's label, catflap.dev/guard and the "
        "labels that overrides name",
    )

    @cached_property
    def exempted(self) -> tuple[str, ...]:
        """Return the names and prefixes of all that neither rules nor policies touch."""
        return tuple(sorted(ALWAYS_EXEMPT.union(self.exempt, self.reserved.prefixes)))

    @cached_property
    def reserved_names(self) -> tuple[str, ...]:
        """Return the names and prefixes by which rules hold otherwise, or not at all.

        Not those that always are: the API server makes them itself, whether we are there or not.
        """
        overridden = (name for override in self.overrides for name in override.names)
        return tuple(sorted({*self.exempted, *overridden} - ALWAYS_EXEMPT))

    @cached_property
    def guarded_labels(self) -> tuple[str, ...]:
        """Return the labels of namespaces that something hangs on, beside our own."""
        environment = {self.environment.label} if self.environment.one_of else set()
        return tuple(sorted(environment.union(*(override.labels for override in self.overrides))))

    @cached_property
    def overridden_by_label(self) -> bool:
        """Return whether one has to know a namespace's labels to tell the mode of a rule there."""
        return any(override.labels for override in self.overrides)

    def exempts(self, name: str) -> bool:
        """Return whether neither rules nor policies touch this namespace."""
        return name in ALWAYS_EXEMPT or name in self.exempt or name.startswith(self.reserved.stems)

    def override(self, name: str, labels: Mapping[str, str]) -> Override | None:
        """Return what is said of a namespace alone; None where nothing is."""
        return next((one for one in self.overrides if one.meets(name, labels)), None)

    def adopts(self, name: str) -> bool:
        """Return whether this namespace is closed although it is older than catflap."""
        if isinstance(self.adopt, str):
            return self.adopt == "all"
        names, stems = self._adopted
        return name in names or name.startswith(stems)

    @cached_property
    def _adopted(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the names and the beginnings of names to adopt: asked of every namespace of a cluster."""
        stems = tuple(pattern[:-1] for pattern in self.adopt if pattern.endswith("*"))
        return frozenset(self.adopt), stems

    def environment_of(self, labels: Mapping[str, str]) -> str:
        """Return the environment that a namespace with these labels is in; empty where it is in none that we know."""
        value = labels.get(self.environment.label, "")
        return value if value in self.environment.one_of else ""
