"""Check which objects without a review get a note, and which get none."""

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.laws.strategies import LAW
from tests.unit.samples import policy
from webhook.model.kinds import BY_KIND, POD_MAKERS, POLICY_KINDS
from webhook.model.unsupported_kinds import current_version, suggested_kind, unsupported_policy_notice
from webhook.review.manifests import read
from webhook.review.unknown_kinds import plural_of

SPEC = {"containers": [{"name": "web", "image": "web:1"}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": SPEC}


def note_on(api_version: str, kind: str, **fields: Any) -> str:
    """Return the note on an object with these fields."""
    document = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "one"}, **fields}
    return read(document, default_namespace="shop").not_judged


@pytest.mark.parametrize(
    ("api_version", "kind", "right"),
    [
        ("v1", "pod", "v1 Pod"), ("v1", "Pods", "v1 Pod"), ("apps/v1", "Pod", "v1 Pod"), ("v1", "Deployment", "apps/v1 Deployment"),
        ("extensions/v1beta1", "Deployment", "apps/v1 Deployment"), ("extensions/v1beta1", "DaemonSet", "apps/v1 DaemonSet"),
        ("apps/v1", "deployment", "apps/v1 Deployment"), ("apps/v1", "Deploymnet", "apps/v1 Deployment"),
        ("apps/v1", "StatefullSet", "apps/v1 StatefulSet"), ("v1", "Statefulset", "apps/v1 StatefulSet"),
        ("v1", "CronJob", "batch/v1 CronJob"), ("apps/v1", "Job", "batch/v1 Job"), ("batch/v1", "Cronjob", "batch/v1 CronJob"),
        ("extensions/v1beta1", "NetworkPolicy", "networking.k8s.io/v1 NetworkPolicy"),
        ("v1", "networkpolicy", "networking.k8s.io/v1 NetworkPolicy"), ("apps/v1", "ReplicationController", "v1 ReplicationController"),
        ("v1", "DeploymentConfig", "apps.openshift.io/v1 DeploymentConfig"), ("apps.openshift.io/v1", "deploymentconfig", "apps.openshift.io/v1 DeploymentConfig"),
        ("v1", "po", "v1 Pod"), ("apps/v1", "deploy", "apps/v1 Deployment"), ("v1", "STS", "apps/v1 StatefulSet"), ("batch/v1", "cj", "batch/v1 CronJob"),
        ("argoproj.io/v1alpha1", "RollOut", "argoproj.io/v1alpha1 Rollout"), ("argoproj.io/v1alpha1", "rollouts", "argoproj.io/v1alpha1 Rollout"),
        ("serving.knative.dev/v1", "service", "serving.knative.dev/v1 Service"), ("kubevirt.io/v1", "Virtualmachine", "kubevirt.io/v1 VirtualMachine"),
        ("cilium.io/v2", "ciliumnetworkpolicy", "cilium.io/v2 CiliumNetworkPolicy"), ("projectcalico.org/v3", "Networkpolicy", "projectcalico.org/v3 NetworkPolicy"),
    ],
)  # fmt: skip
def test_misspelt_kind_has_a_suggestion(api_version: str, kind: str, right: str) -> None:
    """The API server would know no such kind."""
    assert suggested_kind(api_version, kind) == right
    assert right.partition(" ")[0] in note_on(api_version, kind)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "Service"), ("v1", "Node"), ("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "Endpoints"), ("v1", "Namespace"), ("v1", "Event"),
        ("apps/v1", "ControllerRevision"), ("policy/v1", "PodDisruptionBudget"), ("policy/v1beta1", "PodSecurityPolicy"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"), ("extensions/v1beta1", "Ingress"), ("networking.k8s.io/v1", "Ingress"),
        ("metrics.k8s.io/v1beta1", "PodMetrics"), ("batch.volcano.sh/v1alpha1", "Queue"), ("example.com/v1", "Deployment"),
        ("kafka.strimzi.io/v1beta2", "KafkaMirrorMaker"), ("kubevirt.io/v1", "VirtualMachineInstancePreset"), ("argoproj.io/v1alpha1", "Application"),
        ("cluster.x-k8s.io/v1beta1", "MachineDeployment"), ("kueue.x-k8s.io/v1beta1", "Workload"), ("example.com/v1", "job"),
    ],
)  # fmt: skip
def test_other_kinds_have_no_suggestion(api_version: str, kind: str) -> None:
    """A vendor may choose any name for its kinds."""
    assert note_on(api_version, kind) == ""


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        pytest.param({"spec": {"template": TEMPLATE}}, "spec.template", id="the usual place"),
        pytest.param({"spec": {"podTemplate": TEMPLATE}}, "spec.podTemplate", id="another name"),
        pytest.param({"spec": {"job": {"spec": {"template": TEMPLATE}}}}, "spec.job.spec.template", id="deeper"),
        pytest.param({"template": TEMPLATE}, "template", id="beside the spec"),
        pytest.param({"spec": {"template": {"spec": SPEC}}}, "spec.template", id="without metadata"),
        pytest.param({"spec": {"template": {"metadata": {}, "spec": {"domain": {}}}}}, "spec.template", id="a virtual machine"),
        pytest.param({"spec": {"template": {"metadata": {}, "spec": {"restartPolicy": "Never"}}}}, "spec.template", id="no containers"),
    ],
)  # fmt: skip
def test_pod_template_of_an_unknown_kind_has_the_line_for_the_policy_file(fields: dict[str, Any], path: str) -> None:
    """The note has this line if the path of the template has fields only."""
    told = note_on("example.com/v1", "Runner", **fields)
    assert f"has a pod template at {path}; to check it, add to workloads.extraKinds: " in told
    assert f"{{group: example.com, resource: runners, kind: Runner, template: {path}}}" in told


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        pytest.param({"spec": {"tasks": [{}, {"template": TEMPLATE}]}}, "a pod template at spec.tasks[1].template", id="in a list"),
        pytest.param({"spec": SPEC}, "containers at spec", id="a Pod's spec alone"),
        pytest.param({"spec": {"driver": SPEC}}, "containers at spec.driver", id="such a one deeper"),
    ],
)  # fmt: skip
def test_pods_without_a_path_for_extra_kinds_are_reported(fields: dict[str, Any], where: str) -> None:
    """The reviews of the Pods themselves judge them."""
    assert note_on("example.com/v1", "Runner", **fields).endswith(
        f"has {where}; the server checks its Pods when they are created"
    )


@pytest.mark.parametrize(
    ("api_version", "kind", "fields"),
    [
        pytest.param("argoproj.io/v1alpha1", "ApplicationSet", {"spec": {"template": {"metadata": {}, "spec": {"source": {}}}}}, id="no Pod's spec"),
        pytest.param("cluster.x-k8s.io/v1", "MachineDeployment", {"spec": {"template": {"spec": {"version": "1"}}}}, id="machines"),
        pytest.param("kyverno.io/v1", "ClusterPolicy", {"spec": {"rules": [{"validate": {"pattern": {"spec": SPEC}}}]}}, id="a pattern"),
        pytest.param("apiextensions.k8s.io/v1", "CustomResourceDefinition", {"spec": {"containers": SPEC["containers"]}}, id="a schema"),
        pytest.param("apps.kruise.io/v1alpha1", "SidecarSet", {"spec": SPEC}, id="containers of others"),
        pytest.param("apps/v1", "ControllerRevision", {"data": {"spec": {"template": TEMPLATE}}}, id="what a controller keeps"),
        pytest.param("example.com/v1", "Thing", {"spec": {"containers": ["a"]}}, id="containers of another sort"),
        pytest.param("example.com/v1", "Thing", {"metadata": {"x": TEMPLATE}, "status": {"y": TEMPLATE}}, id="beside the spec"),
    ],
)  # fmt: skip
def test_kind_that_makes_no_pods_has_no_note(api_version: str, kind: str, fields: dict[str, Any]) -> None:
    """Unnecessary notes hide the useful ones."""
    assert note_on(api_version, kind, **fields) == ""


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("cilium.io/v2", "CiliumNetworkPolicy"), ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
        ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy"), ("crd.antrea.io/v1beta1", "NetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"), ("k8s.ovn.org/v1", "EgressFirewall"),
        ("networking.gke.io/v1alpha1", "FQDNNetworkPolicy"), ("k8s.cni.cncf.io/v1beta1", "MultiNetworkPolicy"),
        ("example.com/v1", "OwnNetworkPolicy"),
    ],
)  # fmt: skip
def test_unread_policies_are_reported(api_version: str, kind: str) -> None:
    """The traffic that they allow adds to the policies that catflap reads."""
    assert note_on(api_version, kind).startswith(f"catflap does not read {kind} of ")


def test_supported_kind_has_no_note() -> None:
    """The same tables decide both."""
    assert [kind for kind in POLICY_KINDS if unsupported_policy_notice(kind.group, kind.kind)] == []
    for (group, kind), maker in BY_KIND.items():
        version = "v1" if not maker.custom else "v1alpha1"
        assert note_on(f"{group}/{version}".lstrip("/"), kind) == ""


@pytest.mark.parametrize(
    ("api_version", "kind", "right"),
    [
        ("apps/v1beta2", "Deployment", "apps/v1"), ("batch/v1beta1", "CronJob", "batch/v1"), ("apps/v1", "Deployment", ""),
        ("v1", "Pod", ""), ("argoproj.io/v1alpha1", "Rollout", ""), ("policy.networking.k8s.io/v1alpha2", "AdminNetworkPolicy", ""),
    ],
)  # fmt: skip
def test_removed_version_is_reported(api_version: str, kind: str, right: str) -> None:
    """The object is still judged."""
    assert current_version(api_version, kind) == right


def test_a_huge_object_is_looked_at_to_a_bound() -> None:
    """Values beyond the limit are ignored, so the search takes little time."""
    many: list[Any] = [[] for _ in range(30_000)]
    assert note_on("example.com/v1", "Runner", spec={"many": many, "late": {"template": TEMPLATE}}) == ""


LINE: Final = re.compile(r"add to workloads\.extraKinds: (\{.*?\}) ")
GROUPS: Final = (
    "",
    "apps",
    "batch",
    "example.com",
    "1.5",
    "Example.com",
    "a/b",
    "networking.k8s.io",
    "x.k8s.io",
    "argoproj.io",
    "kubevirt.io",
    "projectcalico.org",
)
NAMES: Final = (
    "Runner",
    "runner",
    "po",
    "Policy",
    "Class",
    "Rollouts",
    "Yes",
    "No",
    "Null",
    "Y",
    "On",
    "True",
    "X_y",
    "A" * 64,
    "Tier2",
    "VirtualMachine",
)
STEPS: Final = (
    "spec",
    "template",
    "podTemplate",
    "on",
    "y",
    "null",
    "true",
    "in",
    "labels",
    "metadata",
    "status",
    "a-b",
    "x" * 60,
)
kinds = st.sampled_from(NAMES) | st.sampled_from([one.kind for one in POD_MAKERS]).flatmap(
    lambda kind: st.sampled_from([kind, kind.lower(), f"{kind}s"])
)


@LAW
@given(st.sampled_from(GROUPS), kinds, st.lists(st.sampled_from(STEPS), min_size=1, max_size=4))
def test_a_line_for_the_policy_file_is_taken_and_makes_the_object_judged(
    group: str, kind: str, path: list[str]
) -> None:
    """The line works for any group, kind and place of the template; otherwise the note has no line."""
    assume(
        path[:2] != ["metadata", "labels"]
    )  # no object has mappings as labels, and the reading of all others is tested
    document: Mapping[str, Any] = TEMPLATE
    for step in reversed(path):
        document = {step: document}
    document = {"metadata": {"name": "one"}, **document, "apiVersion": f"{group}/v1".lstrip("/"), "kind": kind}
    line = LINE.search(read(document, default_namespace="shop").not_judged)
    if line is None:
        return
    under = policy(f"workloads: {{extraKinds: [{line[1]}]}}")
    found = read(document, default_namespace="shop", extra=under.workloads.extra_by_kind)
    assert found.not_judged == ""
    assert found.workload is not None
    assert [place.labels for place in found.workload.places] == [{"app": "web"}]


def test_kind_that_the_policy_file_has_gets_no_line() -> None:
    """The policy file refuses a second entry for one resource."""
    extra = policy(
        "workloads: {extraKinds: [{group: example.com, resource: runners, kind: Other, template: spec.template}]}"
    )
    document = {
        "apiVersion": "example.com/v1",
        "kind": "Runner",
        "metadata": {"name": "one"},
        "spec": {"template": TEMPLATE},
    }
    told = read(document, default_namespace="shop", extra=extra.workloads.extra_by_kind).not_judged
    assert told.endswith(
        "the object has a pod template at spec.template; the server checks its Pods when they are created"
    )


@pytest.mark.parametrize(
    ("kind", "plural"),
    [
        ("Runner", "runners"),
        ("Gateway", "gateways"),
        ("Key", "keys"),
        ("Convoy", "convoys"),
        ("Proxy", "proxies"),
        ("NetworkPolicy", "networkpolicies"),
        ("Index", "indexes"),
        ("Mesh", "meshes"),
        ("Patch", "patches"),
        ("Ingress", "ingresses"),
        ("Endpoints", "endpoints"),
        ("SecurityContextConstraints", "securitycontextconstraints"),
        ("Y", "ies"),
    ],
)
def test_plural_is_that_of_custom_resource_definitions(kind: str, plural: str) -> None:
    """An entry with another resource name would have no effect."""
    assert plural_of(kind) == plural


TWO_TEMPLATES: Final = "workloads: {extraKinds: [{group: ray.io, resource: rayclusters, kind: RayCluster, template: spec.headGroupSpec.template}]}"


@pytest.mark.parametrize(
    ("workers", "left_out"),
    [
        ({"workerGroupSpecs": [{"template": TEMPLATE}]}, "spec.workerGroupSpecs[0].template"),
        ({"workers": {"template": TEMPLATE}}, "spec.workers.template"),
        ({"workers": {"replicas": 3}}, ""),
    ],
    ids=["in a list", "at another path", "none"],
)
def test_a_template_beside_the_one_that_is_read_is_named(workers: dict[str, Any], left_out: str) -> None:
    """The entry of the policy file has one path, and the object is judged by the template there."""
    document = {
        "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "r"},
        "spec": {"headGroupSpec": {"template": TEMPLATE}, **workers},
    }  # fmt: skip
    found = read(document, default_namespace="shop", extra=policy(TWO_TEMPLATES).workloads.extra_by_kind)
    assert found.workload is not None
    expected = f"catflap does not read a pod template at {left_out} of RayCluster; the server checks its Pods when they are created"
    assert found.not_judged == (expected if left_out else "")
