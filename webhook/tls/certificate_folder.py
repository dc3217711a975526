"""The folder with the certificate: `tls.crt` and `tls.key`, as in a kubernetes.io/tls Secret, and `ca.crt`.

Existing files are used unchanged; in an empty folder, catflap issues its own certificate.
"""

import logging
import os
import ssl
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from threading import Thread

from msgspec import Struct

from webhook.files import reason
from webhook.model.reason import Reason, ReasonCode
from webhook.syntax.pem_errors import CERTIFICATE, PRIVATE_KEY, pem_error
from webhook.tls.certificate_authority import Certificate, issue_authority, issue_serving, read_certificate

logger = logging.getLogger(__name__)

# A renewal comes weeks before the old certificate expires; the kubelet itself takes a minute to update a Secret's files.
POLL_SECONDS = 1.0
# OpenSSL's reason for a key that does not belong to the certificate.
OTHER_KEY = "KEY_VALUES_MISMATCH"


REISSUE = "put another pair there, or empty the folder so that catflap issues one, and register its CA"


class BadCertificateError(Exception):
    """The folder has no usable pair; the message names the file and the remedy."""


class TlsFolder(Struct, frozen=True):
    """The paths inside `--tls-dir`."""

    path: Path

    @property
    def certificate(self) -> Path:
        """The serving certificate and its chain."""
        return self.path / "tls.crt"

    @property
    def key(self) -> Path:
        """Its private key."""
        return self.path / "tls.key"

    @property
    def authority(self) -> Path:
        """The CA certificate that `caBundle` takes."""
        return self.path / "ca.crt"


def ensure_certificate(folder: TlsFolder, hosts: Iterable[str], now: datetime) -> None:
    """Check that the folder has a usable pair; issue one for `hosts` where it has none.

    Raises BadCertificateError where one of the two files is missing, they do not match, the certificate has expired, or the folder
    cannot be written.
    """
    host_names = list(hosts)
    missing = [path for path in (folder.certificate, folder.key) if not path.exists()]
    if len(missing) == 1:
        raise BadCertificateError(
            f"{missing[0]} is missing, but the other file of the pair exists; add it, or empty the folder"
        )
    try:
        if missing:
            issue_pair(folder, host_names, now)
    except OSError as bad:
        raise BadCertificateError(
            f"{folder.path}: {reason(bad)}; catflap writes a new certificate to this folder, so choose a folder that "
            "this user may write"
        ) from bad
    try:
        server_context(folder)
        found = read_certificate(folder.certificate.read_bytes())
    except (OSError, ValueError) as bad:
        raise BadCertificateError(
            f"{folder.path}: {describe_bad_pair(folder, bad)}; the folder must contain tls.crt and tls.key of one "
            "pair in PEM"
        ) from bad
    if found.expires <= now:
        raise BadCertificateError(f"{folder.certificate} ended on {found.expires:%Y-%m-%d}; {REISSUE}")


def check_names(folder: TlsFolder, names: Iterable[str]) -> None:
    """Check that the certificate is for each of `names`.  Raises BadCertificateError."""
    missing = sorted(set(names) - read_certificate(folder.certificate.read_bytes()).names)
    if missing:
        raise BadCertificateError(f"{folder.certificate} is not for {', '.join(missing)}; {REISSUE}")


def is_current(folder: TlsFolder, now: datetime) -> bool:
    """Return whether the certificate in the folder can be read and has not expired."""
    try:
        return read_certificate(folder.certificate.read_bytes()).expires > now
    except (OSError, ValueError):
        return False


def issue_pair(folder: TlsFolder, hosts: Iterable[str], now: datetime) -> None:
    """Write a new authority and a pair signed by it; the authority's key is not stored."""
    authority = issue_authority(now)
    serving = issue_serving(authority, hosts, now)
    folder.path.mkdir(parents=True, exist_ok=True)
    write_file(folder.authority, authority.certificate, mode=0o644)
    write_file(folder.key, serving.key, mode=0o600)
    write_file(folder.certificate, serving.certificate, mode=0o644)


def write_file(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file atomically, with `mode` from the beginning."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    unfinished.replace(path)


class CertificateReloader:
    """Keeps the TLS context of the server up to date with the pair in the folder.

    A pair that does not load (for example an incomplete renewal) leaves the old one in place until the next poll.  `on_load` is called
    with each certificate that comes into use, and with the reason.
    """

    def __init__(
        self, folder: TlsFolder, *, on_load: Callable[[Certificate, Reason], object] = lambda *_: None
    ) -> None:
        self._folder = folder
        self._on_load = on_load
        self._loaded_version = self._version()  # before the files are read: the next poll sees a renewal in between
        self.context = server_context(folder)
        on_load(self._certificate(), Reason(ReasonCode.CERTIFICATE_LOADED, "the server started"))

    def start(self) -> None:
        """Poll the folder on a thread of its own."""
        Thread(target=self._run, name="certificate", daemon=True).start()

    def poll(self) -> None:
        """Load a new pair where there is one; existing connections keep the old one."""
        try:
            version = self._version()
            if version == self._loaded_version:
                return
            server_context(self._folder)  # a bad pair must not reach the context of the server
            found = self._certificate()
            load_pair(self.context, self._folder)
        except (OSError, ValueError) as bad:
            logger.warning(
                "cannot load the new certificate in %s, and the old one stays in use: %s",
                self._folder.path,
                describe_bad_pair(self._folder, bad),
            )
            return
        self._loaded_version = version
        logger.info("loaded the new certificate in %s", self._folder.path)
        self._on_load(found, Reason(ReasonCode.CERTIFICATE_REPLACED, "the folder contains another pair"))

    def _certificate(self) -> Certificate:
        return read_certificate(self._folder.certificate.read_bytes())

    def _version(self) -> tuple[tuple[int, int], ...]:
        states = [path.stat() for path in (self._folder.certificate, self._folder.key)]
        return tuple((state.st_mtime_ns, state.st_ino) for state in states)

    def _run(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            self.poll()


def describe_bad_pair(folder: TlsFolder, bad: OSError | ValueError) -> str:
    """Return why the folder's files are not a usable pair, for an error of the library."""
    if isinstance(bad, OSError) and not isinstance(bad, ssl.SSLError):
        return describe_unreadable(bad)
    for path, expected_label in ((folder.certificate, CERTIFICATE), (folder.key, PRIVATE_KEY)):
        try:
            problem = pem_error(path.read_bytes(), expected_label)
        except OSError as missing:
            return describe_unreadable(missing)
        if problem:
            return f"{path.name}: {problem}"
    if isinstance(bad, ssl.SSLError) and bad.reason == OTHER_KEY:
        return "tls.key is not the key of the certificate in tls.crt"
    return "the content between BEGIN and END in one of the files is damaged"


def describe_unreadable(bad: OSError) -> str:
    """Return why a file cannot be read, with its path where that is known."""
    return f"{bad.filename}: {reason(bad)}" if bad.filename else "it cannot be read"


def server_context(folder: TlsFolder) -> ssl.SSLContext:
    """Return the TLS context of the server: TLS 1.2 or later.  Raises OSError for files that are not a pair."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pair(serving, folder)
    return serving


def load_pair(serving: ssl.SSLContext, folder: TlsFolder) -> None:
    """Load the folder's pair into a context.  Raises OSError for files that are not a pair, or whose key is encrypted."""
    serving.load_cert_chain(folder.certificate, folder.key, password="")
