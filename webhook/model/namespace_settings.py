"""The namespaces section of the policy file: exempt, included and isolated namespaces, and overrides."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, WrapValidator

from webhook.model.distinct_values import distinct
from webhook.model.fields import (
    LabelKey,
    LabelValue,
    NamespaceName,
    NamespacePattern,
    NamespacePrefix,
    Node,
    Principals,
)
from webhook.model.limits import MOST_NAMESPACES, MOST_OVERRIDES, MOST_VALUES
from webhook.model.modes import Override

# Namespaces that must work before everything else, including this webhook: always exempt.
ALWAYS_EXEMPT = frozenset({"kube-system", "kube-public", "kube-node-lease"})


class Environment(Node):
    """The namespace label that distinguishes environments."""

    label: LabelKey = Field("environment", description="the label key")
    one_of: Annotated[tuple[LabelValue, ...], Field(max_length=MOST_VALUES), WrapValidator(distinct)] = Field(
        (), description="the environments, such as [production, test]; empty: environments are not separated"
    )


class Reserved(Node):
    """Namespaces that are exempt by a prefix of their name, and the groups that may create them."""

    prefixes: Annotated[tuple[NamespacePrefix, ...], WrapValidator(distinct)] = Field(
        (), description="prefixes such as openshift-*; these namespaces are neither checked nor isolated"
    )
    groups: Principals = Field(
        ("system:masters", "system:serviceaccounts:tigera-operator"),
        description="groups whose members may create namespaces that are exempt or reserved, and namespaces whose names are in overrides, claims, exceptions or "
        "exempt.serviceAccounts",
    )

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """Return the prefixes without their stars."""
        return tuple(prefix[:-1] for prefix in self.prefixes)


class Namespaces(Node):
    """The namespaces that are checked and isolated."""

    include_existing: (
        Literal["none", "all"] | Annotated[tuple[NamespacePattern, ...], Field(max_length=MOST_NAMESPACES)]
    ) = Field(
        "none",
        description="namespaces older than catflap that are isolated as well: none, all, or names and prefixes (team-*)",
    )
    exempt: Annotated[tuple[NamespaceName, ...], WrapValidator(distinct)] = Field(
        ("kube-system", "kube-public", "kube-node-lease", "calico-system", "calico-apiserver", "tigera-operator"),
        description="namespaces that are neither checked nor isolated; kube-system, kube-public and kube-node-lease are always exempt",
    )
    environment: Environment = Field(Environment(), description="how environments are separated")
    reserved: Reserved = Field(Reserved(), description="namespaces that are exempt by their prefix")
    overrides: tuple[Override, ...] = Field(
        (),
        max_length=MOST_OVERRIDES,
        description="namespaces with a different mode; the first match counts",
    )
    labelled_by: Principals = Field(
        ("system:masters",),
        description="groups whose members may set, change and remove the environment label, catflap.dev/guard and the "
        "labels in overrides",
    )

    @cached_property
    def exempted(self) -> tuple[str, ...]:
        """Return the names and prefixes of the namespaces that are exempt from rules and isolation."""
        return tuple(sorted(ALWAYS_EXEMPT.union(self.exempt, self.reserved.prefixes)))

    @cached_property
    def reserved_names(self) -> tuple[str, ...]:
        """Return the names and prefixes of namespaces that are exempt or have an override.

        The always exempt ones are left out, because the API server itself creates them.
        """
        overridden = (name for override in self.overrides for name in override.names)
        return tuple(sorted({*self.exempted, *overridden} - ALWAYS_EXEMPT))

    @cached_property
    def protected_labels(self) -> tuple[str, ...]:
        """Return the protected labels of namespaces, without the guard label."""
        environment = {self.environment.label} if self.environment.one_of else set()
        return tuple(sorted(environment.union(*(override.labels for override in self.overrides))))

    @cached_property
    def overridden_by_label(self) -> bool:
        """Return whether the mode of a rule can depend on the labels of a namespace."""
        return any(override.labels for override in self.overrides)

    def exempts(self, name: str) -> bool:
        """Return whether this namespace is exempt from rules and isolation."""
        return name in ALWAYS_EXEMPT or name in self.exempt or name.startswith(self.reserved.stems)

    def override(self, name: str, labels: Mapping[str, str]) -> Override | None:
        """Return the override for a namespace; None if there is none."""
        return next((one for one in self.overrides if one.meets(name, labels)), None)

    def includes_existing(self, name: str) -> bool:
        """Return whether this namespace is isolated even if it is older than catflap."""
        if isinstance(self.include_existing, str):
            return self.include_existing == "all"
        names, stems = self._included
        return name in names or name.startswith(stems)

    @cached_property
    def _included(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the included names and prefixes, cached because they are compared with every namespace of a cluster."""
        stems = tuple(pattern[:-1] for pattern in self.include_existing if pattern.endswith("*"))
        return frozenset(self.include_existing), stems

    def environment_of(self, labels: Mapping[str, str]) -> str:
        """Return the environment of a namespace with these labels; empty if it is in no known environment."""
        value = labels.get(self.environment.label, "")
        return value if value in self.environment.one_of else ""
