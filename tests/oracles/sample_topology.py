"""Sample namespaces and Pods, and their manifests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Manifest = Mapping[str, Any]

NAME_LABEL: Final = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Space:
    """A namespace with its users' labels."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, *, calico: bool) -> Manifest:
        """Return the manifest with the label that the API server adds, and with Calico's own label."""
        own = {NAME_LABEL: self.name, **({"projectcalico.org/name": self.name} if calico else {})}
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.name, "labels": {**self.labels, **own}},
        }


@dataclass(frozen=True)
class Pod:
    """A Pod by its namespace, name and labels."""

    space: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        """Return the name of the Pod in the analyzer's answers."""
        return f"{self.space}/{self.name}"

    def manifest(self, *, calico: bool) -> Manifest:
        """Return the manifest with the fields that policies can select by."""
        own = {"projectcalico.org/namespace": self.space, "projectcalico.org/orchestrator": "k8s"} if calico else {}
        metadata = {"name": self.name, "namespace": self.space, "labels": {**self.labels, **own}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}


@dataclass(frozen=True)
class Topology:
    """All namespaces of a cluster and their Pods."""

    spaces: tuple[Space, ...]
    pods: tuple[Pod, ...]
