"""What each process asks of the API server, as rights: what it checks at its start, and what the chart grants."""

import logging
from collections.abc import Iterable, Iterator

from webhook.kube.api import Api, ApiError
from webhook.kube.identity import Right, missing_rights
from webhook.kube.listing import LASTING
from webhook.kube.name_servers import DAEMON_SETS, DNS_NAMESPACE, SERVICES
from webhook.kube.owners import RESOURCES
from webhook.kube.registrations import PHASES, TWINS
from webhook.kube.registrations import PLURALS as TWIN_PLURALS
from webhook.kube.reports import KINDS
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


def each(
    verbs: str, resource: str, purpose: str, *, group: str = "", name: str = "", namespace: str = ""
) -> Iterator[Right]:
    """The same right with several verbs."""
    return (Right(verb, resource, group, name, namespace, purpose) for verb in verbs.split())


def common(own_namespace: str, policy: ConfigMap | None) -> Iterator[Right]:
    """What both processes need."""
    yield from each("get list watch", "namespaces", "which namespaces are closed")
    for place in (own_namespace, "kube-system"):
        yield from each(
            "get", "configmaps", "since when catflap is installed", name=INSTALL_RECORD_CONFIGMAP, namespace=place
        )
    if policy is not None:
        namespace, name = policy
        yield from each("list watch", "configmaps", "the policy file", name=name, namespace=namespace)
    found = {"group": ADMISSION, "name": WEBHOOK_CONFIGURATION}
    yield from each("get", "validatingwebhookconfigurations", "whether catflap is registered", **found)


def server_rights(own_namespace: str, policy: ConfigMap | None) -> tuple[Right, ...]:
    """What `catflap serve` needs; `policy` is the ConfigMap of the policy file, if it is in one."""
    found = [*common(own_namespace, policy)]
    for (version, _), resource in RESOURCES.items():
        group = version.partition("/")[0] if "/" in version else ""
        found += each("get", resource, "how old the owner of a Pod is", group=group)
    for group, resource in sorted(LASTING):
        found += each("list", resource, "what an edit of the policy file would refuse", group=group)
    for group in written_groups():
        purpose = "that a Pod's namespace is closed before the Pod is admitted"
        found += each("get update", "networkpolicies", purpose, group=group, name=DEFAULT_DENY)
        found += each("create", "networkpolicies", purpose, group=group)
    found += each("create patch", "events", "Events on refusals", group="events.k8s.io")
    purpose = "which names a user may read in the preview of a policy file"
    found += each("create", "subjectaccessreviews", purpose, group="authorization.k8s.io")
    secret = {"name": PATH_SECRET, "namespace": own_namespace}
    found += each("get list watch", "secrets", "the secret path that reviews come to", **secret)
    return tuple(found)


def controller_rights(own_namespace: str, policy: ConfigMap | None) -> tuple[Right, ...]:
    """What `catflap controller` needs; `policy` is the ConfigMap of the policy file, if it is in one."""
    found = [*common(own_namespace, policy)]
    found += each("patch", "namespaces", "the stamp on guarded namespaces")
    for place in (own_namespace, "kube-system"):
        found += each("create", "configmaps", "the record of the installation", namespace=place)
    for resource, group, names in (("services", "", SERVICES), ("daemonsets", "apps", DAEMON_SETS)):
        for name in names:
            asked = {"group": group, "name": name, "namespace": DNS_NAMESPACE}
            found += each("get", resource, "the addresses at which Pods ask for names", **asked)
    state = {"name": REGISTRATION_CONFIGMAP, "namespace": own_namespace}
    found += each("get update", "configmaps", "whether an administrator turned catflap off", **state)
    secret = {"name": PATH_SECRET, "namespace": own_namespace}
    found += each("get update delete", "secrets", "the secret path that reviews come to", **secret)
    found += each("create", "secrets", "the Secret of that path", namespace=own_namespace)
    asking = {"group": "discovery.k8s.io", "namespace": own_namespace}
    found += each("list", "endpointslices", "that every server accepts the next path", **asking)
    for kind in WRITTEN_KINDS:
        purpose, name = "what isolates a namespace", "" if kind.namespaced else CLUSTER_DEFAULT_DENY
        found += each("list watch create", kind.resource, purpose, group=kind.group)
        found += each("get update delete", kind.resource, purpose, group=kind.group, name=name)
    found += each("create", "events", "Events on repairs", group="events.k8s.io")
    for phase in PHASES:
        plural, purpose = f"{phase}webhookconfigurations", "catflap's own registration"
        found += each("create", plural, purpose, group=ADMISSION)
        found += each("get list watch update", plural, purpose, group=ADMISSION, name=WEBHOOK_CONFIGURATION)
        purpose = "that the registration does not outlive catflap's namespace, and the owner that says so"
        found += each("delete", plural, purpose, group=ADMISSION, name=WEBHOOK_CONFIGURATION)
    for one in TWINS:
        purpose = "the copy of the rules that the API server judges by"
        found += each("list watch delete", TWIN_PLURALS[one], purpose, group=ADMISSION, name=ADMISSION_POLICY)
    for plural in ("mutatingwebhookconfigurations", "mutatingadmissionpolicies"):
        found += each("list", plural, "what may have changed a policy that was written", group=ADMISSION)
    where = {"name": CONTROLLER_LEASE, "namespace": own_namespace, "group": "coordination.k8s.io"}
    found += each("get update", "leases", "which controller scans", **where)
    found += each(
        "create", "leases", "that Lease, after it was deleted", namespace=own_namespace, group="coordination.k8s.io"
    )
    return (*found, *scanning_rights())


def selftest_rights(namespace: str) -> tuple[Right, ...]:
    """What `catflap selftest` needs in the namespace of its Pods."""
    return tuple(each("create", "pods", "Pods that are judged as a dry run", namespace=namespace))


def scanning_rights() -> Iterator[Right]:
    """What the scan of existing objects needs, and its reports."""
    for maker in POD_MAKERS:
        yield from each("list", maker.resource, "the scan of existing objects", group=maker.group)
    for kind in POLICY_KINDS:
        if not kind.staged:
            yield from each("list", kind.resource, "the scan of existing policies", group=kind.group)
    for plural in KINDS.values():
        yield from each("list create update delete", plural, "reports", group="openreports.io")


def written_groups() -> tuple[str, ...]:
    """The API groups of the policies that close namespaces."""
    return tuple(dict.fromkeys(kind.group for kind in WRITTEN_KINDS if kind.resource == "networkpolicies"))


def report_missing(api: Api, rights: Iterable[Right]) -> None:
    """Log each right that this process lacks, with the RBAC rule that grants it."""
    try:
        for right in missing_rights(api, rights):
            where = f"Role in namespace {right.namespace}" if right.namespace else "ClusterRole"
            logger.error(
                "a right is missing: %s (for: %s); grant it by a rule in a %s of this account: %s",
                right, right.purpose, where, right.rule,
            )  # fmt: skip
    except ApiError as error:
        logger.warning("whether all rights are there cannot be asked: %s", error)
