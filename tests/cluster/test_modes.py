"""Tests modes by namespace, user and time, all configured by the policy file alone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tests.cluster.barriers import wait_until_granted
from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import GOOD, deployment, namespace, pod, with_host_network
from tests.cluster.policies import stored_policies
from tests.controlplane.client import MERGE, Answer
from webhook.model.names import BREAK_GLASS_GROUP

BARE: Mapping[str, str] = {}
PODS = "/api/v1/namespaces/{}/pods"
NAMESPACES = "/api/v1/namespaces"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/catflap"
RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
OWNERS = "owners"


@pytest.fixture(scope="module", autouse=True)
def _owners(installation: Installation) -> None:
    """Return a group with every right that no file names."""
    api = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": OWNERS},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": OWNERS}],
    }
    installation.cluster.api("POST", RBAC, binding)
    wait_until_granted(installation.cluster, NAMESPACES, OWNERS)


def create(catflap: Installation, thing: Mapping[str, Any], *groups: str, user: str = "ann", query: str = "") -> Answer:
    """Create a Pod or a namespace as a user with every right."""
    metadata = thing["metadata"]
    path = f"{PODS.format(metadata['namespace']) if thing['kind'] == 'Pod' else NAMESPACES}{query}"
    return catflap.cluster.call("POST", path, dict(thing), as_user=user, as_groups=[OWNERS, *groups])


def refused_in_the_end(catflap: Installation, space: str, **labels: str) -> str:
    """Try to create a namespace, without storing it, until that is refused; return the message.

    The API server reads a new registration a moment after the policy file is in force.
    """
    found = eventually(
        lambda: create(catflap, namespace(space, **labels), query="?dryRun=All"), until=lambda seen: seen.refused
    )
    return str(found.body["message"])


def decided(catflap: Installation, space: str, resource: str = "pods") -> list[dict[str, Any]]:
    """Return the validation decisions on the objects of a namespace."""
    return [
        one
        for one in catflap.server.records()
        if one["type"] == "decision"
        and one["phase"] == "validate"
        and one["objectRef"].get("namespace") == space
        and one["objectRef"]["resource"] == resource
    ]


def test_a_mode_by_prefix(catflap: Installation, namespace_name: str) -> None:
    """Audit: admitted without a warning, recorded, and the namespace is isolated all the same."""
    space = f"lab-{namespace_name}"
    catflap.configure({"namespaces": {"overrides": [{"names": ["lab-*"], "mode": "audit"}]}})
    catflap.apply(namespace(space))
    done = catflap.apply(pod("web", space, BARE))
    assert (done.returncode, done.stderr) == (0, "")
    [record] = decided(catflap, space)
    assert (record["decision"], record["closure"]) == ("allowed", record["closure"])
    assert {one["rule"] for one in record["audited"]} == {"require-app", "require-role"}
    assert "catflap-default-deny" in stored_policies(catflap, "kubernetes", space)


def test_a_mode_by_label(catflap: Installation, namespace_name: str) -> None:
    """A label sets the mode to warn; an unauthorised user cannot set it by any endpoint."""
    catflap.configure({"namespaces": {"overrides": [{"labels": {"tier": "gold"}, "mode": "warn"}]}})
    refusal = refused_in_the_end(catflap, f"{namespace_name}-x", tier="gold")
    assert "metadata.labels.tier: only members of system:masters" in refusal
    catflap.apply(namespace(namespace_name))
    assert catflap.apply(pod("web", namespace_name, BARE)).returncode
    labels = {"metadata": {"labels": {"tier": "gold"}}}
    for way in ("", "/status"):
        path = f"{NAMESPACES}/{namespace_name}{way}"
        answer = catflap.cluster.call("PATCH", path, labels, content_type=MERGE, as_user="ann", as_groups=[OWNERS])
        assert answer.status == 403, way
    catflap.cluster.api("PATCH", f"{NAMESPACES}/{namespace_name}", labels, content_type=MERGE)
    done = catflap.apply(pod("web", namespace_name, BARE))
    assert done.returncode == 0
    assert "Warning: require-app: metadata.labels.app: the label 'app' is missing" in done.stderr


def test_a_reserved_prefix(catflap: Installation, namespace_name: str) -> None:
    """It is neither judged nor isolated nor reviewed; only the users that the file names create it."""
    space = f"kept-{namespace_name}"
    reserved = {"prefixes": ["kept-*"], "groups": ["platform"]}
    catflap.configure({"namespaces": {"reserved": reserved}})
    refusal = refused_in_the_end(catflap, f"{space}-x")
    assert f"the namespace name {space}-x is reserved: only members of platform may create it" in refusal
    eventually(lambda: "kept-" in str(catflap.cluster.api("GET", REGISTRATION)["webhooks"]))
    assert create(catflap, namespace(space), "platform").status == 201
    # The API server reads the new registration a moment after it was stored: the first Pods may still be reviewed.
    numbers = count()
    eventually(lambda: reviews(catflap, space, f"web-{next(numbers)}") == 0)
    assert stored_policies(catflap, "kubernetes", space) == []
    catflap.configure()
    eventually(lambda: "catflap-default-deny" in stored_policies(catflap, "kubernetes", space))


def reviews(catflap: Installation, space: str, name: str) -> int:
    """Create a Pod without labels; return the number of recorded decisions about it."""
    assert create(catflap, pod(name, space, BARE)).status == 201
    return sum(one["objectRef"].get("name") == name for one in decided(catflap, space))


EXEMPT = {"users": ["robot"], "groups": ["installers"]}


@pytest.mark.parametrize(
    ("user", "groups", "code"),
    [
        ("robot", [], "ExemptUser"),
        ("ann", ["installers"], "ExemptGroup"),
        ("ann", [BREAK_GLASS_GROUP], "BreakGlass"),
    ],
)
def test_exempt_users_pass_every_rule(
    catflap: Installation, namespace_name: str, user: str, groups: list[str], code: str
) -> None:
    """As for `kubectl debug node`: a Pod on the host network, without labels; recorded with what it violated."""
    catflap.configure({"exempt": EXEMPT})
    catflap.apply(namespace(namespace_name))
    debugger = with_host_network(pod("node-debugger", namespace_name, BARE))
    assert create(catflap, debugger).status == 403
    assert create(catflap, debugger, *groups, user=user).status == 201
    record = decided(catflap, namespace_name)[-1]
    assert (record["decision"], record["reasonCode"]) == ("exempt", code)
    assert {one["rule"] for one in record["audited"]} == {"no-host-network", "require-app", "require-role"}
    assert "catflap-default-deny" in stored_policies(catflap, "kubernetes", namespace_name)


def test_the_pods_of_what_an_exempt_user_made_are_judged(catflap: Installation, namespace_name: str) -> None:
    """The controller creates them: the exemption covers the user, and not the Pods of the object."""
    catflap.configure({"exempt": EXEMPT})
    catflap.apply(namespace(namespace_name))
    path = f"/apis/apps/v1/namespaces/{namespace_name}/deployments"
    body = deployment("web", namespace_name, BARE)
    answer = catflap.cluster.call("POST", path, body, as_user="robot", as_groups=[OWNERS])
    assert answer.status == 201
    assert any("Pods that a controller creates from this object are checked" in warning for warning in answer.warnings)
    made = eventually(lambda: decided(catflap, namespace_name, "replicasets"))
    assert {one["decision"] for one in made} == {"denied"}


def test_an_exception_is_announced_in_its_last_week(catflap: Installation, namespace_name: str) -> None:
    """Kubectl shows it to the user."""
    today = datetime.now(UTC).date()
    soon, later = today + timedelta(days=3), today + timedelta(days=30)
    common = {"namespace": namespace_name, "owner": "team-a", "reason": "migration"}
    exceptions = [
        {**common, "rule": "require-app", "until": soon},
        {**common, "rule": "require-role", "until": later},
    ]
    catflap.configure({"exceptions": exceptions})
    catflap.apply(namespace(namespace_name))
    done = catflap.apply(pod("web", namespace_name, BARE))
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"Warning: admitted because of an exception to require-app until {soon}, team-a: migration"
    ]


RELABELLED = {"metadata": {"labels": {"role": "data"}}}


@pytest.mark.parametrize("way", ["", "/status"])
@pytest.mark.parametrize("key", ["role", "app.kubernetes.io/component"])
def test_a_running_pod_keeps_its_role(catflap: Installation, namespace_name: str, way: str, key: str) -> None:
    """Any label with its name counts, by any endpoint; other labels are not judged."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(pod("web", namespace_name, {"app": "web", key: "frontend"}), check=True)
    path = f"{PODS.format(namespace_name)}/web{way}"
    for labels in ({"role": "data"}, {"role": None, "app.kubernetes.io/component": "data"}):
        answer = catflap.cluster.call("PATCH", path, {"metadata": {"labels": labels}}, content_type=MERGE)
        assert (answer.status, "- keep-role: " in answer.body["message"]) == (403, True), labels
    assert catflap.cluster.call("PATCH", path, {"metadata": {"labels": {"x": "y"}}}, content_type=MERGE).status == 200


def test_a_claimed_role(catflap: Installation, namespace_name: str) -> None:
    """The namespace and the ServiceAccount select it; a template gets the warning as well as its Pods."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "store", "namespace": namespace_name}}
    claim = {"namespaces": [namespace_name], "serviceAccounts": [f"{namespace_name}/store"]}
    catflap.configure({"roles": {"data": {"claim": claim}}})
    catflap.apply(namespace(namespace_name))
    catflap.apply(account, check=True)
    store = {"app": "web", "role": "data"}
    refused = catflap.apply(pod("web", namespace_name, store))
    assert (
        "- role-claim: spec.serviceAccountName: the role 'data' is reserved for the ServiceAccounts "
        f"{namespace_name}/store" in refused.stderr
    )
    assert (
        "role-claim: spec.template.spec.serviceAccountName"
        in catflap.apply(deployment("web", namespace_name, store)).stderr
    )
    named = pod("web", namespace_name, store)
    named["spec"] = {**named["spec"], "serviceAccountName": "store"}
    assert catflap.apply(named).returncode == 0
    assert catflap.apply(pod("other", namespace_name, GOOD)).returncode == 0
    elsewhere = f"{namespace_name}-x"
    catflap.apply(namespace(elsewhere))
    assert "role-claim: metadata.labels.role" in catflap.apply(pod("web", elsewhere, store)).stderr
