"""Issue a certificate authority and the certificates that it signs, for installations without cert-manager.

All keys are P-256: small, fast to sign with, and accepted by every Go client.
"""

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

AUTHORITY_NAME = "catflap webhook CA"
AUTHORITY_LIFE = timedelta(days=3650)
SERVING_LIFE = timedelta(days=365)
# As long as its CA: an expired client certificate of the API server would stop every review, and a user who can read its key on a
# control plane node controls the cluster anyway.
CLIENT_LIFE = AUTHORITY_LIFE
# Clocks differ: a node whose clock is behind would reject a certificate that is valid only from this second.
BACKDATED = timedelta(minutes=5)


class KeyPair(Struct, frozen=True):
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Certificate(Struct, frozen=True):
    """The serial number, issuer, validity, DNS names and addresses of a certificate."""

    serial: int
    fingerprint: str  # SHA-256, in hex
    issuer: str  # RFC 4514
    begins: datetime
    expires: datetime
    names: frozenset[str]


def issue_authority(now: datetime) -> KeyPair:
    """Issue a root certificate that may sign end certificates, but no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY_NAME)])
    builder = (
        base_builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
    )
    return pem_pair(builder.sign(key, hashes.SHA256()), key)


def issue_serving(authority: KeyPair, hosts: Iterable[str], now: datetime) -> KeyPair:
    """Issue a serving certificate for `hosts` (DNS names and IP addresses), signed by `authority`."""
    names = x509.SubjectAlternativeName([alternative_name(host) for host in hosts])
    return issue_end_certificate(
        authority, "catflap webhook", ExtendedKeyUsageOID.SERVER_AUTH, now, SERVING_LIFE, names
    )


def issue_client(authority: KeyPair, name: str, now: datetime) -> KeyPair:
    """Issue a client certificate with a common name, signed by `authority`."""
    return issue_end_certificate(authority, name, ExtendedKeyUsageOID.CLIENT_AUTH, now, CLIENT_LIFE)


def issue_end_certificate(  # noqa: PLR0917 (each is of another type)
    authority: KeyPair,
    name: str,
    purpose: x509.ObjectIdentifier,
    now: datetime,
    life: timedelta,
    names: x509.SubjectAlternativeName | None = None,
) -> KeyPair:
    """Issue an end certificate for one purpose, signed by `authority`."""
    root = x509.load_pem_x509_certificate(authority.certificate)
    root_key = serialization.load_pem_private_key(authority.key, password=None)
    assert isinstance(root_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        base_builder(subject, root.subject, key.public_key(), now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return pem_pair(builder.sign(root_key, hashes.SHA256()), key)


def read_certificate(pem: bytes) -> Certificate:
    """Parse a certificate.  Raises ValueError for other content."""
    found = x509.load_pem_x509_certificate(pem)
    names: set[str] = set()
    with suppress(x509.ExtensionNotFound):
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = {str(one.value) for one in alternatives}
    return Certificate(
        serial=found.serial_number,
        fingerprint=found.fingerprint(hashes.SHA256()).hex(),
        issuer=found.issuer.rfc4514_string(),
        begins=found.not_valid_before_utc,
        expires=found.not_valid_after_utc,
        names=frozenset(names),
    )


def base_builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    """Return a builder with what all certificates have in common."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Return the use of a key: to sign certificates, or handshakes."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def alternative_name(host: str) -> x509.GeneralName:
    """Return a host as a subject alternative name: an IP address or a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode("ascii"))


def pem_pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    """Return both as PEM; the key is not encrypted, the mode of its file protects it."""
    return KeyPair(
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
