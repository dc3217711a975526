"""Notes about the kinds of a cluster that catflap does not check."""

from typing import Any, Final

from webhook.kube.api import Api, Json
from webhook.kube.unsupported_kinds import unsupported_kind_notes
from webhook.model.kinds import PodMaker

KINDS: Final[dict[str, dict[str, str]]] = {
    "apps/v1": {"deployments": "Deployment"},
    "kubevirt.io/v1": {"virtualmachines": "VirtualMachine", "virtualmachines/status": "VirtualMachine", "kubevirts": "KubeVirt"},
    "argoproj.io/v1alpha1": {"rollouts": "Rollout", "workflows": "Workflow", "workflowtemplates": "WorkflowTemplate"},
    "cilium.io/v2": {"ciliumnetworkpolicies": "CiliumNetworkPolicy", "ciliumnodes": "CiliumNode"},
    "policy.networking.k8s.io/v1alpha1": {
        "adminnetworkpolicies": "AdminNetworkPolicy",
        "baselineadminnetworkpolicies": "BaselineAdminNetworkPolicy",
    },
}  # fmt: skip


class Discovery(Api):
    """An API server that serves these kinds."""

    def __init__(self, kinds: dict[str, dict[str, str]]) -> None:
        self._kinds = kinds
        self.asked: list[str] = []

    def get(self, path: str, **_query: str) -> Json | None:
        """Return the groups, or the resources of a version."""
        self.asked.append(path)
        if path == "/apis":
            versions = [
                {"name": one.partition("/")[0], "preferredVersion": {"groupVersion": one}} for one in self._kinds
            ]
            return {"groups": versions}
        kinds = self._kinds[path.removeprefix("/apis/")]
        resources: list[Any] = [{"name": name, "kind": kind} for name, kind in kinds.items()]
        return {"resources": resources}


def test_kinds_that_make_pods_or_open_networks_are_named() -> None:
    """Supported kinds are not named, nor other kinds of the same groups."""
    assert list(unsupported_kind_notes(Discovery(KINDS), {})) == [
        "not checked, except the Pods that they create: virtualmachines.kubevirt.io, workflowtemplates.argoproj.io",
        (
            "not checked, although they allow or deny connections: "
            "baselineadminnetworkpolicies.policy.networking.k8s.io, ciliumnetworkpolicies.cilium.io"
        ),
    ]


def test_a_kind_that_the_policy_file_adds_is_judged() -> None:
    """There is no note then."""
    maker = PodMaker("kubevirt.io", "virtualmachines", "VirtualMachine", "spec.template", custom=True)
    kinds = {"kubevirt.io/v1": KINDS["kubevirt.io/v1"]}
    assert list(unsupported_kind_notes(Discovery(kinds), {("kubevirt.io", "VirtualMachine"): maker})) == []


def test_other_groups_are_not_asked_about() -> None:
    """A cluster may have hundreds."""
    api = Discovery({"apps/v1": KINDS["apps/v1"], "example.com/v1": {}})
    assert list(unsupported_kind_notes(api, {})) == []
    assert api.asked == ["/apis"]
