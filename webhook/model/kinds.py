"""Which resources make Pods, and where each keeps its pod template.

The paths are the Kubernetes API's own; a Pod is its own template.
"""

from collections.abc import Mapping
from typing import NamedTuple


class PodMaker(NamedTuple):
    """A resource whose objects are Pods or make them.

    `template` is the dotted path of the pod template inside the object, empty for a Pod.
    """

    group: str
    resource: str
    kind: str
    template: str

    @property
    def metadata_path(self) -> str:
        """The field path of the metadata that the Pods get their labels from."""
        return f"{self.template}.metadata" if self.template else "metadata"


POD = PodMaker("", "pods", "Pod", "")
# The one subresource of a Pod through which labels can be changed (kubernetes, pkg/registry/core/pod/strategy.go: a status
# update resets the spec, and of the metadata only the deletion and the owners).
LABELLING_SUBRESOURCE = "status"

POD_MAKERS: tuple[PodMaker, ...] = (
    POD,
    PodMaker("", "podtemplates", "PodTemplate", "template"),
    PodMaker("", "replicationcontrollers", "ReplicationController", "spec.template"),
    PodMaker("apps", "daemonsets", "DaemonSet", "spec.template"),
    PodMaker("apps", "deployments", "Deployment", "spec.template"),
    PodMaker("apps", "replicasets", "ReplicaSet", "spec.template"),
    PodMaker("apps", "statefulsets", "StatefulSet", "spec.template"),
    PodMaker("batch", "cronjobs", "CronJob", "spec.jobTemplate.spec.template"),
    PodMaker("batch", "jobs", "Job", "spec.template"),
)

# Where policies of ours, and those that look like them, may stand; crd.projectcalico.org is how Calico stores its own.
CALICO_STORAGE = "crd.projectcalico.org"
NETWORK_POLICIES: Mapping[tuple[str, str], str] = {
    (group, "networkpolicies"): version
    for group, version in (("networking.k8s.io", "v1"), ("projectcalico.org", "v3"), (CALICO_STORAGE, "v1"))
}

BY_RESOURCE: Mapping[tuple[str, str], PodMaker] = {(m.group, m.resource): m for m in POD_MAKERS}
BY_KIND: Mapping[tuple[str, str], PodMaker] = {(m.group, m.kind): m for m in POD_MAKERS}
