"""A parsed admission request."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from webhook.model.addresses import NO_ADDRESS, Addresses
from webhook.model.authentication import Authentication
from webhook.model.kinds import BINDINGS, CONFIGMAPS, NAMESPACES, POD, POLICY_RESOURCES
from webhook.model.opening import Opening
from webhook.model.workload import Workload, reference


class Operation(StrEnum):
    """The operation on the object."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


KUBE_CONTROLLER_MANAGER = "system:kube-controller-manager"
NAMESPACE_DELETERS = (KUBE_CONTROLLER_MANAGER, "system:serviceaccount:kube-system:namespace-controller")
OBJECT_DELETERS = ("system:serviceaccount:kube-system:generic-garbage-collector", *NAMESPACE_DELETERS)

# The controllers of kube-controller-manager whose roles let them create Pods, or objects that make Pods; it acts as one
# ServiceAccount of kube-system for each, or as itself without `--use-service-account-credentials`. The names are the same in
# 1.29 to 1.37 (kubernetes, plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go: rules that create pods,
# replicasets or jobs). Other accounts of kube-system end in `-controller` as well: those of vendors.
POD_CONTROLLERS = frozenset(
    {
        KUBE_CONTROLLER_MANAGER,
        *(
            f"system:serviceaccount:kube-system:{name}"
            for name in (
                "cronjob-controller",
                "daemon-set-controller",
                "deployment-controller",
                "job-controller",
                "replicaset-controller",
                "replication-controller",
                "statefulset-controller",
            )
        ),
    }
)


class User(Struct, frozen=True):
    """The user of the request, after impersonation."""

    name: str
    groups: tuple[str, ...] = ()

    @property
    def is_node(self) -> bool:
        """Return whether this is a kubelet, by the name and the group that the node authorizer requires."""
        return self.name.startswith("system:node:") and "system:nodes" in self.groups

    @property
    def is_object_deleter(self) -> bool:
        """Return whether this is the namespace controller or the garbage collector."""
        return self.name in OBJECT_DELETERS

    @property
    def is_namespace_deleter(self) -> bool:
        """Return whether this is the namespace controller, which deletes the contents of a terminating namespace."""
        return self.name in NAMESPACE_DELETERS

    @property
    def is_controller(self) -> bool:
        """Return whether this is one of Kubernetes' own controllers that create Pods, or objects that make Pods."""
        return self.name in POD_CONTROLLERS


class NamespaceObject(Struct, frozen=True):
    """A namespace in a CREATE or UPDATE of it."""

    name: str
    labels: Mapping[str, str]


class PolicyObject(Struct, frozen=True):
    """A network policy of any kind in a CREATE, UPDATE or DELETE of it.

    `openings` is the allowed traffic, and `networks` are the addresses of a network set; `unreadable` says why that
    cannot be determined, and `fingerprint` differs where what is unreadable does. `stored_name` is the name by which
    Calico knows an object that it stored, where that is not the object's own; its labels there are among `labels`.
    """

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    openings: tuple[Opening, ...] = ()
    networks: Addresses = NO_ADDRESS
    unreadable: str = ""
    fingerprint: str = ""
    stored_name: str = ""

    @property
    def reference(self) -> str:
        """Return the name of the object in messages: `NetworkPolicy shop/open`."""
        return reference(self.kind, self.namespace, self.name)


class Target(Struct, frozen=True):
    """The resource and the name of the object of a request."""

    group: str
    version: str
    resource: str
    subresource: str
    kind: str
    namespace: str
    name: str

    @property
    def is_pod(self) -> bool:
        """Return whether it is a Pod; a custom resource may have the same plural in a group of its own."""
        return (self.group, self.resource) == (POD.group, POD.resource)


class Document(Struct, frozen=True):
    """The whole object of a request, for rules that may read any field: undecoded JSON, or dicts and lists.

    `before` is the old object of an UPDATE; `user_uid` is the uid of the user, which only such rules read. `is_preview` means that
    no user has made the request yet. `is_offline` means a manifest, in which the API server has set no defaults.
    """

    content: Any
    before: Any = None
    user_uid: str = ""
    is_preview: bool = False
    is_offline: bool = False


class Request(Struct, frozen=True):
    """One admission request.

    `document` is the whole object where the target is a Pod or makes Pods. `workload` and `before` are the object and the old object where the target is a Pod or makes Pods; `namespace` and
    `namespace_before` where it is a Namespace, `policy` and `policy_before` where it is a network policy, of which a
    DELETE has the old one in both. `bound_labels` are what a binding writes onto its Pod.
    `policy_file` is the text that a ConfigMap of the policy's name would hold, and
    `policy_file_before` what it held; `policy_file_deleted` says that such a ConfigMap is deleted. `template_changed` compares the whole pod templates of an UPDATE, and
    `restarted` says that they differ by what `kubectl rollout restart` writes alone.
    `authentication` is how the sender of the review proved to be the API server. `unread` says why the objects are not read, where
    they are too large; of a network policy the name and the labels are known then, if at all.
    """

    uid: str
    operation: Operation
    user: User
    target: Target
    dry_run: bool = False
    workload: Workload | None = None
    before: Workload | None = None
    template_changed: bool = False
    restarted: bool = False
    namespace: NamespaceObject | None = None
    namespace_before: NamespaceObject | None = None
    policy: PolicyObject | None = None
    policy_before: PolicyObject | None = None
    bound_labels: Mapping[str, str] | None = None
    policy_file: str | None = None
    policy_file_before: str | None = None
    policy_file_deleted: bool = False
    document: Document | None = None
    authentication: Authentication = Authentication.NONE
    unread: str = ""

    @property
    def is_namespace(self) -> bool:
        """Return whether the object is a namespace whose labels the request may set."""
        return self.namespace is not None or self._unread_resource == NAMESPACES

    @property
    def is_policy_file(self) -> bool:
        """Return whether the object may be the ConfigMap of the policy file."""
        return self.policy_file is not None or self.policy_file_deleted or self._unread_resource == CONFIGMAPS

    @property
    def is_binding(self) -> bool:
        """Return whether the request binds a Pod to a node."""
        if self.unread:
            return (self.target.group, self.target.resource, self.target.subresource) in BINDINGS
        return self.bound_labels is not None

    @property
    def is_network_policy(self) -> bool:
        """Return whether the object is a network policy."""
        return self.policy is not None or self._unread_resource in POLICY_RESOURCES

    @property
    def _unread_resource(self) -> tuple[str, str] | None:
        """Return the resource of an object that is too large to be read; None if the object is read."""
        return (self.target.group, self.target.resource) if self.unread else None

    @property
    def reference(self) -> str:
        """Return the name of the object in messages: `Deployment shop/web`."""
        if self.subject:
            return self.subject.reference
        if self.is_namespace:
            return reference("Namespace", "", self.namespace.name if self.namespace else self.target.name)
        return reference(self.target.kind, self.target.namespace, self.target.name)

    @property
    def subject(self) -> Workload | PolicyObject | None:
        """Return the object that rules check."""
        return self.workload or self.policy

    @property
    def subject_before(self) -> Workload | PolicyObject | None:
        """Return the old object of an UPDATE."""
        return self.before or self.policy_before
