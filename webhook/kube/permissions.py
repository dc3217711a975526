"""The permissions of each process: it checks them at its start, and the chart grants them."""

import logging
from collections.abc import Iterable, Iterator

from webhook.kube.api import Api, ApiError
from webhook.kube.dns_detection import DAEMON_SETS, DNS_NAMESPACE, SERVICES
from webhook.kube.identity import Permission, missing_permissions
from webhook.kube.listing import LONG_RUNNING
from webhook.kube.owners import RESOURCES
from webhook.kube.reports import KINDS
from webhook.kube.webhook_configurations import ADMISSION_POLICY_KINDS, PHASES
from webhook.kube.webhook_configurations import ADMISSION_POLICY_RESOURCES as TWIN_PLURALS
from webhook.model.kinds import POD_MAKERS, POLICY_KINDS, WRITTEN_KINDS
from webhook.model.names import (
    ADMISSION_POLICY,
    CLUSTER_DEFAULT_DENY,
    CONTROLLER_LEASE,
    DEFAULT_DENY,
    INSTALL_RECORD_CONFIGMAP,
    PATH_SECRET,
    REGISTRATION_CONFIGMAP,
    WEBHOOK_CONFIGURATION,
)

logger = logging.getLogger(__name__)

ConfigMap = tuple[str, str]  # its namespace and its name

ADMISSION = "admissionregistration.k8s.io"


def permissions_for(
    verbs: str, resource: str, purpose: str, *, group: str = "", name: str = "", namespace: str = ""
) -> Iterator[Permission]:
    """Yield one permission per verb."""
    return (Permission(verb, resource, group, name, namespace, purpose) for verb in verbs.split())


def common_permissions(own_namespace: str, policy: ConfigMap | None) -> Iterator[Permission]:
    """Yield the permissions that both processes need."""
    yield from permissions_for("get list watch", "namespaces", "to know which namespaces are managed")
    for place in (own_namespace, "kube-system"):
        yield from permissions_for(
            "get", "configmaps", "to read the installation time", name=INSTALL_RECORD_CONFIGMAP, namespace=place
        )
    if policy is not None:
        namespace, name = policy
        yield from permissions_for(
            "list watch", "configmaps", "to read the policy file", name=name, namespace=namespace
        )
    found = {"group": ADMISSION, "name": WEBHOOK_CONFIGURATION}
    yield from permissions_for(
        "get", "validatingwebhookconfigurations", "to know whether catflap is registered", **found
    )


def server_permissions(own_namespace: str, policy: ConfigMap | None) -> tuple[Permission, ...]:
    """Return the permissions of `catflap serve`; `policy` is the ConfigMap of the policy file, if it is in one."""
    found = [*common_permissions(own_namespace, policy)]
    for (version, _), resource in RESOURCES.items():
        group = version.partition("/")[0] if "/" in version else ""
        found += permissions_for("get", resource, "to know the age of the owner of a Pod", group=group)
    for group, resource in sorted(LONG_RUNNING):
        found += permissions_for("list", resource, "to preview an edit of the policy file", group=group)
    for group in written_groups():
        purpose = "to check the isolation of a namespace before a Pod is admitted"
        found += permissions_for("get update", "networkpolicies", purpose, group=group, name=DEFAULT_DENY)
        found += permissions_for("create", "networkpolicies", purpose, group=group)
    found += permissions_for("create patch", "events", "to write Events about rejections", group="events.k8s.io")
    purpose = "to know which names a user may read in the preview of a policy file"
    found += permissions_for("create", "subjectaccessreviews", purpose, group="authorization.k8s.io")
    secret = {"name": PATH_SECRET, "namespace": own_namespace}
    found += permissions_for("get list watch", "secrets", "to read the secret path of reviews", **secret)
    return tuple(found)


def controller_permissions(own_namespace: str, policy: ConfigMap | None) -> tuple[Permission, ...]:
    """Return the permissions of `catflap controller`; `policy` is the ConfigMap of the policy file, if it is in one."""
    found = [*common_permissions(own_namespace, policy)]
    found += permissions_for("patch", "namespaces", "to label managed namespaces")
    for place in (own_namespace, "kube-system"):
        found += permissions_for("create", "configmaps", "to store the installation time", namespace=place)
    for resource, group, names in (("services", "", SERVICES), ("daemonsets", "apps", DAEMON_SETS)):
        for name in names:
            asked = {"group": group, "name": name, "namespace": DNS_NAMESPACE}
            found += permissions_for("get", resource, "to find the addresses of the name servers", **asked)
    state = {"name": REGISTRATION_CONFIGMAP, "namespace": own_namespace}
    found += permissions_for("get update", "configmaps", "to store that catflap is turned off", **state)
    secret = {"name": PATH_SECRET, "namespace": own_namespace}
    found += permissions_for("get update delete", "secrets", "to read or change the secret path of reviews", **secret)
    found += permissions_for("create", "secrets", "to create the Secret of the secret path", namespace=own_namespace)
    asking = {"group": "discovery.k8s.io", "namespace": own_namespace}
    found += permissions_for("list", "endpointslices", "to check that every server accepts the next path", **asking)
    for kind in WRITTEN_KINDS:
        purpose, name = "to isolate namespaces", "" if kind.namespaced else CLUSTER_DEFAULT_DENY
        found += permissions_for("list watch create", kind.resource, purpose, group=kind.group)
        found += permissions_for("get update delete", kind.resource, purpose, group=kind.group, name=name)
    found += permissions_for("create", "events", "to write Events about repairs", group="events.k8s.io")
    for phase in PHASES:
        plural, purpose = f"{phase}webhookconfigurations", "to register catflap"
        found += permissions_for("create", plural, purpose, group=ADMISSION)
        found += permissions_for("get list watch update", plural, purpose, group=ADMISSION, name=WEBHOOK_CONFIGURATION)
        purpose = "to delete the registration together with the namespace of catflap"
        found += permissions_for("delete", plural, purpose, group=ADMISSION, name=WEBHOOK_CONFIGURATION)
    for one in ADMISSION_POLICY_KINDS:
        purpose = "to write the ValidatingAdmissionPolicy copy of the rules"
        found += permissions_for(
            "list watch delete", TWIN_PLURALS[one], purpose, group=ADMISSION, name=ADMISSION_POLICY
        )
    for plural in ("mutatingwebhookconfigurations", "mutatingadmissionpolicies"):
        found += permissions_for("list", plural, "to find the component that changed a policy", group=ADMISSION)
    where = {"name": CONTROLLER_LEASE, "namespace": own_namespace, "group": "coordination.k8s.io"}
    found += permissions_for("get update", "leases", "to select the leader", **where)
    found += permissions_for(
        "create", "leases", "to create the Lease again", namespace=own_namespace, group="coordination.k8s.io"
    )
    return (*found, *scan_permissions())


def selftest_rights(namespace: str) -> tuple[Permission, ...]:
    """Return the permissions of `catflap selftest` in the namespace of its Pods."""
    return tuple(permissions_for("create", "pods", "to check Pods as a dry run", namespace=namespace))


def scan_permissions() -> Iterator[Permission]:
    """Yield the permissions of the scan of existing objects and of its reports."""
    for maker in POD_MAKERS:
        yield from permissions_for("list", maker.resource, "to scan existing objects", group=maker.group)
    for kind in POLICY_KINDS:
        if not kind.staged:
            yield from permissions_for("list", kind.resource, "to scan existing policies", group=kind.group)
    for plural in KINDS.values():
        yield from permissions_for("list create update delete", plural, "to write reports", group="openreports.io")


def written_groups() -> tuple[str, ...]:
    """Return the API groups of the policies that isolate namespaces."""
    return tuple(dict.fromkeys(kind.group for kind in WRITTEN_KINDS if kind.resource == "networkpolicies"))


def report_missing(api: Api, rights: Iterable[Permission]) -> None:
    """Log each permission that this process lacks, with the RBAC rule that grants it."""
    try:
        for right in missing_permissions(api, rights):
            where = f"Role in namespace {right.namespace}" if right.namespace else "ClusterRole"
            logger.error(
                "a permission is missing: %s (%s); grant it with this rule in a %s of this account: %s",
                right, right.purpose, where, right.rule,
            )  # fmt: skip
    except ApiError as error:
        logger.warning("cannot check the permissions of this process: %s", error)
