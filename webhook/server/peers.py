"""Whose client certificate TLS has verified, as both lanes see it."""

from collections.abc import Mapping
from typing import Any


def names_of_connection(connection: Any) -> tuple[str, ...] | None:
    """The names in the client certificate of a connection of the express lane; None where none was shown."""
    transport = getattr(connection, "transport", None)
    return certificate_names(transport.get_extra_info("ssl_object")) if transport is not None else None


def names_of_environ(environ: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The same of a WSGI request, whose socket gunicorn puts into the environment."""
    socket = environ.get("gunicorn.socket")
    return certificate_names(socket) if hasattr(socket, "getpeercert") else None


def certificate_names(tls: Any) -> tuple[str, ...] | None:
    """The names in the certificate of a TLS peer; None where none was shown.

    `tls` is an SSLSocket or an SSLObject: both give a certificate only after they have verified it.
    """
    found: Mapping[str, Any] | None = tls.getpeercert() if tls is not None else None
    return names_in(found) if found else None


def names_in(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """The common names and the DNS names of a certificate, as the `ssl` module spells it."""
    subject = (part for parts in certificate.get("subject", ()) for part in parts)
    common = [value for key, value in subject if key == "commonName"]
    alternative = [value for key, value in certificate.get("subjectAltName", ()) if key == "DNS"]
    return tuple(dict.fromkeys([*common, *alternative]))
