"""Kubernetes' own grammar of label keys and values (apimachinery, pkg/util/validation)."""

import re
from typing import Final

# A label value, and the part of a label key behind its slash.
LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# Calico's prefixes for the labels of a namespace and of a ServiceAccount among the labels of a Pod
# (libcalico-go, lib/backend/k8s/conversion/constants.go); a Pod's own label of that name comes first there.
RESERVED_PREFIXES: Final = {"pcns.": "namespace", "pcsa.": "ServiceAccount"}
# A binding writes those of the node onto its Pod (Kubernetes' admission plug-in PodTopologyLabels).
TOPOLOGY: Final = "topology.kubernetes.io/"

# Labels that Kubernetes itself writes on Pods and namespaces, so a user can neither choose their values nor be held to them, each with its writer.
# https://kubernetes.io/docs/reference/labels-annotations-taints/; kubernetes, staging/src/k8s.io/api: apps/v1/types.go
# (DefaultDeploymentUniqueLabelKey, ControllerRevisionHashLabelKey, StatefulSetPodNameLabel, PodIndexLabel,
# DeprecatedTemplateGeneration), batch/v1/types.go (JobNameLabel, ControllerUidLabel and their older names without a prefix).
WRITTEN_KEYS: Final = {
    "pod-template-hash": "the Deployment controller",
    "controller-revision-hash": "the DaemonSet and StatefulSet controllers",
    "pod-template-generation": "the DaemonSet controller",
    "statefulset.kubernetes.io/pod-name": "the StatefulSet controller",
    "apps.kubernetes.io/pod-index": "the StatefulSet controller",
    "controller-uid": "the Job controller",
    "job-name": "the Job controller",
    "kubernetes.io/metadata.name": "the API server",
}
WRITTEN_PREFIXES: Final = {
    TOPOLOGY: "the API server (from the Pod's node)",
    "batch.kubernetes.io/": "the Job controller",
}


def writer_of(key: str) -> str:
    """Return which part of Kubernetes writes a label of this key itself; empty where users choose its value."""
    by_prefix = (writer for prefix, writer in WRITTEN_PREFIXES.items() if key.startswith(prefix))
    return WRITTEN_KEYS.get(key) or next(by_prefix, "")
