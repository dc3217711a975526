"""The table of resources that make Pods."""

import pytest

from webhook.model.kinds import BY_KIND, BY_RESOURCE, POD_MAKERS, PodMaker

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


def test_every_built_in_kind_that_makes_pods_is_there() -> None:
    """Kubernetes' own; nothing twice."""
    assert {maker.kind: maker.metadata_path for maker in POD_MAKERS} == PATHS
    assert len(BY_KIND) == len(BY_RESOURCE) == len(POD_MAKERS) == len(PATHS)


@pytest.mark.parametrize("maker", POD_MAKERS, ids=lambda maker: maker.kind)
def test_a_kind_is_found_by_resource_and_by_name(maker: PodMaker) -> None:
    """Reviews name resources, manifests name kinds."""
    assert BY_RESOURCE[maker.group, maker.resource] is maker
    assert BY_KIND[maker.group, maker.kind] is maker
