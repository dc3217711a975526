"""Verify and issue client certificates, by which the API server proves its identity."""

import ssl
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from webhook.files import CA_BUNDLE, UnreadableFileError, read_file, reason
from webhook.syntax.pem_errors import DAMAGED_MESSAGE, pem_error
from webhook.tls.certificate_authority import issue_authority, issue_client
from webhook.tls.certificate_folder import BadCertificateError, write_file


def request_client_certificates(serving: ssl.SSLContext, authority: Path) -> None:
    """Request a certificate from TLS clients, and verify by a CA the certificate that a client sends.

    A client without a certificate still gets a connection, so that an HTTP response can give the reason of the refusal. The handshake
    fails for a certificate of another CA. Raises BadCertificateError where the file contains no CA certificate.
    """
    try:
        read_file(authority, CA_BUNDLE)
        serving.load_verify_locations(cafile=authority)
    except UnreadableFileError as bad:
        raise BadCertificateError(f"--client-ca {bad}") from bad
    except ssl.SSLError as bad:
        problem = pem_error(authority.read_bytes()) or DAMAGED_MESSAGE
        raise BadCertificateError(
            f"--client-ca {authority}: {problem}; the file must contain CA certificates in PEM"
        ) from bad
    except OSError as bad:
        raise BadCertificateError(
            f"--client-ca {authority}: {reason(bad)}; the file must contain CA certificates in PEM"
        ) from bad
    if not serving.get_ca_certs():
        raise BadCertificateError(
            f"--client-ca {authority}: the file contains no CA certificate; the file must contain CA certificates "
            "in PEM"
        )
    serving.verify_mode = ssl.CERT_OPTIONAL


def issue_client_certificates(folder: Path, names: Iterable[str], now: datetime) -> None:
    """Write a new authority, and a client certificate signed by it for each name; the authority's key is not stored."""
    authority = issue_authority(now)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "client-ca.crt", authority.certificate, mode=0o644)
    for name in names:
        client = issue_client(authority, name, now)
        write_file(folder / f"{name}.key", client.key, mode=0o600)
        write_file(folder / f"{name}.crt", client.certificate, mode=0o644)
