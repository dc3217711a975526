"""Tests the chart on a real API server: what it stores, keeps and removes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.chart.conftest import Render
from tests.chart.releases import released, taken_away
from tests.chart.rendering import CHART, DEFAULT, NAMESPACE, Rendered, for_each_values_file
from tests.cluster.installation import eventually, installed
from tests.cluster.scans import scan
from tests.controlplane.client import Answer
from tests.controlplane.cluster import Cluster
from webhook.kube.identity import Permission
from webhook.kube.permissions import controller_permissions, server_permissions

STAND_INS = Path(__file__).parent / "stand-ins.yaml"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/catflap-tls"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/catflap"
OWN_SERVICE = {"service": {"namespace": NAMESPACE, "name": "catflap", "path": "/validate"}}
# What the controller's account may not change in its registration.
RIGHTS = {"server": server_permissions, "controller": controller_permissions}
# What the scenario below does not cover; tests/cluster does, with the same accounts.
ELSEWHERE = {
    "to know the age of the owner of a Pod",
    "to preview an edit of the policy file",
    "to know which names a user may read in the preview of a policy file",
    "to find the component that changed a policy",
    "to create the Lease again",
    "to check that every server accepts the next path",
    "to delete the registration together with the namespace of catflap",
    "to label managed namespaces",
}
CHANGED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "name": {"name": "other"},
    "entry": {"entry": "pods.example.com"},
    "url": {"client": {"url": "https://evil.example.com"}},
    "service": {"client": {"service": {**OWN_SERVICE["service"], "name": "evil"}}},
    "namespace": {"client": {"service": {**OWN_SERVICE["service"], "namespace": "default"}}},
}
RESTRICTED = {f"pod-security.kubernetes.io/{what}": "restricted" for what in ("enforce", "warn")}
EMERGENCY = (
    "delete",
    "--ignore-not-found",
    "validatingwebhookconfiguration/catflap",
    "mutatingwebhookconfiguration/catflap",
    "validatingadmissionpolicybinding/catflap-labels",
)


@pytest.fixture(scope="class")
def kinds(cluster: Cluster) -> Iterator[Cluster]:
    """Start a cluster with cert-manager's and Prometheus' kinds that admits only restricted Pods to catflap's namespace."""
    cluster.kubectl("apply", "--filename", str(STAND_INS))
    cluster.kubectl("wait", "--for=condition=Established", "--filename", str(STAND_INS))
    cluster.api("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": RESTRICTED}})
    # The objects that the values file "everything" names: a bare Pod is rejected without its runtime class, a Role
    # without its namespace.
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    cluster.call("POST", "/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "gvisor"}, "handler": "runsc"})
    yield cluster
    cluster.kubectl("delete", "runtimeclass", "gvisor")
    cluster.kubectl("delete", "namespace", NAMESPACE, "shop")
    cluster.kubectl("delete", "--filename", str(STAND_INS))


# The description of a value says what Pod Security rejects at its strictest level.
TOLD = {
    "audit-host": 'restricted volume types (volume "audit-log" uses restricted volume type "hostPath")',
    "host-network": "host namespaces (hostNetwork=true)",
}


@contextmanager
def accounts_of_pods(cluster: Cluster, objects: Sequence[dict[str, Any]]) -> Iterator[None]:
    """Create the ServiceAccounts of bare Pods (those of `helm test`), without which no Pod is accepted, until the end of the block."""
    wanted = {one["spec"]["serviceAccountName"] for one in objects if one["kind"] == "Pod"}
    found = [one for one in objects if one["kind"] == "ServiceAccount" and one["metadata"]["name"] in wanted]
    if not found:
        yield
        return
    text = yaml.safe_dump_all(found)
    cluster.kubectl("apply", "--filename", "-", stdin=text)
    try:
        yield
    finally:
        cluster.kubectl("delete", "--filename", "-", stdin=text)


class TestDryRun:
    """Return the API server's answer to each rendering, as a dry run."""

    @for_each_values_file
    def test_every_object_is_accepted_without_a_warning(
        self, kinds: Cluster, render: Render, values_file: Path
    ) -> None:
        """The API server's schemas, its validation, and Pod Security at its strictest level accept it."""
        command = ("apply", "--dry-run=server", "--validate=strict", "--filename", "-")
        rendered = render(values_file)
        with accounts_of_pods(kinds, rendered.afterwards):
            done = kinds.kubectl(*command, stdin=rendered.text)
        warnings = {line for line in done.stderr.splitlines() if line}
        told = TOLD.get(values_file.stem)
        assert warnings == ({f'Warning: would violate PodSecurity "restricted:latest": {told}'} if told else set())


class TestRelease:
    """Install, upgrade and uninstall; each test has a release of its own."""

    @pytest.fixture
    def release(self, cluster: Cluster) -> Iterator[Cluster]:
        """Install the chart with default values; its Pods stay Pending."""
        with released(cluster):
            yield cluster

    def test_all_of_it_comes_and_goes(self, release: Cluster, render: Render) -> None:
        """All rendered objects exist after the installation, and none after the removal."""
        objects = render(DEFAULT)
        assert missing(release, objects) == []
        release.helm("uninstall", "catflap", "--namespace", NAMESPACE, "--wait", "--no-hooks")
        assert missing(release, objects) == sorted(name(one) for one in objects.objects)

    def test_an_upgrade_keeps_the_certificate(self, release: Cluster) -> None:
        """The upgrade changes what was asked for."""
        before = certificate(release)
        upgrade(release, "--set", "server.replicas=3")
        assert certificate(release) == before
        assert release.api("GET", DEPLOYMENT)["spec"]["replicas"] == 3

    def test_a_deleted_certificate_is_replaced_everywhere(self, release: Cluster) -> None:
        """The new one is in the Secret, from which the controller reads the CA, and in the Pods, which restart."""
        before = certificate(release)
        release.api("DELETE", SECRET)
        upgrade(release)
        after = certificate(release)
        assert all(old != new for old, new in zip(before, after, strict=True))

    def test_the_notes_say_how_it_is_registered_turned_off_and_on(self, release: Cluster) -> None:
        """The API server accepts the commands; nothing is registered before a controller runs, and no Pod waits."""
        notes = " ".join(
            release.helm("get", "notes", "catflap", "--namespace", NAMESPACE).stdout.replace("\\\n", " ").split()
        )
        assert " ".join(EMERGENCY) in notes
        release.kubectl(*EMERGENCY)
        for words in (("get", "configmap"), ("delete", "configmap")):
            assert f"kubectl --namespace {NAMESPACE} {' '.join(words)} catflap-registration" in notes
            release.kubectl("--namespace", NAMESPACE, *words, "catflap-registration")
        assert release.call("GET", f"{CONFIGURATIONS}/catflap").status == 404
        pods = "/api/v1/namespaces/default/pods?dryRun=All"
        assert release.call("POST", pods, bare_pod()).status == 201


@pytest.fixture(scope="class")
def guarded(cluster: Cluster) -> Iterator[Cluster]:
    """Install the chart with its policy for the controller's account in force."""
    with released(cluster):
        attempt = partial(try_to_register, cluster, "other", OWN_SERVICE)
        eventually(attempt, until=lambda answer: "controller registers" in str(answer.body))
        yield cluster


class TestGuard:
    """RBAC lets the controller's account create any webhook configuration; an admission policy limits it to its own."""

    @pytest.mark.parametrize("resource", ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"])
    @pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
    def test_a_stolen_token_registers_nothing_else(
        self, guarded: Cluster, resource: str, changed: dict[str, Any]
    ) -> None:
        """It has its own name, its own Service and its own entries."""
        tried = {"name": "catflap", "client": OWN_SERVICE, **changed}
        answer = try_to_register(guarded, **tried, resource=resource)
        assert (answer.status == 201) is (not changed), answer.body
        assert not changed or "catflap's controller registers" in answer.body["message"]

    def test_others_may_register_as_before(self, guarded: Cluster) -> None:
        """The policy applies to the controller's account alone."""
        assert try_to_register(guarded, "other", OWN_SERVICE, user="").status == 201


def try_to_register(
    cluster: Cluster,
    name: str,
    client: dict[str, Any],
    *,
    entry: str = "pods.catflap.dev",
    resource: str = "validatingwebhookconfigurations",
    user: str = f"system:serviceaccount:{NAMESPACE}:catflap-controller",
) -> Answer:
    """Return the API server's answer to a webhook configuration, as a dry run."""
    webhook = {"name": entry, "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    body = {"metadata": {"name": name}, "webhooks": [{**webhook, "failurePolicy": "Ignore"}]}
    path = f"/apis/admissionregistration.k8s.io/v1/{resource}?dryRun=All"
    return cluster.call("POST", path, body, **({"as_user": user} if user else {}))


def test_both_processes_live_on_their_rights(cluster: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """No request for namespaces and Pods, for both engines, or for reports is answered with 403."""
    try:
        cluster.install_openreports()
        with taken_away(cluster), installed(cluster, tmp_path) as catflap:
            cluster.api("POST", "/api/v1/namespaces", {"metadata": {"name": namespace_name}})
            closed(cluster, namespace_name, "networking.k8s.io/v1")
            cluster.install_calico()
            closed(cluster, namespace_name, "projectcalico.org/v3")
            refused = cluster.call("POST", f"/api/v1/namespaces/{namespace_name}/pods", bare_pod())
            assert 'admission webhook "pods.catflap.dev" denied' in refused.body["message"]
            labelled = {**bare_pod(), "metadata": {"name": "good", "labels": {"app": "web", "role": "frontend"}}}
            cluster.api("POST", f"/api/v1/namespaces/{namespace_name}/pods", labelled)
            scan(catflap)
    finally:
        cluster.remove_calico()
        cluster.remove_openreports()
    prefix = f"system:serviceaccount:{NAMESPACE}:"
    ours = [event for event in cluster.audit_events() if event["user"]["username"].startswith(prefix)]
    forbidden = {event["requestURI"] for event in ours if event.get("responseStatus", {}).get("code") == 403}
    assert {event["user"]["username"] for event in ours} == {f"{prefix}catflap", f"{prefix}catflap-controller"}
    assert forbidden == set()
    for role, account in (("server", "catflap"), ("controller", "catflap-controller")):
        table = RIGHTS[role](NAMESPACE, (NAMESPACE, "catflap-policy"))
        calls = {used(event) for event in ours if event["user"]["username"] == f"{prefix}{account}"}
        assert {call for call in calls if not on_table(call, table)} == set()
        exercised = {one.purpose for one in table if any(matches(one, call) for call in calls)}
        assert {one.purpose for one in table} - exercised <= ELSEWHERE, role


Call = tuple[str, str, str, str, str]


def used(event: dict[str, Any]) -> Call:
    """Return what the API server authorised for one request: verb, group, resource, name and namespace."""
    found = event.get("objectRef") or {}
    name = found.get("name", "")
    if event["verb"] in {"list", "watch"}:  # with a field selector these count as a request for one name
        query = parse_qs(urlsplit(event["requestURI"]).query).get("fieldSelector", [""])[0]
        name = query.removeprefix("metadata.name=") if query.startswith("metadata.name=") else ""
    if event["verb"] == "create":
        name = ""
    return event["verb"], found.get("apiGroup", ""), found.get("resource", ""), name, found.get("namespace", "")


def on_table(call: Call, table: Iterable[Permission]) -> bool:
    """Return whether the program's table has the request; what all users may ask is in no table."""
    everybodys = {"", "selfsubjectreviews", "selfsubjectaccessreviews"}
    beside = {"services", "deployments"}  # for --service and --server-deployment
    return call[2] in everybodys | beside or any(matches(one, call) for one in table)


def matches(right: Permission, call: Call) -> bool:
    """Return whether a right covers a request."""
    named = right.name in {"", call[3]} and right.namespace in {"", call[4]}
    return (right.verb, right.group, right.resource) == call[:3] and named


def closed(cluster: Cluster, namespace: str, version: str) -> None:
    """Wait for the default-deny policy."""
    path = f"/apis/{version}/namespaces/{namespace}/networkpolicies/catflap-default-deny"
    eventually(lambda: cluster.call("GET", path), until=lambda answer: answer.status == 200, within=30)


def bare_pod() -> dict[str, Any]:
    """Return a Pod without labels."""
    return {"metadata": {"name": "bare"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}


def upgrade(cluster: Cluster, *arguments: str) -> None:
    """Run `helm upgrade` of the release."""
    cluster.helm("upgrade", "catflap", str(CHART), "--namespace", NAMESPACE, *arguments)


def certificate(cluster: Cluster) -> tuple[str, str, str]:
    """Return the CA in the Secret, the server's key, and the annotation that restarts Pods."""
    data = cluster.api("GET", SECRET)["data"]
    annotations = cluster.api("GET", DEPLOYMENT)["spec"]["template"]["metadata"]["annotations"]
    return data["ca.crt"], data["tls.key"], annotations["checksum/tls"]


def missing(cluster: Cluster, rendered: Rendered) -> list[str]:
    """Return the objects that do not exist."""
    gone = (
        cluster.kubectl("get", "--filename", "-", "--ignore-not-found", "--output", "name", stdin=rendered.text)
    ).stdout
    there = {line.partition("/")[2] + "/" + line.partition("/")[0].partition(".")[0] for line in gone.splitlines()}
    return sorted(name(one) for one in rendered.objects if name(one) not in there)


def name(one: dict[str, Any]) -> str:
    """Return an object's name and kind, as kubectl prints them."""
    return f"{one['metadata']['name']}/{one['kind'].lower()}"
