"""Read the CA certificates that a webhook configuration publishes."""

from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates

from webhook.files import CA_BUNDLE, UnreadableFileError, read_file, shown
from webhook.syntax.pem_errors import BEGIN, CERTIFICATE, DAMAGED_MESSAGE, pem_error
from webhook.tls.certificate_folder import BadCertificateError


def read_authority(path: Path) -> bytes:
    """Return the content of a file of CA certificates, in PEM.

    Every user of a cluster may read webhook configurations, so a file that also contains a private key is refused.  Raises
    BadCertificateError.
    """
    try:
        content = read_file(path, CA_BUNDLE)
    except UnreadableFileError as bad:
        raise BadCertificateError(str(bad)) from bad
    if problem := authority_problem(content):
        raise BadCertificateError(f"{shown(path)}: {problem}")
    return content


def authority_problem(content: bytes) -> str:
    """Return why the API server cannot verify a server by a file, or why nobody should; empty for CA certificates."""
    if found := pem_error(content):
        return found
    others = [kind.decode() for kind in dict.fromkeys(BEGIN.findall(content)) if kind.decode() != CERTIFICATE]
    if others:
        return f"it also contains {' and '.join(others)}, and catflap would publish it; expected only certificates"
    try:
        load_pem_x509_certificates(content)
    except ValueError:
        return DAMAGED_MESSAGE
    return ""
