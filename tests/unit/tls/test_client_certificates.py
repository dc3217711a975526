"""Client certificates are accepted and refused in TLS handshakes."""

import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from webhook.server.client_certificate import certificate_names
from webhook.tls.certificate_folder import BadCertificateError, TlsFolder, issue_pair, server_context
from webhook.tls.client_certificates import request_client_certificates

CERTS = Path(__file__).parents[3] / "certs"


@pytest.fixture
def issued_certificates(tmp_path: Path) -> Path:
    """Return the folder that certs/issue-client writes."""
    subprocess.run(
        [sys.executable, str(CERTS / "issue-client"), "--into", str(tmp_path), "kube-apiserver", "other"], check=True
    )
    return tmp_path


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str, ...] | None:
    """Return the client's names that a server sees after a handshake in memory; raises SSLError for a failed handshake."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepted = server.wrap_bio(to_server, to_client, server_side=True)
    connected = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for _ in range(4):
        for side in (connected, accepted):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return certificate_names(accepted)


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server that requests certificates, and a client that trusts it."""
    tls = TlsFolder(folder / "tls")
    issue_pair(tls, ["localhost"], datetime.now(UTC))
    server = server_context(tls)
    request_client_certificates(server, folder / "client-ca.crt")
    return server, ssl.create_default_context(cafile=str(tls.authority))


@pytest.mark.parametrize("name", ["kube-apiserver", "other"])
def test_an_issued_certificate_is_verified(issued_certificates: Path, name: str) -> None:
    """The server sees its name; only the owner can read the key."""
    server, client = contexts(issued_certificates)
    client.load_cert_chain(issued_certificates / f"{name}.crt", issued_certificates / f"{name}.key")
    assert handshake(server, client) == (name,)
    assert (issued_certificates / f"{name}.key").stat().st_mode & 0o077 == 0


def test_client_without_a_certificate_gets_a_connection_without_a_name(issued_certificates: Path) -> None:
    """An HTTP response can then give the reason of the refusal."""
    assert handshake(*contexts(issued_certificates)) is None


def test_certificate_of_another_ca_fails(issued_certificates: Path, tmp_path: Path) -> None:
    """This holds although that CA has the same name."""
    server, client = contexts(issued_certificates)
    subprocess.run(
        [sys.executable, str(CERTS / "issue-client"), "--into", str(tmp_path / "b"), "kube-apiserver"], check=True
    )
    client.load_cert_chain(tmp_path / "b" / "kube-apiserver.crt", tmp_path / "b" / "kube-apiserver.key")
    with pytest.raises(ssl.SSLError):
        handshake(server, client)


@pytest.mark.parametrize("content", [b"", b"no PEM", None])
def test_a_file_without_a_ca_is_reported(tmp_path: Path, content: bytes | None) -> None:
    """The message has the option and the file."""
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadCertificateError, match=rf"--client-ca {path}: .* PEM"):
        request_client_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), path)


def test_certificate_that_is_no_ca_is_rejected(issued_certificates: Path) -> None:
    """Such a file could verify no certificate."""
    with pytest.raises(BadCertificateError, match="the file contains no CA certificate"):
        request_client_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), issued_certificates / "kube-apiserver.crt")


def test_example_configuration_has_one_file_for_both_phases() -> None:
    """That file has the certificate for the chart's Service; the API server itself reads both in another test."""
    plugins = yaml.safe_load((CERTS / "api-server" / "admission-configuration.yaml").read_text("utf-8"))["plugins"]
    assert [one["name"] for one in plugins] == ["ValidatingAdmissionWebhook", "MutatingAdmissionWebhook"]
    [named] = {one["configuration"]["kubeConfigFile"] for one in plugins}
    users = yaml.safe_load((CERTS / "api-server" / Path(named).name).read_text("utf-8"))["users"]
    assert [one["name"] for one in users] == ["catflap.catflap-system.svc"]
