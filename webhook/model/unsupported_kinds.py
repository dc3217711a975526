"""Kinds that make Pods or allow traffic, but that catflap does not check, with the notices about them.

The names are those in the CustomResourceDefinitions of the projects.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final

from webhook.model.kinds import BY_KIND, KUBERNETES_OWN, POLICIES_BY_KIND, POLICY_KINDS, VENDORS, Makers

# By API group: kinds that make Pods, but without a single pod template.
UNSUPPORTED_POD_MAKERS: Final[Mapping[str, frozenset[str]]] = {
    "acid.zalan.do": frozenset({"postgresql"}),
    "agones.dev": frozenset({"Fleet", "GameServer", "GameServerSet"}),
    "argoproj.io": frozenset({"ClusterWorkflowTemplate", "EventSource", "Sensor", "WorkflowTemplate"}),
    "batch.volcano.sh": frozenset({"Job"}),
    "elasticsearch.k8s.elastic.co": frozenset({"Elasticsearch"}),
    "flink.apache.org": frozenset({"FlinkDeployment", "FlinkSessionJob"}),
    "jobset.x-k8s.io": frozenset({"JobSet"}),
    "kafka.strimzi.io": frozenset({"Kafka", "KafkaBridge", "KafkaConnect", "KafkaMirrorMaker2", "KafkaNodePool"}),
    "kubeflow.org": frozenset({"MPIJob", "MXJob", "Notebook", "PaddleJob", "PyTorchJob", "TFJob", "XGBoostJob"}),
    "kubevirt.io": frozenset({"VirtualMachine", "VirtualMachineInstance", "VirtualMachineInstanceReplicaSet"}),
    "pool.kubevirt.io": frozenset({"VirtualMachinePool"}),
    "leaderworkerset.x-k8s.io": frozenset({"LeaderWorkerSet"}),
    "machinelearning.seldon.io": frozenset({"SeldonDeployment"}),
    "monitoring.coreos.com": frozenset({"Alertmanager", "Prometheus", "PrometheusAgent", "ThanosRuler"}),
    "opentelemetry.io": frozenset({"OpenTelemetryCollector"}),
    "postgresql.cnpg.io": frozenset({"Cluster", "Pooler"}),
    "ray.io": frozenset({"RayCluster", "RayJob", "RayService"}),
    "serving.kserve.io": frozenset({"InferenceService"}),
    "serving.knative.dev": frozenset({"Revision"}),
    "sparkoperator.k8s.io": frozenset({"ScheduledSparkApplication", "SparkApplication"}),
    "tekton.dev": frozenset({"ClusterTask", "Pipeline", "PipelineRun", "Task", "TaskRun"}),
    "trainer.kubeflow.org": frozenset({"TrainJob"}),
}
# By API group: kinds that control traffic in addition to network policies, or with precedence over them.
UNSUPPORTED_POLICIES: Final[Mapping[str, frozenset[str]]] = {
    "cilium.io": frozenset({"CiliumClusterwideNetworkPolicy", "CiliumLocalRedirectPolicy", "CiliumNetworkPolicy"}),
    "crd.antrea.io": frozenset({"ClusterNetworkPolicy", "NetworkPolicy"}),
    "k8s.cni.cncf.io": frozenset({"MultiNetworkPolicy"}),
    "k8s.ovn.org": frozenset({"EgressFirewall"}),
    "network.openshift.io": frozenset({"EgressNetworkPolicy"}),
    "networking.gke.io": frozenset({"FQDNNetworkPolicy"}),
    "networking.k8s.aws": frozenset({"ApplicationNetworkPolicy", "ClusterNetworkPolicy"}),
    "policy.networking.k8s.io": frozenset({"BaselineAdminNetworkPolicy"}),
    "security.antrea.tanzu.vmware.com": frozenset({"ClusterNetworkPolicy", "NetworkPolicy"}),
}
POLICY_WORD: Final = "networkpolicy"
# Groups of Kubernetes' own in which a kind is misspelt or outdated, and never a vendor's.
WITHOUT_DOT: Final = "."
SAME_WORD: Final = 0.85  # difflib's ratio: one letter in seven may differ
# kubernetes, pkg/registry: ShortNames of the resources; openshift/origin has dc.
SHORT_NAMES: Final[Mapping[str, str]] = {
    "cj": "CronJob",
    "dc": "DeploymentConfig",
    "deploy": "Deployment",
    "ds": "DaemonSet",
    "netpol": "NetworkPolicy",
    "po": "Pod",
    "rc": "ReplicationController",
    "rs": "ReplicaSet",
    "sts": "StatefulSet",
}
KNOWN_KINDS: Final = {
    **{(maker.group, maker.kind): f"{maker.group}/v1".lstrip("/") for maker in KUBERNETES_OWN},
    ("apps.openshift.io", "DeploymentConfig"): "apps.openshift.io/v1",
    **{
        (kind.group, kind.kind): f"{kind.group}/{kind.version}"
        for kind in POLICY_KINDS
        if kind.group.endswith("k8s.io")
    },
}


KINDS_BY_GROUP: Final = {
    group: frozenset(
        {
            *UNSUPPORTED_POD_MAKERS.get(group, ()),
            *UNSUPPORTED_POLICIES.get(group, ()),
            *(maker.kind for maker in VENDORS if maker.group == group),
            *(policy.kind for policy in POLICY_KINDS if policy.group == group),
        }
    )
    for group in {
        *UNSUPPORTED_POD_MAKERS,
        *UNSUPPORTED_POLICIES,
        *(one.group for one in VENDORS),
        *(one.group for one in POLICY_KINDS),
    }
}


def is_unsupported_policy(group: str, kind: str) -> bool:
    """Return whether a kind controls traffic, and catflap does not check it."""
    if (group, kind) in POLICIES_BY_KIND:
        return False
    return kind in UNSUPPORTED_POLICIES.get(group, ()) or (kind.lower().endswith(POLICY_WORD) and WITHOUT_DOT in group)


def unsupported_policy_notice(group: str, kind: str) -> str:
    """Return the notice about a kind that controls traffic and is not checked; else an empty string."""
    if not is_unsupported_policy(group, kind):
        return ""
    return f"catflap does not read {kind} of {group}, which also allows or denies connections; review it yourself"


def is_unsupported_pod_maker(group: str, kind: str, extra: Makers) -> bool:
    """Return whether a kind makes Pods, and catflap does not check it."""
    return kind in UNSUPPORTED_POD_MAKERS.get(group, ()) and (group, kind) not in {*BY_KIND, *extra}


def suggested_kind(api_version: str, kind: str) -> str:
    """Return a suggestion for a kind that its API does not have, such as `apps/v1 Deployment`; else an empty string.

    The short names of kubectl also give a suggestion. A vendor's group may have kinds with similar names, so
    of its kinds only those are suggested that differ in case or by their plural.
    """
    group = api_version.rpartition("/")[0]
    if WITHOUT_DOT in group and not group.endswith(".k8s.io"):
        found = next((one for one in sorted(KINDS_BY_GROUP.get(group, ())) if is_same_word(kind, one)), "")
        return f"{api_version} {found}" if found and found != kind else ""
    if (group, kind) in KNOWN_KINDS:
        return ""
    name = SHORT_NAMES.get(kind.lower()) or nearest(kind, {name for _, name in KNOWN_KINDS})
    same = [known for known in KNOWN_KINDS if known[1] == name]
    right = next((known for known in same if known[0] == group), same[0] if same else None)
    return f"{KNOWN_KINDS[right]} {right[1]}" if right else ""


def is_same_word(kind: str, other: str) -> bool:
    """Return whether a kind equals another one except for letter case or the plural."""
    return kind.lower() in {other.lower(), f"{other.lower()}s"}


def nearest(kind: str, names: Collection[str]) -> str:
    """Return the kind that differs in case, by a letter or two, or by its plural; an empty string if there is none."""
    if kind in names:
        return kind
    by_lower = {name.lower(): name for name in sorted(names)}
    singular = kind.lower().removesuffix("s")
    wanted = singular if singular in by_lower else kind.lower()
    return next((by_lower[one] for one in get_close_matches(wanted, by_lower, n=1, cutoff=SAME_WORD)), "")


def current_version(api_version: str, kind: str) -> str:
    """Return the current API version of a Kubernetes kind if another one is written; else an empty string."""
    group = api_version.rpartition("/")[0]
    wanted = KNOWN_KINDS.get((group, kind), "")
    return wanted if wanted and wanted != api_version and group != "policy.networking.k8s.io" else ""
