"""A foreign validating webhook that delays and then allows each request."""

import base64
import http.server
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from tests.controlplane.cluster import Cluster
from tests.controlplane.pki import Authority

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
NAME = "somebody-slow"
POLICIES = {
    "apiGroups": ["networking.k8s.io", "projectcalico.org"],
    "apiVersions": ["*"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["networkpolicies"],
    "scope": "Namespaced",
}


@contextmanager
def slow_webhook(cluster: Cluster, folder: Path, *, seconds: float, timeout: int, fails: str) -> Iterator[list[str]]:
    """Register a webhook for network policies that answers after `seconds`; yield the names that it received.

    `timeout` and `fails` are timeoutSeconds and failurePolicy of its entry.
    """
    authority, asked, ended = Authority("hanging"), list[str](), Event()

    class Hanging(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Wait, then allow."""
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(f"{review['request'].get('namespace')}/{review['request']['name']}")
            ended.wait(seconds)
            review["response"] = {"uid": review.pop("request")["uid"], "allowed": True}
            body = json.dumps(review).encode()
            self.send_response(http.HTTPStatus.OK)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing to standard error."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignore a client that disconnected before the answer."""

    folder.mkdir(parents=True, exist_ok=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("hanging", hosts=["localhost"]).write(folder, "hanging"))
    with Server(("127.0.0.1", 0), Hanging) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        config = {
            "url": f"https://localhost:{server.server_port}/",
            "caBundle": base64.b64encode(authority.certificate).decode("ascii"),
        }
        entry = {
            "name": "slow.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": config,
            "failurePolicy": fails,
            "rules": [POLICIES],
            "sideEffects": "None",
            "timeoutSeconds": timeout,
        }
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
        cluster.api("POST", WEBHOOKS, {**kind, "metadata": {"name": NAME}, "webhooks": [entry]})
        try:
            yield asked
        finally:
            cluster.call("DELETE", f"{WEBHOOKS}/{NAME}")
            ended.set()
            server.shutdown()
            thread.join()
