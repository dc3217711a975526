"""Whose client certificate TLS has verified, as both lanes see it."""

from collections.abc import Mapping
from typing import Any, Final

# The ASGI specification's name of what TLS knows (asgi.readthedocs.io, TLS extension); `names` is our own key in it.
EXTENSION: Final = "tls"
NAMES: Final = "client_cert_names"


def certificate_names(transport: Any) -> tuple[str, ...] | None:
    """The names in the client certificate of a TLS connection; None where none was shown.

    `transport` is an SSLSocket or an SSLObject: both give a certificate only after they have verified it.
    """
    found: Mapping[str, Any] | None = transport.getpeercert() if transport is not None else None
    return None if not found else names_in(found)


def names_in(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """The common names and the DNS names of a certificate, as the `ssl` module spells it."""
    subject = (part for parts in certificate.get("subject", ()) for part in parts)
    common = [value for key, value in subject if key == "commonName"]
    alternative = [value for key, value in certificate.get("subjectAltName", ()) if key == "DNS"]
    return tuple(dict.fromkeys([*common, *alternative]))


def names_of_scope(scope: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names in the client certificate of an ASGI connection; None where none was shown."""
    extension: Mapping[str, Any] = scope.get("extensions", {}).get(EXTENSION, {})
    found: tuple[str, ...] | None = extension.get(NAMES)
    return found


def names_of_environ(environ: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The same of a WSGI connection, whose socket gunicorn puts into the environment."""
    socket = environ.get("gunicorn.socket")
    return certificate_names(socket) if hasattr(socket, "getpeercert") else None
