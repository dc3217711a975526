"""Resources that make Pods, with the paths of their pod templates.

The paths are those of the Kubernetes API, and of the API that each vendor's own types say; a Pod is its own template.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

HOST_NETWORK: Final = "hostNetwork"
ACCOUNT_FIELDS: Final = ("serviceAccountName", "serviceAccount")  # the second one is an older name
# The fields of a Pod's spec that rules read.
POD_SPEC_FIELDS: Final = (HOST_NETWORK, *ACCOUNT_FIELDS)


class PodMaker(NamedTuple):
    """A resource whose objects are Pods or make them.

    `template` is the dotted path of the pod template inside the object, empty for a Pod; `alternatives` are further
    paths that may have it instead. `reference` is the path of what names another object to make Pods from. `custom`
    means a resource of a CustomResourceDefinition, which can have any versions and loosely typed fields.

    Where `pod_metadata` is set, `template` leads to the settings of all Pods of an object instead: that field has their metadata, and a
    Pod's other fields are next to it. Fields at the `partial` paths can give Pods further labels, so an object with one of them is not checked.
    """

    group: str
    resource: str
    kind: str
    template: str
    alternatives: tuple[str, ...] = ()
    reference: str = ""
    custom: bool = False
    pod_metadata: str = ""
    partial: tuple[str, ...] = ()

    @property
    def metadata_path(self) -> str:
        """Return the field path of the metadata that the Pods get their labels from, where there is but one."""
        return self.metadata_at(self.template) if self.template else "metadata"

    def metadata_at(self, template: str) -> str:
        """Return the field path of the Pods' metadata below one of `templates`."""
        return f"{template}.{self.pod_metadata or 'metadata'}"

    def pod_field(self, field: str) -> str:
        """Return the path of a field of a Pod's spec, below a template."""
        return field if self.pod_metadata else f"spec.{field}"

    @property
    def templates(self) -> tuple[str, ...]:
        """Return every path that may have a pod template."""
        return (self.template, *self.alternatives)

    @property
    def sources(self) -> tuple[str, ...]:
        """Return every path that decides what the Pods are: of settings of all Pods those that rules read, so that an object can still be stopped."""
        if self.pod_metadata:
            fields = (self.pod_metadata, *POD_SPEC_FIELDS)
            return tuple(f"{template}.{field}" for template in self.templates for field in fields)
        return (*self.templates, self.reference) if self.reference else self.templates


def selector_beside(template: str) -> str:
    """Return the path of the selector next to the pod template at a path."""
    return f"{template.rpartition('.')[0]}.selector".lstrip(".")


POD = PodMaker("", "pods", "Pod", "")
NAMESPACES = ("", "namespaces")
CONFIGMAPS = ("", "configmaps")
# The two ways to bind a Pod to its node, which write labels onto it as well (kubernetes, pkg/registry/core/pod/storage).
BINDINGS = frozenset({("", "bindings", ""), ("", "pods", "binding")})
# The subresources through which labels can be changed (kubernetes, pkg/registry/core/pod/strategy.go and
# namespace/strategy.go: what they reset is the spec, and of the metadata at most the deletion and the owners).
LABELLING_SUBRESOURCES: Mapping[tuple[str, str], tuple[str, ...]] = {
    (POD.group, POD.resource): ("status",),
    NAMESPACES: ("status", "finalize"),
}

USUAL_TEMPLATE = "spec.template"

# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
KUBERNETES_OWN: tuple[PodMaker, ...] = (
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
KRUISE = "apps.kruise.io"
# openkruise/kruise, apis/apps/v1alpha1 and v1beta1: AdvancedCronJob's CronJobTemplate, UnitedDeployment's SubsetTemplate.
CRON_TEMPLATES = tuple(f"spec.template.{kind}Template.spec.template" for kind in ("job", "broadcastJob"))
SUBSET_TEMPLATES = tuple(
    f"spec.template.{kind}Template.spec.template"
    for kind in ("statefulSet", "advancedStatefulSet", "cloneSet", "deployment")
)
# argoproj/argo-workflows, pkg/apis/workflow/v1alpha1 (WorkflowSpec): a template's own metadata is added to podMetadata, and a
# WorkflowTemplate's podMetadata is merged with it.
WORKFLOW: Mapping[str, tuple[str, ...]] = {
    spec: (f"{spec}.templates", f"{spec}.templateDefaults", f"{spec}.workflowTemplateRef")
    for spec in ("spec", "spec.workflowSpec")
}
# argoproj/argo-rollouts, pkg/apis/rollouts/v1alpha1; kedacore/keda, apis/keda/v1alpha1; knative/serving, pkg/apis/serving/v1.
VENDORS: tuple[PodMaker, ...] = (
    PodMaker(KRUISE, "advancedcronjobs", "AdvancedCronJob", CRON_TEMPLATES[0], CRON_TEMPLATES[1:], custom=True),
    PodMaker(KRUISE, "broadcastjobs", "BroadcastJob", USUAL_TEMPLATE, custom=True),
    PodMaker(KRUISE, "clonesets", "CloneSet", USUAL_TEMPLATE, custom=True),
    PodMaker(KRUISE, "daemonsets", "DaemonSet", USUAL_TEMPLATE, custom=True),
    PodMaker(KRUISE, "statefulsets", "StatefulSet", USUAL_TEMPLATE, custom=True),
    PodMaker(KRUISE, "uniteddeployments", "UnitedDeployment", SUBSET_TEMPLATES[0], SUBSET_TEMPLATES[1:], custom=True),
    # openshift/api, apps/v1, DeploymentConfigSpec
    PodMaker("apps.openshift.io", "deploymentconfigs", "DeploymentConfig", USUAL_TEMPLATE, custom=True),
    *(
        PodMaker("argoproj.io", resource, kind, spec, custom=True, pod_metadata="podMetadata", partial=partial)
        for (resource, kind), (spec, partial) in zip(
            (("workflows", "Workflow"), ("cronworkflows", "CronWorkflow")), WORKFLOW.items(), strict=True
        )
    ),
    PodMaker("argoproj.io", "rollouts", "Rollout", USUAL_TEMPLATE, reference="spec.workloadRef", custom=True),
    PodMaker("keda.sh", "scaledjobs", "ScaledJob", "spec.jobTargetRef.template", custom=True),
    PodMaker("serving.knative.dev", "configurations", "Configuration", USUAL_TEMPLATE, custom=True),
    PodMaker("serving.knative.dev", "services", "Service", USUAL_TEMPLATE, custom=True),
)
POD_MAKERS: tuple[PodMaker, ...] = (*KUBERNETES_OWN, *VENDORS)

PLAIN = "networking.k8s.io"
CALICO = "projectcalico.org"
CALICO_STORAGE = "crd.projectcalico.org"  # the storage of Calico's API server; some clusters have only this group
POLICY_API = "policy.networking.k8s.io"


NETWORK_SET = "NetworkSet"
GLOBAL_NETWORK_SET = "GlobalNetworkSet"
NETWORK_SETS = frozenset({NETWORK_SET, GLOBAL_NETWORK_SET})


class PolicyKind(NamedTuple):
    """A resource that decides, alone or with others, which connections are allowed.

    A staged policy has no effect, but can be one of catflap.
    """

    group: str
    version: str
    resource: str
    kind: str
    namespaced: bool = True
    staged: bool = False


def calico_kinds(group: str, version: str) -> tuple[PolicyKind, ...]:
    """Return Calico's kinds; the stored resources have the same names."""
    return (
        PolicyKind(group, version, "networkpolicies", "NetworkPolicy"),
        PolicyKind(group, version, "stagednetworkpolicies", "StagedNetworkPolicy", staged=True),
        PolicyKind(group, version, "globalnetworkpolicies", "GlobalNetworkPolicy", namespaced=False),
        PolicyKind(
            group, version, "stagedglobalnetworkpolicies", "StagedGlobalNetworkPolicy", namespaced=False, staged=True
        ),
        PolicyKind(group, version, "networksets", NETWORK_SET),
        PolicyKind(group, version, "globalnetworksets", GLOBAL_NETWORK_SET, namespaced=False),
        PolicyKind(group, version, "tiers", "Tier", namespaced=False),
    )


POLICY_KINDS: tuple[PolicyKind, ...] = (
    *calico_kinds(CALICO_STORAGE, "v1"),
    PolicyKind(PLAIN, "v1", "networkpolicies", "NetworkPolicy"),
    PolicyKind(POLICY_API, "v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy", namespaced=False),
    PolicyKind(POLICY_API, "v1alpha2", "clusternetworkpolicies", "ClusterNetworkPolicy", namespaced=False),
    *calico_kinds(CALICO, "v3"),
)
# Kinds that catflap writes.
WRITTEN_KINDS = tuple(
    kind for kind in POLICY_KINDS if kind.group in {PLAIN, CALICO} and kind.resource.endswith("policies")
)
POLICY_RESOURCES = frozenset((kind.group, kind.resource) for kind in POLICY_KINDS)
POLICIES_BY_KIND: Mapping[tuple[str, str], PolicyKind] = {(kind.group, kind.kind): kind for kind in POLICY_KINDS}

Makers = Mapping[tuple[str, str], PodMaker]
NO_EXTRA_KINDS: Makers = {}
BY_RESOURCE: Makers = {(m.group, m.resource): m for m in POD_MAKERS}
BY_KIND: Makers = {(m.group, m.kind): m for m in POD_MAKERS}
