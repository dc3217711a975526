"""The names in a verified client certificate, for the ASGI app and the WSGI app."""

from collections.abc import Mapping
from typing import Any


def names_from_asgi(connection: Any) -> tuple[str, ...] | None:
    """Return the names in the client certificate of an ASGI connection; None where the client has no certificate."""
    transport = getattr(connection, "transport", None)
    return certificate_names(transport.get_extra_info("ssl_object")) if transport is not None else None


def names_from_wsgi(environ: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the same for a WSGI request, whose socket gunicorn puts into the environ."""
    socket = environ.get("gunicorn.socket")
    return certificate_names(socket) if hasattr(socket, "getpeercert") else None


def certificate_names(tls: Any) -> tuple[str, ...] | None:
    """Return the names in the certificate of a TLS peer; None where the peer has no certificate.

    `tls` is an SSLSocket or an SSLObject. Both return a certificate only after they have verified it.
    """
    found: Mapping[str, Any] | None = tls.getpeercert() if tls is not None else None
    return subject_names(found) if found else None


def subject_names(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the common names and the DNS names of a certificate, in the form of `SSLSocket.getpeercert`."""
    subject = (part for parts in certificate.get("subject", ()) for part in parts)
    common = [value for key, value in subject if key == "commonName"]
    alternative = [value for key, value in certificate.get("subjectAltName", ()) if key == "DNS"]
    return tuple(dict.fromkeys([*common, *alternative]))
