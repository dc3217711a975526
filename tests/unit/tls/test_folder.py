"""The folder that the certificate lies in."""

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
from webhook.tls.authority import issue_authority, issue_serving
from webhook.tls.folder import BadCertificate, Served, TlsFolder, context, ensure, write

NOW: Final = datetime.now(UTC)
HOSTS: Final = ("localhost",)


@pytest.fixture
def folder(tmp_path: Path) -> TlsFolder:
    """A folder that is not there yet."""
    return TlsFolder(tmp_path / "certificates" / "tls")


@pytest.fixture
def filled(folder: TlsFolder) -> TlsFolder:
    """A folder that catflap filled."""
    ensure(folder, HOSTS, NOW)
    return folder


def contents(folder: TlsFolder) -> dict[str, bytes]:
    """Each file of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def test_an_empty_folder_gets_a_pair_and_its_authority(filled: TlsFolder) -> None:
    """Under the names that a Secret of type kubernetes.io/tls has, and nothing besides."""
    assert set(contents(filled)) == {"tls.crt", "tls.key", "ca.crt"}
    trust = ssl.create_default_context(cafile=filled.authority)
    assert len(trust.get_ca_certs()) == 1


@pytest.mark.parametrize("mask", [0o022, 0o000], ids=["the usual mask", "no mask at all"])
def test_the_key_is_its_owners_alone(folder: TlsFolder, mask: int) -> None:
    """Whatever the process's mask; the certificates are public."""
    before = os.umask(mask)
    try:
        ensure(folder, HOSTS, NOW)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()}
    assert modes == {"tls.key": 0o600, "tls.crt": 0o644, "ca.crt": 0o644}


def test_the_authoritys_key_is_not_kept(filled: TlsFolder) -> None:
    """Nobody can sign with it later."""
    keys = [name for name, content in contents(filled).items() if b"PRIVATE KEY" in content]
    assert keys == ["tls.key"]


def test_a_pair_that_is_there_stays(filled: TlsFolder) -> None:
    """However often it is looked at."""
    before = contents(filled)
    ensure(filled, ("example.com",), NOW)
    assert contents(filled) == before


def test_a_pair_of_somebody_else_is_used_as_it_is(folder: TlsFolder) -> None:
    """Without an authority of ours beside it."""
    pair = issue_serving(issue_authority(NOW), HOSTS, NOW)
    folder.path.mkdir(parents=True)
    folder.certificate.write_bytes(pair.certificate)
    folder.key.write_bytes(pair.key)
    ensure(folder, HOSTS, NOW)
    assert set(contents(folder)) == {"tls.crt", "tls.key"}


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key"])
def test_half_a_pair_is_refused(filled: TlsFolder, missing: str) -> None:
    """We do not write beside what somebody else put there."""
    (filled.path / missing).unlink()
    before = contents(filled)
    with pytest.raises(BadCertificate, match=rf"{missing} is missing beside its other half"):
        ensure(filled, HOSTS, NOW)
    assert contents(filled) == before


def test_two_halves_that_do_not_fit_are_refused(filled: TlsFolder) -> None:
    """Before a client sees them."""
    other = issue_serving(issue_authority(NOW), HOSTS, NOW)
    filled.key.write_bytes(other.key)
    with pytest.raises(BadCertificate, match=r"it must hold tls\.crt and tls\.key of one pair, as PEM$"):
        ensure(filled, HOSTS, NOW)


@pytest.mark.parametrize("file", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n"], ids=["empty", "text", "half"])
def test_a_file_that_is_no_pem_is_refused(filled: TlsFolder, file: str, content: bytes) -> None:
    """With the folder's name."""
    (filled.path / file).write_bytes(content)
    with pytest.raises(BadCertificate, match=str(filled.path)):
        ensure(filled, HOSTS, NOW)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file is in the way."""
    (tmp_path / "tls").write_text("", encoding="utf-8")
    with pytest.raises(BadCertificate, match="tls"):
        ensure(TlsFolder(tmp_path / "tls"), HOSTS, NOW)


def test_old_protocols_are_not_spoken(filled: TlsFolder) -> None:
    """TLS 1.2 or later."""
    assert context(filled).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_file_is_written_whole_over_another(tmp_path: Path) -> None:
    """What an interrupted run left is in nobody's way, and the new file's mode is the one asked for."""
    path = tmp_path / "tls.key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    (tmp_path / ".tls.key.new").write_bytes(b"half")
    write(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["tls.key"]


class TestReload:
    """A renewed certificate is served without a restart."""

    @staticmethod
    def renew(folder: TlsFolder) -> bytes:
        """Put another pair into a folder; the certificate that clients see from then on."""
        pair = issue_serving(issue_authority(NOW), HOSTS, NOW)
        write(folder.key, pair.key, mode=0o600)
        write(folder.certificate, pair.certificate, mode=0o644)
        return ssl.PEM_cert_to_DER_cert(pair.certificate.decode("ascii"))

    @staticmethod
    def served(context: ssl.SSLContext) -> bytes:
        """The certificate that a new connection is shown."""
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting.wrap_bio(to_client, to_server)
        server = context.wrap_bio(to_server, to_client, server_side=True)
        for end in (client, server, client):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
        return client.getpeercert(binary_form=True) or b""

    def test_a_renewed_pair_is_taken_over(self, filled: TlsFolder) -> None:
        """For connections from then on."""
        told = []
        serving = Served(filled, on_load=lambda found, why: told.append((found.fingerprint, why.code)))
        before = self.served(serving.context)
        after = self.renew(filled)
        serving.look()
        serving.look()
        assert self.served(serving.context) == after != before
        assert told == [
            (sha256(before).hexdigest(), ReasonCode.CERTIFICATE_LOADED),
            (sha256(after).hexdigest(), ReasonCode.CERTIFICATE_REPLACED),
        ]

    def test_nothing_new_changes_nothing(self, filled: TlsFolder) -> None:
        """A look a second costs two stats."""
        serving = Served(filled)
        before = self.served(serving.context)
        serving.look()
        assert self.served(serving.context) == before

    @pytest.mark.parametrize("file", ["tls.crt", "tls.key"])
    @pytest.mark.parametrize("content", [None, b"half"], ids=["gone", "no PEM"])
    def test_a_pair_seen_half_way_leaves_the_old_one(self, filled: TlsFolder, file: str, content: bytes | None) -> None:
        """Until it is whole."""
        serving = Served(filled)
        before = self.served(serving.context)
        (filled.path / file).unlink()
        if content is not None:
            (filled.path / file).write_bytes(content)
        serving.look()
        assert self.served(serving.context) == before
        after = self.renew(filled)
        serving.look()
        assert self.served(serving.context) == after
