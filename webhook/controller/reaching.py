"""Whether the servers answer where the API server will ask them: tried in its way before it is told so, by a harmless review."""

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

from webhook.controller.registration import HTTPS, MUTATE, VALIDATE, Endpoint
from webhook.kube.api import Api
from webhook.kube.connection_errors import describe_failure
from webhook.kube.paths import collection, under
from webhook.model.names import PROBE, PROBE_GROUP, PROBE_LATE, PROBE_RESOURCE, PROBE_SERVER
from webhook.syntax.pem_words import DAMAGED, damage

# As long as the API server itself waits for an answer (webhook.controller.registration.TIMEOUT_SECONDS).
PATIENCE_SECONDS: Final = 5.0
LONGEST_ANSWER: Final = 65536
LATE: Final = re.compile(r"([0-9a-f]{8}):([0-9]{1,15})")
JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class Unreachable(Exception):  # noqa: N818 (a state of the cluster)
    """No server answers as it should; the message says where, what came instead and what to do."""


class Address(Struct, frozen=True):
    """Where to connect to, the name that the certificate must be for, and what precedes the path of a phase."""

    host: str
    port: int
    name: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.host}:{self.port})" if self.host != self.name else f"{self.host}:{self.port}"


class Probed(Struct, frozen=True):
    """What a server that is ready says of itself.

    `account` is the user name under which it acts, empty if unknown; `late` the number of reviews that it answered too late or not at
    all, by the name of its process; empty where it does not tell.
    """

    account: str = ""
    late: Mapping[str, int] = {}


class Replicas(Struct, frozen=True):
    """The Deployment of the servers, and how many of its replicas must be ready before the first registration."""

    namespace: str
    name: str
    required: int


def address(api: Api, endpoint: Endpoint) -> Address:
    """Where the API server would connect to for an endpoint.

    It resolves a Service itself, not by DNS (kubernetes, staging/src/k8s.io/apiserver/pkg/util/proxy, ResolveCluster).
    Raises Unreachable, ApiError.
    """
    if endpoint.url:
        parts = urlsplit(endpoint.url)
        return Address(
            parts.hostname or "", parts.port or HTTPS, name=parts.hostname or "", prefix=parts.path.rstrip("/")
        )
    name = f"{endpoint.service}.{endpoint.namespace}.svc"
    found = api.get(under(collection("v1", "services", endpoint.namespace), endpoint.service))
    if found is None:
        raise Unreachable(
            f"there is no Service {endpoint.namespace}/{endpoint.service}; create it, or name another one"
        )
    spec = found["spec"]
    host = spec.get("externalName") if spec.get("type") == "ExternalName" else spec.get("clusterIP")
    if not host or host == "None":
        raise Unreachable(
            f"Service {endpoint.namespace}/{endpoint.service} has no address: the API server takes none without a clusterIP"
        )
    return Address(host, endpoint.port, name=name)


def enough_ready(api: Api, wanted: Replicas) -> None:
    """See that enough replicas of the servers are ready.  Raises Unreachable, ApiError."""
    found = api.get(under(collection("apps/v1", "deployments", wanted.namespace), wanted.name))
    ready = ((found or {}).get("status") or {}).get("readyReplicas", 0)
    if ready < wanted.required:
        raise Unreachable(
            f"{ready} of the {wanted.required} replicas that are needed of Deployment {wanted.namespace}/{wanted.name} are ready; "
            f"see: kubectl --namespace {wanted.namespace} describe deployment {wanted.name}"
        )


def reach(api: Api, endpoint: Endpoint, *, certified: bool = False) -> str:
    """Ask a server on both paths as the API server would; the user name under which that server acts, empty if unknown.

    Servers that are `certified` ask for the API server's client certificate, which only it has: that they ask is their right answer.
    The certificate is checked by exactly the CA and the name that would be registered.  Raises Unreachable, ApiError.
    """
    where = address(api, endpoint)
    context = trusting(endpoint)
    servers = [asked(where, context, endpoint, phase, certified=certified) for phase in (VALIDATE, MUTATE)]
    return servers[0].account


def trusting(endpoint: Endpoint) -> ssl.SSLContext:
    """What trusts the CA of an endpoint and nothing else.  Raises Unreachable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # What the API server takes is taken here: Go asks no CA for a key usage, as Python's strict mode does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        bundle = base64.b64decode(endpoint.ca_bundle)
        context.load_verify_locations(cadata=bundle.decode("ascii", "replace"))
    except ssl.SSLError as bad:
        raise Unreachable(f"the CA certificate cannot be read: {damage(bundle) or DAMAGED}") from bad
    except ValueError as bad:
        raise Unreachable(
            "the CA certificate cannot be read: its caBundle is no Base64; give a certificate in PEM"
        ) from bad
    return context


def asked(where: Address, context: ssl.SSLContext, endpoint: Endpoint, phase: str, *, certified: bool) -> Probed:
    """Send one harmless review to one path; what the server says of itself.  Raises Unreachable."""
    path = f"{where.prefix}{phase}/{endpoint.token}" if endpoint.token else f"{where.prefix}{phase}"
    uid = str(uuid4())
    try:
        with (
            socket.create_connection((where.host, where.port), timeout=PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=where.name) as secure,
        ):
            connection = http.client.HTTPConnection(bracketed(where.name), where.port)
            connection.sock = secure
            connection.request("POST", path, msgspec.json.encode(review(uid)), JSON)
            answer = connection.getresponse()
            status, body = answer.status, answer.read(LONGEST_ANSWER)
    except ssl.SSLCertVerificationError as bad:
        raise Unreachable(
            f"the certificate at {where} is not the one that the API server would trust: {bad.verify_message}; "
            f"give it the name {where.name}, and register the CA that signed it"
        ) from bad
    except (OSError, http.client.HTTPException) as bad:
        raise Unreachable(f"no answer from {where}: {describe_failure(bad)}") from bad
    if certified and status == HTTPStatus.UNAUTHORIZED:
        return Probed()
    return read(where, uid, status, body)


def bracketed(host: str) -> str:
    """A host as a URL has it."""
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host  # noqa: PLR2004 (of the Internet Protocol)
    except ValueError:
        return host


def read(where: Address, uid: str, status: int, body: bytes) -> Probed:
    """What a server says of itself by its answer.  Raises Unreachable for any answer but that of a server that is ready."""
    if status != HTTPStatus.OK:
        said = body[:200].decode(errors="replace")
        raise Unreachable(f"{where} answers with HTTP status {status}: {said}")
    try:
        response: dict[str, Any] = msgspec.json.decode(body)["response"]
        found, allowed, notes = response["uid"], response["allowed"], response.get("auditAnnotations") or {}
    except (msgspec.MsgspecError, LookupError, TypeError, AttributeError) as bad:
        raise Unreachable(f"{where} answers with something else than an AdmissionReview") from bad
    if found != uid or notes.get("probe") != PROBE:
        raise Unreachable(f"{where} is no catflap server of this release, or answers another question")
    if allowed is not True:
        message = (response.get("status") or {}).get("message", "")
        raise Unreachable(f"{where} does not serve yet: {message}")
    return Probed(str(notes.get(PROBE_SERVER, "")), late_reviews(str(notes.get(PROBE_LATE, ""))))


def late_reviews(note: str) -> dict[str, int]:
    """The number of late reviews by the process that counted them; empty where a server of another release says something else."""
    found = LATE.fullmatch(note)
    return {found[1]: int(found[2])} if found else {}


def review(uid: str) -> dict[str, Any]:
    """An AdmissionReview about an object of a kind that no cluster has, as a dry run: nothing can come of it."""
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
