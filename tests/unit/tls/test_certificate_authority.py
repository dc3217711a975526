"""Issued certificates, parsed and used in TLS handshakes."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from webhook.tls.certificate_authority import (
    AUTHORITY_LIFE,
    BACKDATED,
    SERVING_LIFE,
    KeyPair,
    issue_authority,
    issue_serving,
)
from webhook.tls.certificate_folder import TlsFolder, server_context

HOSTS: Final = ("catflap", "catflap.guards.svc", "localhost", "127.0.0.1", "::1")
NOW: Final = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    """Return one authority for this module."""
    return issue_authority(NOW)


@pytest.fixture(scope="module")
def serving(authority: KeyPair) -> KeyPair:
    """Return a pair that the authority signed."""
    return issue_serving(authority, HOSTS, NOW)


def read(pair: KeyPair) -> x509.Certificate:
    """Return the certificate of a pair."""
    return x509.load_pem_x509_certificate(pair.certificate)


def handshake(trust: bytes, pair: KeyPair, name: str, folder: Path, *, strict: bool = True) -> str:
    """Perform a TLS handshake in memory by a client that trusts `trust` and requests `name`; raises ssl.SSLError."""
    (folder / "tls.crt").write_bytes(pair.certificate)
    (folder / "tls.key").write_bytes(pair.key)
    client_context = ssl.create_default_context(cadata=trust.decode("ascii"))
    if strict:  # the default of Python 3.13, and always in Go
        client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context(TlsFolder(folder)).wrap_bio(to_server, to_client, server_side=True)
    open_ends = [client, server]
    for _ in range(10):
        for end in tuple(open_ends):
            try:
                end.do_handshake()
                open_ends.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert open_ends == []
    return client.version() or ""


@pytest.mark.parametrize("name", HOSTS)
def test_client_that_trusts_the_authority_accepts_the_certificate(
    authority: KeyPair, serving: KeyPair, tmp_path: Path, name: str
) -> None:
    """This holds for each of its names, with strict validation."""
    assert handshake(authority.certificate, serving, name, tmp_path) == "TLSv1.3"


@pytest.mark.parametrize("name", ["catflap.guards", "example.com", "127.0.0.2", "xcatflap", "sub.localhost"])
def test_no_other_name_is_taken(authority: KeyPair, serving: KeyPair, tmp_path: Path, name: str) -> None:
    """A certificate is for its hosts."""
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.certificate, serving, name, tmp_path)


def test_another_authority_vouches_for_nothing(serving: KeyPair, tmp_path: Path) -> None:
    """This holds although it has the same name."""
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(issue_authority(NOW).certificate, serving, "localhost", tmp_path)


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(NOW - SERVING_LIFE - timedelta(seconds=1), id="it ran out"),
        pytest.param(NOW + BACKDATED + timedelta(days=1), id="it is not valid yet"),
    ],
)
def test_a_certificate_counts_in_its_time_only(authority: KeyPair, tmp_path: Path, then: datetime) -> None:
    """The clock of the client decides."""
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.certificate, issue_serving(authority, HOSTS, then), "localhost", tmp_path)


def test_a_serving_pair_cannot_sign_others(authority: KeyPair, serving: KeyPair, tmp_path: Path) -> None:
    """An attacker with the webhook's key can impersonate only the webhook."""
    chain = issue_serving(serving, HOSTS, NOW)
    forged = KeyPair(certificate=chain.certificate + serving.certificate, key=chain.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.certificate, forged, "localhost", tmp_path)


def test_the_hosts_are_names_and_addresses(serving: KeyPair) -> None:
    """Each has its own type: clients compare names and addresses differently."""
    names = read(serving).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["catflap", "catflap.guards.svc", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    ]


def test_the_authority_signs_end_certificates_only(authority: KeyPair) -> None:
    """It signs end certificates, but no other authority."""
    certificate = read(authority)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)


def test_the_serving_certificate_is_for_servers(serving: KeyPair) -> None:
    """It is neither an authority nor a client."""
    extensions = read(serving).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize(("which", "life"), [("authority", AUTHORITY_LIFE), ("serving", SERVING_LIFE)])
def test_a_certificate_is_valid_a_little_earlier(request: pytest.FixtureRequest, which: str, life: timedelta) -> None:
    """A node whose clock is behind accepts it."""
    certificate = read(request.getfixturevalue(which))
    assert certificate.not_valid_before_utc == NOW - BACKDATED
    assert certificate.not_valid_after_utc == NOW + life


def test_every_pair_is_unique(authority: KeyPair) -> None:
    """It has another key and another serial number."""
    first, second = (issue_serving(authority, HOSTS, NOW) for _ in range(2))
    assert first.key != second.key
    assert read(first).serial_number != read(second).serial_number


def test_a_key_fits_its_certificate(serving: KeyPair) -> None:
    """The curve is P-256."""
    key = serialization.load_pem_private_key(serving.key, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key.public_key() == read(serving).public_key()
