"""What the API server asks: one admission request, parsed."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from webhook.model.workload import Workload


class Operation(StrEnum):
    """What the user does to the object."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


KUBE_CONTROLLER_MANAGER = "system:kube-controller-manager"
CLEANERS = (
    KUBE_CONTROLLER_MANAGER,
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
)


class User(Struct, frozen=True):
    """Who asks, as seen after impersonation."""

    name: str
    groups: tuple[str, ...] = ()

    @property
    def is_node(self) -> bool:
        """Whether this is a kubelet, by the name and the group that the node authorizer asks for."""
        return self.name.startswith("system:node:") and "system:nodes" in self.groups

    @property
    def is_cleaner(self) -> bool:
        """Whether this is what empties a namespace that goes, or removes what nobody owns."""
        return self.name in CLEANERS

    @property
    def is_controller(self) -> bool:
        """Whether this is one of Kubernetes' own controllers.

        kube-controller-manager acts as one ServiceAccount of kube-system a controller, or as itself where it runs
        without `--use-service-account-credentials`.
        """
        if self.name == KUBE_CONTROLLER_MANAGER:
            return True
        account = self.name.removeprefix("system:serviceaccount:kube-system:")
        return account != self.name and account.endswith("-controller")


class NamespaceObject(Struct, frozen=True):
    """A namespace as its own CREATE or UPDATE carries it."""

    name: str
    labels: Mapping[str, str]


class PolicyObject(Struct, frozen=True):
    """A network policy as its own CREATE, UPDATE or DELETE carries it: its name, and its labels before and after."""

    name: str
    labels: Mapping[str, str]
    before: Mapping[str, str]


class Target(Struct, frozen=True):
    """What the request is about, by reference."""

    group: str
    version: str
    resource: str
    subresource: str
    kind: str
    namespace: str
    name: str


class Request(Struct, frozen=True):
    """One admission request.

    `workload` and `before` are the object and the old object where the target is a Pod or makes Pods; `namespace` is
    the object where the target is a Namespace, `policy` where it is a network policy. `template_changed` compares the whole pod templates of an UPDATE.
    """

    uid: str
    operation: Operation
    user: User
    target: Target
    dry_run: bool = False
    workload: Workload | None = None
    before: Workload | None = None
    template_changed: bool = False
    namespace: NamespaceObject | None = None
    policy: PolicyObject | None = None
