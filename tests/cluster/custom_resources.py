"""Vendors' kinds that create Pods, with CustomResourceDefinitions of these tests.

They have the vendors' group, kind and versions, and accept any field. No controller runs for them.
"""

from typing import Any, Final, NamedTuple

from tests.cluster.manifests import SELECTED, template
from tests.controlplane.cluster import Cluster

DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PRESERVING: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

Json = dict[str, Any]


class Custom(NamedTuple):
    """A kind, its served versions, and the path of its pod template."""

    group: str
    versions: tuple[str, ...]
    resource: str
    kind: str
    template: str

    @property
    def name(self) -> str:
        """Return the name of its definition."""
        return f"{self.resource}.{self.group}"

    def collection(self, space: str, version: str = "") -> str:
        """Return the path of its objects in a namespace."""
        return f"/apis/{self.group}/{version or self.versions[-1]}/namespaces/{space}/{self.resource}"

    def object(self, name: str, labels: Json, *, version: str = "", **spec: Any) -> Json:
        """Return an object whose Pods have `labels`; `spec` has further fields."""
        found: Json = template(labels)
        for step in reversed(self.template.split(".")):
            found = {step: found}
        found["spec"] |= spec
        api = f"{self.group}/{version or self.versions[-1]}"
        return {"apiVersion": api, "kind": self.kind, "metadata": {"name": name}, **found}


KRUISE: Final = ("apps.kruise.io", ("v1alpha1", "v1beta1"))
SUBSETS: Final = ("statefulSet", "advancedStatefulSet", "cloneSet", "deployment")
ROLLOUT: Final = Custom("argoproj.io", ("v1alpha1",), "rollouts", "Rollout", "spec.template")
CLONE_SET: Final = Custom(*KRUISE, "clonesets", "CloneSet", "spec.template")
VENDORS: Final = (
    ROLLOUT,
    CLONE_SET,
    Custom("apps.openshift.io", ("v1",), "deploymentconfigs", "DeploymentConfig", "spec.template"),
    Custom("keda.sh", ("v1alpha1",), "scaledjobs", "ScaledJob", "spec.jobTargetRef.template"),
    Custom("serving.knative.dev", ("v1",), "services", "Service", "spec.template"),
    Custom("serving.knative.dev", ("v1",), "configurations", "Configuration", "spec.template"),
    Custom(*KRUISE, "statefulsets", "StatefulSet", "spec.template"),
    Custom(*KRUISE, "daemonsets", "DaemonSet", "spec.template"),
    Custom(*KRUISE, "broadcastjobs", "BroadcastJob", "spec.template"),
    *(
        Custom(*KRUISE, "advancedcronjobs", "AdvancedCronJob", f"spec.template.{kind}Template.spec.template")
        for kind in ("job", "broadcastJob")
    ),
    *(
        Custom(*KRUISE, "uniteddeployments", "UnitedDeployment", f"spec.template.{kind}Template.spec.template")
        for kind in SUBSETS
    ),
)
WORKFLOW: Final = Custom("argoproj.io", ("v1alpha1",), "workflows", "Workflow", "spec")
WIDGET: Final = Custom("example.com", ("v1", "v2"), "widgets", "Widget", "spec.podTemplate")


def definition(custom: Custom) -> Json:
    """Return its CustomResourceDefinition, with the subresource for `kubectl scale`."""
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    common = {"served": True, "schema": {"openAPIV3Schema": PRESERVING}, "subresources": {"status": {}, "scale": scale}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": custom.name},
        "spec": {
            "group": custom.group,
            "names": {"kind": custom.kind, "plural": custom.resource},
            "scope": "Namespaced",
            "versions": [
                {"name": version, "storage": version == custom.versions[-1], **common} for version in custom.versions
            ],
        },
    }


def define(cluster: Cluster, custom: Custom) -> None:
    """Create the definition of a kind and wait until it is served; do nothing if it is."""
    if cluster.call("GET", f"{DEFINITIONS}/{custom.name}").refused:
        cluster.api("POST", DEFINITIONS, definition(custom))


def rollout_of(deployment: str) -> Json:
    """Return a Rollout that refers to a Deployment for its template."""
    found = ROLLOUT.object(
        "referring", {}, workloadRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
    )
    del found["spec"]["template"]
    return {**found, "spec": {**found["spec"], "selector": {"matchLabels": SELECTED}}}
