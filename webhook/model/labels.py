"""Kubernetes' own grammar of label keys and values (apimachinery, pkg/util/validation)."""

import re
from typing import Final

# A label value, and the part of a label key behind its slash.
LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# What Calico puts before the labels of a namespace and of a ServiceAccount when its selectors look for them among a Pod's
# (libcalico-go, lib/backend/k8s/conversion/constants.go); a Pod's own label of that name comes first there.
RESERVED: Final = {"pcns.": "namespace", "pcsa.": "ServiceAccount"}
# A binding writes those of the node onto its Pod (Kubernetes' admission plug-in PodTopologyLabels).
TOPOLOGY: Final = "topology.kubernetes.io/"
