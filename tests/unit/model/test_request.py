"""Who asks."""

import pytest

from webhook.model.request import KUBE_CONTROLLER_MANAGER, POD_CONTROLLERS, User

NODES = ("system:nodes", "system:authenticated")
KUBE_SYSTEM = "system:serviceaccount:kube-system:"


@pytest.mark.parametrize(
    ("name", "groups", "is_node"),
    [
        pytest.param("system:node:worker-1", NODES, True, id="name and group, as the node authorizer asks for"),
        pytest.param("system:node:worker-1", ("system:authenticated",), False, id="the name without the group"),
        pytest.param("jane", NODES, False, id="the group without the name"),
        pytest.param("xsystem:node:worker-1", NODES, False, id="the prefix elsewhere in the name"),
        pytest.param("", (), False, id="nobody"),
    ],
)
def test_a_node_is_known_by_name_and_group(name: str, groups: tuple[str, ...], *, is_node: bool) -> None:
    """Another user can have one of them."""
    assert User(name, groups).is_node is is_node


@pytest.mark.parametrize(
    ("name", "is_controller"),
    [
        pytest.param(f"{KUBE_SYSTEM}replicaset-controller", True, id="one account a controller"),
        pytest.param(f"{KUBE_SYSTEM}job-controller", True, id="another"),
        pytest.param("system:kube-controller-manager", True, id="all in one, without separate credentials"),
        pytest.param(f"{KUBE_SYSTEM}daemon-set-controller", True, id="as the account is called, not the controller"),
        pytest.param(f"{KUBE_SYSTEM}daemonset-controller", False, id="as the controller is called, not the account"),
        pytest.param(f"{KUBE_SYSTEM}generic-garbage-collector", False, id="it makes nothing"),
        pytest.param(f"{KUBE_SYSTEM}endpoint-controller", False, id="it makes no Pods"),
        pytest.param(f"{KUBE_SYSTEM}ttl-after-finished-controller", False, id="it deletes"),
        pytest.param(f"{KUBE_SYSTEM}aws-load-balancer-controller", False, id="a vendor's account in kube-system"),
        pytest.param(f"{KUBE_SYSTEM}azure-policy-controller", False, id="another vendor's"),
        pytest.param(f"{KUBE_SYSTEM}snapshot-controller", False, id="a third one's"),
        pytest.param(f"{KUBE_SYSTEM}my-replicaset-controller", False, id="a longer name of kube-system"),
        pytest.param(f"{KUBE_SYSTEM}default", False, id="any other account of kube-system"),
        pytest.param("system:serviceaccount:shop:replicaset-controller", False, id="the name in a user's namespace"),
        pytest.param("replicaset-controller", False, id="the name alone"),
        pytest.param(f"jane:{KUBE_SYSTEM}job-controller", False, id="the prefix elsewhere in the name"),
        pytest.param("system:kube-controller-manager-2", False, id="a longer name"),
    ],
)
def test_a_controller_is_known_by_its_account(name: str, *, is_controller: bool) -> None:
    """Kubernetes' own accounts in kube-system only."""
    assert User(name).is_controller is is_controller


def test_the_list_of_controllers_is_closed() -> None:
    """Those whose roles let them create Pods, or what makes Pods; and the manager that acts for all of them."""
    made_by = {"cronjob", "daemon-set", "deployment", "job", "replicaset", "replication", "statefulset"}
    assert {*POD_CONTROLLERS} == {KUBE_CONTROLLER_MANAGER, *(f"{KUBE_SYSTEM}{one}-controller" for one in made_by)}
