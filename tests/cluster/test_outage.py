"""Tests a cluster without any server: what it needs to live works, and what must stay closed does."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cluster.installation import NAMESPACE, POLICY, Installation, eventually, run_server
from tests.cluster.manifests import GOOD, deployment, namespace, pod
from tests.programs import Program, serve, stop
from tests.reviews import encoded

MERGE_PATCH = "application/merge-patch+json"


@pytest.fixture
def outage(catflap: Installation, namespace_name: str) -> Iterator[str]:
    """Return a managed namespace with a running Deployment, and no server."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(deployment("web", namespace_name, GOOD))
    pods = f"/api/v1/namespaces/{namespace_name}/pods"
    # The test that restarts the API server may have run before: Kubernetes' own controllers then back off for a
    # while.
    eventually(lambda: catflap.cluster.api("GET", pods)["items"], within=60)
    stop(catflap.server.process)
    try:
        yield namespace_name
    finally:
        catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))


Act = Callable[[Installation, str], Any]


def call(method: str, path: str, body: dict[str, Any] | None = None) -> Act:
    """Send one request as the administrator; `{}` in the path is the managed namespace."""
    content_type = MERGE_PATCH if method == "PATCH" else "application/json"
    return lambda catflap, space: catflap.cluster.call(method, path.format(space), body, content_type=content_type)


def signing_request() -> dict[str, Any]:
    """Return the requests of a node before it may join."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, "system:node:outage"),
        ]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "outage"},
        "spec": {
            "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode("ascii"),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }


STILL_WORK: dict[str, Act] = {
    "a Node": call("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "outage-node"}}),
    "a CertificateSigningRequest": call(
        "POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", signing_request()
    ),
    "a Lease": call(
        "POST",
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "outage-lease"}},
    ),
    "a Pod in kube-system": call("POST", "/api/v1/namespaces/kube-system/pods", pod("outage", "kube-system", {})),
    "our own Deployment": call(
        "POST", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", deployment("outage", NAMESPACE, {})
    ),
    "a namespace": call("POST", "/api/v1/namespaces", namespace("outage-namespace")),
    "a user's own network policy": call(
        "POST",
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "theirs"},
            "spec": {"podSelector": {}, "ingress": [{}]},
        },
    ),
    "scale to 0": call(
        "PATCH", "/apis/apps/v1/namespaces/{}/deployments/web/scale", {"spec": {"replicas": 0}}
    ),
    "the status of a Deployment": call(
        "PATCH", "/apis/apps/v1/namespaces/{}/deployments/web/status", {"status": {"observedGeneration": 1}}
    ),
    "an annotation on a Deployment": call(
        "PATCH", "/apis/apps/v1/namespaces/{}/deployments/web", {"metadata": {"annotations": {"a": "b"}}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STILL_WORK)
def test_this_works_without_catflap(catflap: Installation, outage: str, what: str) -> None:
    """KY#16177: no request that a cluster needs to live waits for catflap."""
    answer = STILL_WORK[what](catflap, outage)
    assert answer.status in {200, 201}, answer.body


def test_pods_and_namespaces_can_be_deleted_without_catflap(catflap: Installation, outage: str) -> None:
    """Catflap does not review deletions."""
    catflap.cluster.kubectl("--namespace", outage, "delete", "pods", "--all", "--now")
    catflap.cluster.kubectl("delete", "namespace", outage, "--timeout=30s")


def test_a_new_pod_is_refused_while_no_server_can_judge_it(catflap: Installation, outage: str) -> None:
    """Pods fail closed."""
    done = catflap.apply(pod("new", outage, GOOD))
    assert done.returncode == 1
    assert 'failed calling webhook "pods.catflap.dev"' in done.stderr


def test_a_server_without_an_api_server_is_not_ready(catflap: Installation, tmp_path: Path) -> None:
    """KY#3260: no request is served before the policy and the caches are loaded."""
    (tmp_path / "tls").symlink_to(catflap.folder / "tls")
    token = catflap.cluster.kubeconfig_for_service_account(NAMESPACE, "catflap")
    catflap.cluster.stop_apiserver()
    try:
        arguments = ("--policy", POLICY, "--kubeconfig", str(token))
        with serve(tmp_path, *arguments, ready=False, environment={"POD_NAMESPACE": NAMESPACE}) as early:
            eventually(
                lambda: ready_or_not(early), until=lambda seen: seen == b"not ready: policy, namespaces, cluster info\n"
            )
            response = early.post("/validate", encoded(pod("x", "shop", GOOD))).response
            assert (response["allowed"], response["status"]["code"]) == (False, 503)
            catflap.cluster.start_apiserver()
            early.wait_for()
    finally:
        catflap.cluster.start_apiserver()


def ready_or_not(program: Program) -> bytes:
    """Return the body of /readyz; empty while the port is closed."""
    try:
        return program.status("/readyz").body
    except OSError:
        return b""
