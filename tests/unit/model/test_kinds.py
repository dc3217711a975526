"""The table of resources that make Pods."""

import pytest

from tests.unit.samples import named
from webhook.model.kinds import BY_KIND, BY_RESOURCE, KUBERNETES_OWN, POD_MAKERS, VENDORS, PodMaker

# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
PATHS = {
    "Pod": "metadata",
    "PodTemplate": "template.metadata",
    "ReplicationController": "spec.template.metadata",
    "DaemonSet": "spec.template.metadata",
    "Deployment": "spec.template.metadata",
    "ReplicaSet": "spec.template.metadata",
    "StatefulSet": "spec.template.metadata",
    "Job": "spec.template.metadata",
    "CronJob": "spec.jobTemplate.spec.template.metadata",
}


# By apiVersion's group and kind: every path of a pod template, in the types of each vendor.
VENDOR_PATHS = {
    "Rollout.argoproj.io": ("spec.template",),
    "Workflow.argoproj.io": ("spec",),
    "CronWorkflow.argoproj.io": ("spec.workflowSpec",),
    "DeploymentConfig.apps.openshift.io": ("spec.template",),
    "ScaledJob.keda.sh": ("spec.jobTargetRef.template",),
    "Service.serving.knative.dev": ("spec.template",),
    "Configuration.serving.knative.dev": ("spec.template",),
    "CloneSet.apps.kruise.io": ("spec.template",),
    "StatefulSet.apps.kruise.io": ("spec.template",),
    "DaemonSet.apps.kruise.io": ("spec.template",),
    "BroadcastJob.apps.kruise.io": ("spec.template",),
    "AdvancedCronJob.apps.kruise.io": (
        "spec.template.jobTemplate.spec.template",
        "spec.template.broadcastJobTemplate.spec.template",
    ),
    "UnitedDeployment.apps.kruise.io": (
        "spec.template.statefulSetTemplate.spec.template",
        "spec.template.advancedStatefulSetTemplate.spec.template",
        "spec.template.cloneSetTemplate.spec.template",
        "spec.template.deploymentTemplate.spec.template",
    ),
}


def test_every_kind_of_kubernetes_own_that_makes_pods_is_there() -> None:
    """Each with the path of its labels."""
    assert {maker.kind: maker.metadata_path for maker in KUBERNETES_OWN} == PATHS


def test_the_kinds_of_vendors_are_there() -> None:
    """Each with every path that may have a pod template; nothing twice in the whole table."""
    assert {f"{maker.kind}.{maker.group}": maker.templates for maker in VENDORS} == VENDOR_PATHS
    assert all(maker.custom for maker in VENDORS)
    assert len(BY_KIND) == len(BY_RESOURCE) == len(POD_MAKERS) == len(PATHS) + len(VENDOR_PATHS)


@pytest.mark.parametrize("maker", POD_MAKERS, ids=named)
def test_a_kind_is_found_by_resource_and_by_name(maker: PodMaker) -> None:
    """Reviews name resources, manifests name kinds."""
    assert BY_RESOURCE[maker.group, maker.resource] is maker
    assert BY_KIND[maker.group, maker.kind] is maker


def test_a_workflow_has_the_pod_metadata_next_to_the_pod_fields() -> None:
    """Its spec is no pod template, but has settings of all its Pods."""
    assert BY_KIND["argoproj.io", "Workflow"].metadata_path == "spec.podMetadata"
    assert BY_KIND["argoproj.io", "CronWorkflow"].metadata_path == "spec.workflowSpec.podMetadata"
    assert BY_KIND["argoproj.io", "Workflow"].pod_field("hostNetwork") == "hostNetwork"
    assert BY_KIND["argoproj.io", "Rollout"].pod_field("hostNetwork") == "spec.hostNetwork"
