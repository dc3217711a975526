"""Check that every reader of keys and certificates explains in words why a file cannot be read."""

import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from webhook.audit.keys import BadKeyError, read_private, read_public, write_pair
from webhook.syntax.pem_errors import CERTIFICATE, PRIVATE_KEY, pem_error
from webhook.tls.certificate_authority import issue_authority, issue_serving
from webhook.tls.certificate_folder import BadCertificateError, TlsFolder, ensure_certificate, issue_pair
from webhook.tls.client_certificates import request_client_certificates

NOW: Final = datetime.now(UTC)
# The words of OpenSSL, cryptography and Python.
FOREIGN: Final = re.compile(
    r"_ssl\.c|\[SSL|Errno|cryptography|Malformed|NO_START_LINE|PEM lib|Unable to load|deserialize|asn1|password was"
)
AUTHORITY: Final = issue_authority(NOW)
OTHER: Final = issue_serving(AUTHORITY, ["a.example"], NOW)
LOCKED: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3\n-----END ENCRYPTED PRIVATE KEY-----\n"
EXPECTED: Final = "expected the lines from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"


@pytest.mark.parametrize(
    ("content", "wanted", "told"),
    [
        (b" \n", CERTIFICATE, f"the file is empty; {EXPECTED}"),
        (b"hello", CERTIFICATE, f"it is not PEM; {EXPECTED}"),
        (b"\x30\x82\x01\x0a", CERTIFICATE, ("it is not PEM but looks like DER, the binary form (convert it: openssl "
                                           "x509 -inform DER")),
        (OTHER.key, CERTIFICATE, f"it contains PRIVATE KEY; {EXPECTED}"),
        (OTHER.certificate, PRIVATE_KEY, "it contains CERTIFICATE; expected the lines from -----BEGIN PRIVATE KEY-----"),
        (OTHER.certificate[:-30], CERTIFICATE, f"its last line is missing; {EXPECTED}"),
        (LOCKED, PRIVATE_KEY, ("the key has a password; create a key without a password: openssl pkey -in FILE -out "
                              "NEW_FILE")),
        (OTHER.certificate, CERTIFICATE, ""),
        (OTHER.key, PRIVATE_KEY, ""),
    ],
)  # fmt: skip
def test_text_that_is_no_pem_is_reported(content: bytes, wanted: str, told: str) -> None:
    """The message has the expected form; the right form has no message."""
    found = pem_error(content, wanted)
    assert found.startswith(told)
    assert bool(found) is bool(told)


BAD: Final = {
    "empty": b"",
    "text": b"hello",
    "binary": b"\x30\x82\x01\x0a\xff",
    "a key": OTHER.key,
    "cut": OTHER.certificate[:-30],
    "damaged": OTHER.certificate[:60] + b"A" * 20 + OTHER.certificate[80:],
    "locked": LOCKED,
}


@pytest.mark.parametrize("what", BAD)
def test_unreadable_certificate_has_a_message(what: str, tmp_path: Path) -> None:
    """The test covers the TLS folder and the clients' CA."""
    folder = TlsFolder(tmp_path)
    issue_pair(folder, ["a.example"], NOW)
    folder.certificate.write_bytes(BAD[what])
    with pytest.raises(BadCertificateError, match=r"the folder must contain tls\.crt and tls.key of one pair") as bad:
        ensure_certificate(folder, ["a.example"], NOW)
    assert not FOREIGN.search(str(bad.value)), str(bad.value)
    with pytest.raises(BadCertificateError, match="the file must contain CA certificates in PEM") as refused:
        request_client_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), folder.certificate)
    assert not FOREIGN.search(str(refused.value)), str(refused.value)


@pytest.mark.parametrize("what", [*BAD, "another key", "missing"])
def test_unreadable_key_has_a_message(what: str, tmp_path: Path) -> None:
    """The test covers the TLS folder and the audit log."""
    folder = TlsFolder(tmp_path)
    issue_pair(folder, ["a.example"], NOW)
    if what == "missing":
        folder.key.unlink()
    elif what != "a key":
        folder.key.write_bytes(BAD.get(what, OTHER.key))
    if what != "a key":
        with pytest.raises(BadCertificateError) as bad:
            ensure_certificate(folder, ["a.example"], NOW)
        assert not FOREIGN.search(str(bad.value)), str(bad.value)
    for read in (read_private, read_public):
        with pytest.raises(BadKeyError, match="create a pair with: catflap audit keygen") as refused:
            read(folder.key)
        assert not FOREIGN.search(str(refused.value)), str(refused.value)


def test_wrong_half_of_a_pair_is_named(tmp_path: Path) -> None:
    """The message names the content of the file."""
    private, public = write_pair(str(tmp_path / "root"))
    with pytest.raises(
        BadKeyError, match="it contains PUBLIC KEY; expected the lines from -----BEGIN PRIVATE KEY-----"
    ):
        read_private(public)
    with pytest.raises(
        BadKeyError, match="it contains PRIVATE KEY; expected the lines from -----BEGIN PUBLIC KEY-----"
    ):
        read_public(private)
