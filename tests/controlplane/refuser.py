"""A webhook that refuses everything: the least that shows how the API server reaches one on this machine."""

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

NO: Final = "no, and that is final"


@contextmanager
def refusing_webhook(cluster: Cluster, host: str) -> Iterator[tuple[int, Authority, list[str]]]:
    """Serve a webhook under this name; yield its port, its authority, and the callers' names as they come."""
    authority, callers = Authority("refuser"), list[str]()

    class Refuser(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Note who asks, and say no."""
            assert isinstance(self.connection, ssl.SSLSocket)
            callers.append(caller_of(self.connection))
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            refusal = {"code": HTTPStatus.FORBIDDEN, "message": NO}
            review["response"] = {"uid": review.pop("request")["uid"], "allowed": False, "status": refusal}
            body = json.dumps(review).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=cluster.webhook_client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.issue("refuser", hosts=[host]).write(cluster.folder, "refuser"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuser) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, authority, callers
        finally:
            server.shutdown()
            thread.join()


def caller_of(connection: ssl.SSLSocket) -> str:
    """Read the common name of the certificate that the other side showed."""
    shown = connection.getpeercert(binary_form=True)
    assert shown
    [name] = x509.load_der_x509_certificate(shown).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)
