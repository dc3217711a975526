"""Probes the servers as the API server would call them, by a harmless review, before their address is registered."""

import base64
import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from msgspec import Struct

from webhook.controller.webhook_configurations import HTTPS, MUTATE, VALIDATE, Endpoint
from webhook.kube.api import Api
from webhook.kube.connection_errors import describe_failure
from webhook.kube.paths import collection, under
from webhook.model.names import PROBE, PROBE_GROUP, PROBE_LATE, PROBE_RESOURCE, PROBE_SERVER
from webhook.model.timeouts import WEBHOOK_TIMEOUT_SECONDS
from webhook.syntax.pem_errors import DAMAGED_MESSAGE, pem_error

MAX_ANSWER_BYTES: Final = 65536
LATE: Final = re.compile(r"([0-9a-f]{8}):([0-9]{1,15})")
JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class Unreachable(Exception):  # noqa: N818 (a state of the cluster)
    """No server answers correctly; the message says where, what was received, and how to fix it."""


class ServerAddress(Struct, frozen=True):
    """The host and port to connect to, the name that the certificate must have, and the prefix of all paths."""

    host: str
    port: int
    name: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.host}:{self.port})" if self.host != self.name else f"{self.host}:{self.port}"


class ProbeAnswer(Struct, frozen=True):
    """What a ready server reports about itself.

    `account` is its user name, empty if unknown. `late` is the number of reviews that it answered too late or not at
    all, by the name of its process. It is empty if the server does not report it.
    """

    account: str = ""
    late: Mapping[str, int] = {}


class RequiredReplicas(Struct, frozen=True):
    """The Deployment of the servers, and how many of its replicas must be ready before the first registration."""

    namespace: str
    name: str
    required: int


def resolve_address(api: Api, endpoint: Endpoint) -> ServerAddress:
    """Return the address to which the API server would connect for an endpoint.

    The API server resolves a Service itself, not by DNS (kubernetes, staging/src/k8s.io/apiserver/pkg/util/proxy,
    ResolveCluster). Raises Unreachable, ApiError.
    """
    if endpoint.url:
        parts = urlsplit(endpoint.url)
        return ServerAddress(
            parts.hostname or "", parts.port or HTTPS, name=parts.hostname or "", prefix=parts.path.rstrip("/")
        )
    name = f"{endpoint.service}.{endpoint.namespace}.svc"
    found = api.get(under(collection("v1", "services", endpoint.namespace), endpoint.service))
    if found is None:
        raise Unreachable(
            f"Service {endpoint.namespace}/{endpoint.service} does not exist; create it, or name another Service"
        )
    spec = found["spec"]
    host = spec.get("externalName") if spec.get("type") == "ExternalName" else spec.get("clusterIP")
    if not host or host == "None":
        raise Unreachable(
            f"Service {endpoint.namespace}/{endpoint.service} has no clusterIP, so the API server cannot call it"
        )
    return ServerAddress(host, endpoint.port, name=name)


def check_ready_replicas(api: Api, wanted: RequiredReplicas) -> None:
    """Check that enough replicas of the servers are ready. Raises Unreachable, ApiError."""
    found = api.get(under(collection("apps/v1", "deployments", wanted.namespace), wanted.name))
    ready = ((found or {}).get("status") or {}).get("readyReplicas", 0)
    if ready < wanted.required:
        raise Unreachable(
            f"{ready} of the {wanted.required} required replicas of Deployment {wanted.namespace}/{wanted.name} "
            f"are ready; see: kubectl --namespace {wanted.namespace} describe deployment {wanted.name}"
        )


def probe_endpoint(api: Api, endpoint: Endpoint, *, certified: bool = False) -> str:
    """Probe both paths as the API server would call them; return the server's user name, empty if unknown.

    `certified` servers request the client certificate that only the API server has: that request is their correct
    answer. The server certificate is verified with the CA and the name that would be registered. Raises Unreachable,
    ApiError.
    """
    where = resolve_address(api, endpoint)
    context = make_ssl_context(endpoint)
    servers = [send_probe(where, context, endpoint, phase, certified=certified) for phase in (VALIDATE, MUTATE)]
    return servers[0].account


def make_ssl_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return a TLS context that trusts only the CA of an endpoint. Raises Unreachable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Accept what the API server accepts: Go requires no key usage of a CA, and Python's strict mode does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        bundle = base64.b64decode(endpoint.ca_bundle)
        context.load_verify_locations(cadata=bundle.decode("ascii", "replace"))
    except ssl.SSLError as bad:
        raise Unreachable(f"the CA certificate cannot be read: {pem_error(bundle) or DAMAGED_MESSAGE}") from bad
    except ValueError as bad:
        raise Unreachable(
            "the CA certificate cannot be read: the caBundle is not Base64; give a certificate in PEM"
        ) from bad
    return context


def send_probe(
    where: ServerAddress, context: ssl.SSLContext, endpoint: Endpoint, phase: str, *, certified: bool
) -> ProbeAnswer:
    """Send one harmless review to one path; return what the server reports about itself. Raises Unreachable."""
    path = f"{where.prefix}{phase}/{endpoint.token}" if endpoint.token else f"{where.prefix}{phase}"
    uid = str(uuid4())
    try:
        with (
            socket.create_connection((where.host, where.port), timeout=WEBHOOK_TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=where.name) as secure,
        ):
            connection = http.client.HTTPConnection(url_host(where.name), where.port)
            connection.sock = secure
            connection.request("POST", path, msgspec.json.encode(probe_review(uid)), JSON)
            answer = connection.getresponse()
            status, body = answer.status, answer.read(MAX_ANSWER_BYTES)
    except ssl.SSLCertVerificationError as bad:
        raise Unreachable(
            f"the API server would not trust the certificate at {where}: {bad.verify_message}; issue it for the "
            f"name {where.name}, and register the CA that signed it"
        ) from bad
    except (OSError, http.client.HTTPException) as bad:
        raise Unreachable(f"no answer from {where}: {describe_failure(bad)}") from bad
    if certified and status == HTTPStatus.UNAUTHORIZED:
        return ProbeAnswer()
    return parse_answer(where, uid, status, body)


def url_host(host: str) -> str:
    """Return a host as a URL contains it."""
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host  # noqa: PLR2004 (of the Internet Protocol)
    except ValueError:
        return host


def parse_answer(where: ServerAddress, uid: str, status: int, body: bytes) -> ProbeAnswer:
    """Return what a server reports in its answer. Raises Unreachable unless the answer is that of a ready server."""
    if status != HTTPStatus.OK:
        said = body[:200].decode(errors="replace")
        raise Unreachable(f"{where} answers with HTTP status {status}: {said}")
    try:
        response: dict[str, Any] = msgspec.json.decode(body)["response"]
        found, allowed, notes = response["uid"], response["allowed"], response.get("auditAnnotations") or {}
    except (msgspec.MsgspecError, LookupError, TypeError, AttributeError) as bad:
        raise Unreachable(f"{where} does not answer with an AdmissionReview") from bad
    if found != uid or notes.get("probe") != PROBE:
        raise Unreachable(f"{where} is not a catflap server of this release, or its answer belongs to another review")
    if allowed is not True:
        message = (response.get("status") or {}).get("message", "")
        raise Unreachable(f"{where} is not ready yet: {message}")
    return ProbeAnswer(str(notes.get(PROBE_SERVER, "")), parse_late_reviews(str(notes.get(PROBE_LATE, ""))))


def parse_late_reviews(note: str) -> dict[str, int]:
    """Return the number of late reviews by process; empty if a server of another release reports something else."""
    found = LATE.fullmatch(note)
    return {found[1]: int(found[2])} if found else {}


def probe_review(uid: str) -> dict[str, Any]:
    """Return a dry-run AdmissionReview about a kind that no cluster has, so that it has no effect."""
    of = {"group": PROBE_GROUP, "version": "v1"}
    request = {
        "uid": uid,
        "kind": {**of, "kind": "Probe"},
        "resource": {**of, "resource": PROBE_RESOURCE},
        "name": "registration",
        "operation": "CREATE",
        "userInfo": {"username": "catflap-controller"},
        "object": {"apiVersion": f"{PROBE_GROUP}/v1", "kind": "Probe", "metadata": {"name": "registration"}},
        "dryRun": True,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
