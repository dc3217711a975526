"""Tests the rights of the two ServiceAccounts: exactly those that the program needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chart.conftest import Render
from tests.chart.releases import released
from tests.chart.rendering import CHART, DEFAULT, NAMESPACE, ROLES, for_each_values_file
from tests.controlplane.client import ApiError
from tests.controlplane.cluster import Cluster
from tests.controlplane.waiting import wait_until
from webhook.kube.dns_detection import DAEMON_SETS, SERVICES
from webhook.kube.listing import LONG_RUNNING
from webhook.kube.owners import RESOURCES
from webhook.kube.permissions import controller_permissions, server_permissions
from webhook.kube.reports import KINDS
from webhook.kube.webhook_configurations import ADMISSION_POLICY_KINDS, ADMISSION_POLICY_RESOURCES
from webhook.model.kinds import POD_MAKERS, POLICY_KINDS
from webhook.model.names import PATH_SECRET

UNREGISTERED = CHART / "tests" / "unregistered.yaml"
ACCOUNTS = {"server": "catflap", "controller": "catflap-controller"}
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
OURS, SYSTEM, USERS = NAMESPACE, "kube-system", "default"


@dataclass(frozen=True)
class Right:
    """One verb on one resource; empty `name` and `namespace` mean all."""

    verb: str
    resource: str
    name: str = ""
    namespace: str = ""
    group: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.verb, self.group, self.resource, self.name, self.namespace) if part)


def each(verbs: str, resource: str, *, name: str = "", namespace: str = "", group: str = "") -> list[Right]:
    """Return rights for several verbs."""
    return [Right(verb, resource, name, namespace, group) for verb in verbs.split()]


def owners() -> Iterator[Right]:
    """Return the kinds whose age the server reads."""
    for (version, _), resource in RESOURCES.items():
        group = version.partition("/")[0] if "/" in version else ""
        yield Right("get", resource, "any", USERS, group)


ADMISSION = {"group": "admissionregistration.k8s.io"}
CONFIGURATIONS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
MUTATING = ("mutatingwebhookconfigurations", "mutatingadmissionpolicies")
POLICY_GROUPS = ("networking.k8s.io", "projectcalico.org")


def policies(verbs: str, *, name: str = "") -> list[Right]:
    """Return rights for network policies of both engines."""
    return [
        right
        for group in POLICY_GROUPS
        for right in each(verbs, "networkpolicies", name=name, namespace=USERS, group=group)
    ]


TIERS = {"namespace": USERS, "group": "projectcalico.org"}
BOTH_MAY = [
    *each("get create update", "tier.networkpolicies", name="default.*", **TIERS),
    *each("get", "tiers", name="default", group="projectcalico.org"),
    *each("get list watch", "namespaces"),
    *each("list watch", "configmaps", name="catflap-policy", namespace=OURS),
    *each("get", "configmaps", name="catflap-epoch", namespace=OURS),
    *each("get", "configmaps", name="catflap-epoch", namespace=SYSTEM),
    *each("get", "validatingwebhookconfigurations", name="catflap", **ADMISSION),
]
MAY = {
    "server": [
        *BOTH_MAY,
        *owners(),
        *[Right("list", resource, group=group) for group, resource in sorted(LONG_RUNNING)],
        *policies("get update", name="catflap-default-deny"),
        *policies("create"),
        *each("create patch", "events", namespace=USERS, group="events.k8s.io"),
        *each("create", "subjectaccessreviews", group="authorization.k8s.io"),
        *each("get list watch", "secrets", name="catflap-webhook-path", namespace=OURS),
    ],
    "controller": [
        *BOTH_MAY,
        *each("patch", "namespaces", name="any"),
        *policies("get list watch create update delete"),
        *each("create", "events", namespace=USERS, group="events.k8s.io"),
        *[Right("create", "configmaps", namespace=namespace) for namespace in (OURS, SYSTEM)],
        *[
            right
            for kind in CONFIGURATIONS
            for right in each("get list watch update delete", kind, name="catflap", **ADMISSION)
        ],
        *[Right("create", kind, **ADMISSION) for kind in CONFIGURATIONS],
        *[Right("list", kind, **ADMISSION) for kind in MUTATING],
        *[Right("list", maker.resource, group=maker.group) for maker in POD_MAKERS],
        *[Right("list", kind.resource, group=kind.group) for kind in POLICY_KINDS if not kind.staged],
        *[
            right
            for kind in KINDS.values()
            for right in each("list create update delete", kind, namespace=USERS, group="openreports.io")
        ],
        *each("get update", "leases", name="catflap-controller", namespace=OURS, group="coordination.k8s.io"),
        *each("create", "leases", namespace=OURS, group="coordination.k8s.io"),
        *each("get update", "configmaps", name="catflap-registration", namespace=OURS),
        *each("get update delete", "secrets", name="catflap-webhook-path", namespace=OURS),
        *each("create", "secrets", namespace=OURS),
        *each("list", "endpointslices", namespace=OURS, group="discovery.k8s.io"),
        *each("get", "services", name="catflap", namespace=OURS),
        *[right for name in SERVICES for right in each("get", "services", name=name, namespace=SYSTEM)],
        *[
            right
            for name in DAEMON_SETS
            for right in each("get", "daemonsets", name=name, namespace=SYSTEM, group="apps")
        ],
        *each("get", "deployments", name="catflap", namespace=OURS, group="apps"),
        *each("list watch create", "globalnetworkpolicies", group="projectcalico.org"),
        *each("get update delete", "globalnetworkpolicies", name="catflap-standing-net", group="projectcalico.org"),
    ],
}

NEITHER_MAY = [
    *[right for place in (SYSTEM, USERS) for right in each("get list watch create update", "secrets", namespace=place)],
    *each("get list watch update patch delete", "secrets", namespace=OURS),
    *each("get list watch update patch delete", "secrets", name="any", namespace=OURS),
    *each("patch", "secrets", name="catflap-webhook-path", namespace=OURS),
    *each("list update patch delete", "configmaps", namespace=OURS),
    *each("update patch delete", "configmaps", name="catflap-policy", namespace=OURS),
    *each("update patch delete", "configmaps", name="catflap-epoch", namespace=SYSTEM),
    *each("get", "configmaps", name="extension-apiserver-authentication", namespace=SYSTEM),
    *each("get create", "configmaps", name="any", namespace=USERS),
    *each("create update delete", "namespaces"),
    *each("get watch create update patch delete", "pods", namespace=USERS),
    *each("get update delete", "leases", name="any", namespace=OURS, group="coordination.k8s.io"),
    *each("get update", "leases", name="any", namespace=SYSTEM, group="coordination.k8s.io"),
    *each("delete", "leases", namespace=OURS, group="coordination.k8s.io"),
    *each("create", "leases", namespace=SYSTEM, group="coordination.k8s.io"),
    *each("patch deletecollection", "reports", namespace=USERS, group="openreports.io"),
    *each("create", "pods/exec", namespace=USERS),
    *each("deletecollection", "networkpolicies", namespace=USERS, group="networking.k8s.io"),
    *each("create patch", "tier.networkpolicies", name="other.*", namespace=USERS, group="projectcalico.org"),
    *[Right("delete", kind, **ADMISSION) for kind in CONFIGURATIONS],
    Right("list", "validatingwebhookconfigurations", **ADMISSION),
    *[right for kind in MUTATING for right in each("watch deletecollection", kind, **ADMISSION)],
    *[right for kind in CONFIGURATIONS for right in each("get update patch delete", kind, name="other", **ADMISSION)],
    *[right for kind in CONFIGURATIONS for right in each("patch", kind, name="catflap", **ADMISSION)],
    *[
        right
        for kind in ADMISSION_POLICY_KINDS
        for right in each("create", ADMISSION_POLICY_RESOURCES[kind], **ADMISSION)
    ],  # the copy is off
    *each("patch", "tier.networkpolicies", name="default.*", **TIERS),
    *each("create update patch bind escalate", "clusterroles", group="rbac.authorization.k8s.io"),
    *each("create", "clusterrolebindings", group="rbac.authorization.k8s.io"),
    *each("impersonate", "users"),
    *each("create", "serviceaccounts/token", namespace=OURS),
    *each("create", "nodes/proxy"),
    *each("get list watch update delete", "events", namespace=USERS, group="events.k8s.io"),
    *each("update patch create delete", "deployments", namespace=USERS, group="apps"),
]
MAY_NOT = {
    "server": [
        *NEITHER_MAY,
        *each("patch", "namespaces", name="any"),
        *policies("get update patch delete", name="any"),
        *policies("patch delete", name="catflap-default-deny"),
        *[Right("create", "configmaps", namespace=namespace) for namespace in (OURS, SYSTEM)],
        *[
            right
            for kind in CONFIGURATIONS
            for right in each("create update patch delete", kind, name="catflap", **ADMISSION)
        ],
        *each("create", "secrets", namespace=OURS),
        *each("create", "leases", namespace=OURS, group="coordination.k8s.io"),
        *each("update delete", "secrets", name="catflap-webhook-path", namespace=OURS),
        *each("list", "endpointslices", namespace=OURS, group="discovery.k8s.io"),
        *each("watch", "deployments", namespace=USERS, group="apps"),
        *each("list", "pods", namespace=USERS),
        *each("get", "services", name="kube-dns", namespace=SYSTEM),
        *each("list create update delete", "reports", namespace=USERS, group="openreports.io"),
        *each("list watch", "replicasets", namespace=USERS, group="apps"),
        *each("list watch", "jobs", namespace=USERS, group="batch"),
    ],
    "controller": [
        *NEITHER_MAY,
        *owners(),
        *policies("patch", name="any"),
        *each("update delete", "globalnetworkpolicies", name="any", group="projectcalico.org"),
        *each("get", "deployments", name="any", namespace=OURS, group="apps"),
        *each("get list watch", "services", name="any", namespace=SYSTEM),
        *each("list watch", "services", name="kube-dns", namespace=SYSTEM),
        *each("get", "services", name="kube-dns", namespace=USERS),
        *each("get update", "configmaps", name="catflap-registration", namespace=SYSTEM),
        *each("list watch", "secrets", name="catflap-webhook-path", namespace=OURS),
        *each("create", "subjectaccessreviews", group="authorization.k8s.io"),
        *each("list", "endpointslices", namespace=USERS, group="discovery.k8s.io"),
    ],
}


@for_each_values_file
def test_no_right_is_wide(render: Render, values_file: Path) -> None:
    """There are no wildcards, no Secret other than that of the path in the own namespace, and only accounts of this chart."""
    rendered = render(values_file)
    for role in rendered.of("ClusterRole", "Role"):
        for rule in role["rules"]:
            assert "*" not in {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}
            if "secrets" in rule["resources"]:
                assert (role["kind"], role["metadata"]["namespace"]) == ("Role", OURS)
                assert rule["verbs"] == ["create"] or rule["resourceNames"] == [PATH_SECRET]
    accounts = {(found["metadata"]["namespace"], found["metadata"]["name"]) for found in rendered.of("ServiceAccount")}
    for binding in rendered.of("ClusterRoleBinding", "RoleBinding"):
        assert {(subject["namespace"], subject["name"]) for subject in binding["subjects"]} <= accounts
        rendered.get(binding["roleRef"]["kind"], binding["roleRef"]["name"])


@pytest.fixture(scope="module")
def accounts(cluster: Cluster) -> Iterator[Cluster]:
    """Start a cluster with the chart's accounts and rights; the webhook is not registered, so that it affects no other test."""
    with released(cluster, "--values", str(UNREGISTERED)):
        wait_until(lambda: granted(cluster, "server", MAY["server"][0]), what="RBAC to know")
        yield cluster


def granted(cluster: Cluster, role: str, right: Right) -> bool:
    """Return the answer of `kubectl auth can-i` for one of the accounts."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "resource": resource, "group": right.group, "subresource": subresource}
    attributes |= {"name": right.name, "namespace": right.namespace}
    body: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    account = f"system:serviceaccount:{NAMESPACE}:{ACCOUNTS[role]}"
    return bool(cluster.api("POST", REVIEWS, body, as_user=account)["status"]["allowed"])


@pytest.mark.parametrize("role", ROLES)
def test_what_each_needs_is_granted(accounts: Cluster, role: str) -> None:
    """Every request of the program is listed."""
    assert [str(right) for right in MAY[role] if not granted(accounts, role, right)] == []


@pytest.mark.parametrize("role", ROLES)
def test_what_neither_needs_is_not(accounts: Cluster, role: str) -> None:
    """These rights would help an attacker who took over an account."""
    assert [str(right) for right in MAY_NOT[role] if granted(accounts, role, right)] == []


@pytest.mark.parametrize("role", ROLES)
def test_the_list_of_one_configmap_is_allowed(accounts: Cluster, role: str) -> None:
    """The program uses a field selector, since a watch has no name."""
    account = f"system:serviceaccount:{NAMESPACE}:{ACCOUNTS[role]}"
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    found = accounts.api("GET", f"{path}?fieldSelector=metadata.name%3Dcatflap-policy", as_user=account)
    assert [one["metadata"]["name"] for one in found["items"]] == ["catflap-policy"]
    with pytest.raises(ApiError, match="cannot list"):
        accounts.api("GET", path, as_user=account)


def test_kubectl_agrees(accounts: Cluster) -> None:
    """Kubectl sends the same review."""
    account = f"--as=system:serviceaccount:{NAMESPACE}:catflap"
    may = accounts.kubectl("auth", "can-i", "watch", "configmaps/catflap-policy", "--namespace", NAMESPACE, account)
    may_not = accounts.kubectl("auth", "can-i", "get", "secrets", "--namespace", NAMESPACE, account, check=False)
    assert (may.stdout.strip(), may_not.stdout.strip()) == ("yes", "no")


# What the chart grants and no table of the program has, with the reason.
BESIDE: dict[str, str] = {
    "tier.": "Calico's API server asks for it on behalf of whoever writes a policy of a tier",
    "tiers": "the same",
    "services": "where the API server finds the servers; only with --service",
    "deployments": "how many servers are ready; only with --server-deployment",
}


@pytest.mark.parametrize("role", ROLES)
def test_the_chart_grants_what_the_program_asks_for_and_nothing_else(render: Render, role: str) -> None:
    """The table that the program checks at its start equals the rules of the chart, verb by verb, in both directions."""
    rendered = render(DEFAULT)
    account = ACCOUNTS[role]
    rules = {
        (verb, group, resource, name, one["metadata"].get("namespace", ""))
        for one in rendered.of("ClusterRole", "Role")
        if one["metadata"]["name"] in {account, f"{account}-kube-system"}
        for rule in one["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }
    table = {"server": server_permissions, "controller": controller_permissions}[role](
        NAMESPACE, (NAMESPACE, "catflap-policy")
    )
    needed = {(one.verb, one.group, one.resource, one.name, one.namespace) for one in table}
    lacking = {one for one in needed if not any(covers(rule, one) for rule in rules)}
    unused = {rule for rule in rules if not any(covers(rule, one) for one in needed) and not beside(rule)}
    assert (lacking, unused) == (set(), set())


def covers(rule: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Return whether one rule grants a right."""
    return rule[:3] == right[:3] and rule[3] in {"", right[3]} and rule[4] in {"", right[4]}


def beside(rule: tuple[str, ...]) -> bool:
    """Return whether a rule is for a right that the program does not use itself."""
    return any(rule[2] == what or (what[-1] == "." and rule[2].startswith(what)) for what in BESIDE)
