"""Namespaces and Pods to ask about, and the manifests that they are in a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Manifest = Mapping[str, Any]

NAME_LABEL: Final = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Space:
    """A namespace, with the labels that somebody gave it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, *, calico: bool) -> Manifest:
        """As it stands in a cluster: the API server adds a label, and Calico one that only Calico knows."""
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
        """How it is called in an answer."""
        return f"{self.space}/{self.name}"

    def manifest(self, *, calico: bool) -> Manifest:
        """As it stands in a cluster, as far as policies can tell."""
        own = {"projectcalico.org/namespace": self.space, "projectcalico.org/orchestrator": "k8s"} if calico else {}
        metadata = {"name": self.name, "namespace": self.space, "labels": {**self.labels, **own}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}


@dataclass(frozen=True)
class Topology:
    """All namespaces of a cluster and their Pods."""

    spaces: tuple[Space, ...]
    pods: tuple[Pod, ...]
