"""A webhook that rejects everything, to test the connection from the API server to a webhook on this machine."""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.controlplane.cluster import Cluster
from tests.controlplane.pki import Authority

REJECTION: Final = "no, and that is final"


@contextmanager
def rejecting_webhook(cluster: Cluster, host: str) -> Iterator[tuple[int, Authority, list[str]]]:
    """Serve a webhook under this name; yield its port, its CA, and the list of caller names, which grows with each request."""
    authority, callers = Authority("rejecting-webhook"), list[str]()

    class Rejecter(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Record the caller and reject the request."""
            assert isinstance(self.connection, ssl.SSLSocket)
            callers.append(client_common_name(self.connection))
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            refusal = {"code": HTTPStatus.FORBIDDEN, "message": REJECTION}
            review["response"] = {"uid": review.pop("request")["uid"], "allowed": False, "status": refusal}
            body = json.dumps(review).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing to standard error."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=cluster.webhook_client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(
        *authority.issue("rejecting-webhook", hosts=[host]).write(cluster.folder, "rejecting-webhook")
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rejecter) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, authority, callers
        finally:
            server.shutdown()
            thread.join()


def client_common_name(connection: ssl.SSLSocket) -> str:
    """Return the common name of the client certificate."""
    shown = connection.getpeercert(binary_form=True)
    assert shown
    [name] = x509.load_der_x509_certificate(shown).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)
