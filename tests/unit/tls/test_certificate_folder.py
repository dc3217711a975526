"""The folder with the certificate."""

import contextlib
import os
import ssl
import stat
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from webhook.model.reason import ReasonCode
from webhook.tls.certificate_authority import issue_authority, issue_serving
from webhook.tls.certificate_folder import (
    BadCertificateError,
    CertificateReloader,
    TlsFolder,
    ensure_certificate,
    server_context,
    write_file,
)

NOW: Final = datetime.now(UTC)
HOSTS: Final = ("localhost",)


@pytest.fixture
def folder(tmp_path: Path) -> TlsFolder:
    """Return a folder that does not exist yet."""
    return TlsFolder(tmp_path / "certificates" / "tls")


@pytest.fixture
def filled_folder(folder: TlsFolder) -> TlsFolder:
    """Return a folder with an issued certificate."""
    ensure_certificate(folder, HOSTS, NOW)
    return folder


def read_files(folder: TlsFolder) -> dict[str, bytes]:
    """Return the content of each file of a folder, also of hidden ones."""
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def test_an_empty_folder_gets_a_pair_and_its_authority(filled_folder: TlsFolder) -> None:
    """The folder has only the file names of a Secret of type kubernetes.io/tls."""
    assert set(read_files(filled_folder)) == {"tls.crt", "tls.key", "ca.crt"}
    trust = ssl.create_default_context(cafile=filled_folder.authority)
    assert len(trust.get_ca_certs()) == 1


@pytest.mark.parametrize("mask", [0o022, 0o000], ids=["the usual mask", "no mask at all"])
def test_the_key_is_its_owners_alone(folder: TlsFolder, mask: int) -> None:
    """This holds for every umask of the process; the certificates are public."""
    before = os.umask(mask)
    try:
        ensure_certificate(folder, HOSTS, NOW)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()}
    assert modes == {"tls.key": 0o600, "tls.crt": 0o644, "ca.crt": 0o644}


def test_the_authoritys_key_is_not_kept(filled_folder: TlsFolder) -> None:
    """Nothing can sign with it later."""
    keys = [name for name, content in read_files(filled_folder).items() if b"PRIVATE KEY" in content]
    assert keys == ["tls.key"]


def test_a_pair_that_is_there_stays(filled_folder: TlsFolder) -> None:
    """This holds for every number of checks."""
    before = read_files(filled_folder)
    ensure_certificate(filled_folder, ("example.com",), NOW)
    assert read_files(filled_folder) == before


def test_an_existing_pair_is_used_unchanged(folder: TlsFolder) -> None:
    """Catflap adds no authority to the folder."""
    pair = issue_serving(issue_authority(NOW), HOSTS, NOW)
    folder.path.mkdir(parents=True)
    folder.certificate.write_bytes(pair.certificate)
    folder.key.write_bytes(pair.key)
    ensure_certificate(folder, HOSTS, NOW)
    assert set(read_files(folder)) == {"tls.crt", "tls.key"}


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key"])
def test_half_a_pair_is_refused(filled_folder: TlsFolder, missing: str) -> None:
    """Catflap does not write into a folder with files of a user."""
    (filled_folder.path / missing).unlink()
    before = read_files(filled_folder)
    with pytest.raises(BadCertificateError, match=rf"{missing} is missing, but the other file of the pair exists"):
        ensure_certificate(filled_folder, HOSTS, NOW)
    assert read_files(filled_folder) == before


def test_two_halves_that_do_not_fit_are_refused(filled_folder: TlsFolder) -> None:
    """The error comes before a client sees them."""
    other = issue_serving(issue_authority(NOW), HOSTS, NOW)
    filled_folder.key.write_bytes(other.key)
    with pytest.raises(BadCertificateError, match=r"the folder must contain tls\.crt and tls\.key of one pair in PEM$"):
        ensure_certificate(filled_folder, HOSTS, NOW)


@pytest.mark.parametrize("file", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n"], ids=["empty", "text", "half"])
def test_a_file_that_is_no_pem_is_refused(filled_folder: TlsFolder, file: str, content: bytes) -> None:
    """The message has the name of the folder."""
    (filled_folder.path / file).write_bytes(content)
    with pytest.raises(BadCertificateError, match=str(filled_folder.path)):
        ensure_certificate(filled_folder, HOSTS, NOW)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file has the name of the folder."""
    (tmp_path / "tls").write_text("", encoding="utf-8")
    with pytest.raises(BadCertificateError, match="tls"):
        ensure_certificate(TlsFolder(tmp_path / "tls"), HOSTS, NOW)


def test_old_protocols_are_not_spoken(filled_folder: TlsFolder) -> None:
    """The server accepts TLS 1.2 or later."""
    assert server_context(filled_folder).minimum_version == ssl.TLSVersion.TLSv1_2


def test_file_is_replaced_atomically(tmp_path: Path) -> None:
    """The rest of an interrupted write causes no error, and the new file has the requested mode."""
    path = tmp_path / "tls.key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    (tmp_path / ".tls.key.new").write_bytes(b"half")
    write_file(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["tls.key"]


class TestReload:
    """A renewed certificate is served without a restart."""

    @staticmethod
    def renew(folder: TlsFolder) -> bytes:
        """Put another pair into a folder; return its certificate."""
        pair = issue_serving(issue_authority(NOW), HOSTS, NOW)
        write_file(folder.key, pair.key, mode=0o600)
        write_file(folder.certificate, pair.certificate, mode=0o644)
        return ssl.PEM_cert_to_DER_cert(pair.certificate.decode("ascii"))

    @staticmethod
    def served(server_context: ssl.SSLContext) -> bytes:
        """Return the certificate that a new connection gets."""
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting.wrap_bio(to_client, to_server)
        server = server_context.wrap_bio(to_server, to_client, server_side=True)
        for end in (client, server, client):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
        return client.getpeercert(binary_form=True) or b""

    def test_a_renewed_pair_is_taken_over(self, filled_folder: TlsFolder) -> None:
        """New connections get it."""
        loaded = []
        serving = CertificateReloader(
            filled_folder, on_load=lambda found, why: loaded.append((found.fingerprint, why.code))
        )
        before = self.served(serving.context)
        after = self.renew(filled_folder)
        serving.poll()
        serving.poll()
        assert self.served(serving.context) == after != before
        assert loaded == [
            (sha256(before).hexdigest(), ReasonCode.CERTIFICATE_LOADED),
            (sha256(after).hexdigest(), ReasonCode.CERTIFICATE_REPLACED),
        ]

    def test_nothing_new_changes_nothing(self, filled_folder: TlsFolder) -> None:
        """A poll every second needs two calls of stat."""
        serving = CertificateReloader(filled_folder)
        before = self.served(serving.context)
        serving.poll()
        assert self.served(serving.context) == before

    @pytest.mark.parametrize("file", ["tls.crt", "tls.key"])
    @pytest.mark.parametrize("content", [None, b"half"], ids=["gone", "no PEM"])
    def test_incomplete_pair_keeps_the_old_one(
        self, filled_folder: TlsFolder, file: str, content: bytes | None
    ) -> None:
        """The old pair stays until the new one is complete."""
        serving = CertificateReloader(filled_folder)
        before = self.served(serving.context)
        (filled_folder.path / file).unlink()
        if content is not None:
            (filled_folder.path / file).write_bytes(content)
        serving.poll()
        assert self.served(serving.context) == before
        after = self.renew(filled_folder)
        serving.poll()
        assert self.served(serving.context) == after
