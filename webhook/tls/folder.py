"""The folder that the certificate lies in: `tls.crt` and `tls.key` as a kubernetes.io/tls Secret names them, `ca.crt`.

Files that somebody else provides are used as they are; in an empty folder we issue our own.
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
from webhook.syntax.pem_words import CERTIFICATE, PRIVATE_KEY, damage
from webhook.tls.authority import Certificate, issue_authority, issue_serving, read_certificate

logger = logging.getLogger(__name__)

# A renewal comes weeks before the old certificate ends; the kubelet itself takes a minute to bring a Secret.
LOOK_SECONDS = 1.0
# OpenSSL's reason where a key and a certificate do not fit.
OTHER_KEY = "KEY_VALUES_MISMATCH"


REISSUE = "put another pair there, or empty the folder to have one issued, and register its CA"


class BadCertificate(Exception):  # noqa: N818 (the certificate is bad, not the program)
    """The folder holds no pair that can be served; the message names the file and the remedy."""


class TlsFolder(Struct, frozen=True):
    """The paths inside `--tls-dir`."""

    path: Path

    @property
    def certificate(self) -> Path:
        """The serving certificate, and what follows it in the chain."""
        return self.path / "tls.crt"

    @property
    def key(self) -> Path:
        """Its private key."""
        return self.path / "tls.key"

    @property
    def authority(self) -> Path:
        """The CA certificate that `caBundle` takes."""
        return self.path / "ca.crt"


def ensure(folder: TlsFolder, hosts: Iterable[str], now: datetime) -> None:
    """See that the folder holds a usable pair, issued here for `hosts` where it holds none.

    Raises BadCertificate where one of the two files is missing, they do not fit, the certificate has ended, or the folder
    cannot be written.
    """
    wanted = list(hosts)
    missing = [path for path in (folder.certificate, folder.key) if not path.exists()]
    if len(missing) == 1:
        raise BadCertificate(f"{missing[0]} is missing beside its other half; put it there, or empty the folder")
    try:
        if missing:
            issue_into(folder, wanted, now)
        context(folder)
        found = read_certificate(folder.certificate.read_bytes())
    except (OSError, ValueError) as bad:
        raise BadCertificate(
            f"{folder.path}: {why_no_pair(folder, bad)}; it must hold tls.crt and tls.key of one pair, as PEM"
        ) from bad
    if found.expires <= now:
        raise BadCertificate(f"{folder.certificate} ended on {found.expires:%Y-%m-%d}; {REISSUE}")


def check_names(folder: TlsFolder, names: Iterable[str]) -> None:
    """See that the certificate is for each of `names`.  Raises BadCertificate."""
    lacking = sorted(set(names) - read_certificate(folder.certificate.read_bytes()).names)
    if lacking:
        raise BadCertificate(f"{folder.certificate} is not for {', '.join(lacking)}; {REISSUE}")


def is_current(folder: TlsFolder, now: datetime) -> bool:
    """Whether the certificate in the folder can be read and has not ended."""
    try:
        return read_certificate(folder.certificate.read_bytes()).expires > now
    except (OSError, ValueError):
        return False


def issue_into(folder: TlsFolder, hosts: Iterable[str], now: datetime) -> None:
    """A new authority and a pair signed by it; the authority's key is not kept."""
    authority = issue_authority(now)
    serving = issue_serving(authority, hosts, now)
    folder.path.mkdir(parents=True, exist_ok=True)
    write(folder.authority, authority.certificate, mode=0o644)
    write(folder.key, serving.key, mode=0o600)
    write(folder.certificate, serving.certificate, mode=0o644)


def write(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file whole or not at all, never readable by more than `mode` says."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    unfinished.replace(path)


class Served:
    """The context that connections are made with, kept at the pair that the folder holds.

    A pair that does not load (a renewal seen half-way) leaves the old one in place until the next look.  `on_load` is told of
    each certificate that comes into use, and why.
    """

    def __init__(
        self, folder: TlsFolder, *, on_load: Callable[[Certificate, Reason], object] = lambda *_: None
    ) -> None:
        self._folder = folder
        self._on_load = on_load
        self._seen = self._version()  # before the files are read: a renewal in between is seen at the next look
        self.context = context(folder)
        on_load(self._certificate(), Reason(ReasonCode.CERTIFICATE_LOADED, "this process began to serve"))

    def start(self) -> None:
        """Look at the folder from a thread of its own."""
        Thread(target=self._watch, name="certificate", daemon=True).start()

    def look(self) -> None:
        """Take a new pair over where there is one; connections that stand keep theirs."""
        try:
            version = self._version()
            if version == self._seen:
                return
            context(self._folder)  # a bad pair must not reach the context that serves
            found = self._certificate()
            load(self.context, self._folder)
        except (OSError, ValueError) as bad:
            logger.warning(
                "the new certificate in %s does not load, the old one stays: %s",
                self._folder.path,
                why_no_pair(self._folder, bad),
            )
            return
        self._seen = version
        logger.info("the certificate in %s was loaded anew", self._folder.path)
        self._on_load(found, Reason(ReasonCode.CERTIFICATE_REPLACED, "another pair was in the folder"))

    def _certificate(self) -> Certificate:
        return read_certificate(self._folder.certificate.read_bytes())

    def _version(self) -> tuple[tuple[int, int], ...]:
        states = [path.stat() for path in (self._folder.certificate, self._folder.key)]
        return tuple((state.st_mtime_ns, state.st_ino) for state in states)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()


def why_no_pair(folder: TlsFolder, bad: OSError | ValueError) -> str:
    """Return why the folder's files are no pair, by what the library refused."""
    if isinstance(bad, OSError) and not isinstance(bad, ssl.SSLError):
        return unread(bad)
    for path, wanted in ((folder.certificate, CERTIFICATE), (folder.key, PRIVATE_KEY)):
        try:
            problem = damage(path.read_bytes(), wanted)
        except OSError as missing:
            return unread(missing)
        if problem:
            return f"{path.name}: {problem}"
    if isinstance(bad, ssl.SSLError) and bad.reason == OTHER_KEY:
        return "tls.key is not the key of the certificate in tls.crt"
    return "what is between BEGIN and END in one of the files is damaged"


def unread(bad: OSError) -> str:
    """Return why a file cannot be read, with its path where that is known."""
    return f"{bad.filename}: {reason(bad)}" if bad.filename else "it cannot be read"


def context(folder: TlsFolder) -> ssl.SSLContext:
    """What the server serves with: TLS 1.2 or later.  Raises OSError for files that are no pair."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.minimum_version = ssl.TLSVersion.TLSv1_2
    load(serving, folder)
    return serving


def load(serving: ssl.SSLContext, folder: TlsFolder) -> None:
    """Take the folder's pair into a context.  Raises OSError for files that are no pair, or whose key is encrypted."""
    serving.load_cert_chain(folder.certificate, folder.key, password="")
