"""Ed25519 keys: each writer makes its own and keeps it in memory, and the audit root key certifies it."""

import base64
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from webhook.audit.chain import certified_bytes
from webhook.files import Form, UnreadableFileError, read_file
from webhook.syntax.pem_errors import DAMAGED_MESSAGE, PRIVATE_KEY, PUBLIC_KEY, pem_error

PublicKey = Ed25519PublicKey

# An Ed25519 key in PEM has 119 bytes.
KEY_FILE = Form("an audit root key", 1 << 16)
REMEDY = "create a pair with: catflap audit keygen"
WRONG_KEY_TYPE = f"the key is not an Ed25519 key; {REMEDY}"


class BadKeyError(Exception):
    """A key file is not usable; the message names the file and the remedy."""


class WriterKey:
    """A writer's key for a limited time, with a certificate of the root key if there is one.

    Raises BadKeyError if the root key cannot be read.
    """

    def __init__(self, *, chain: str, writer: Mapping[str, object], root: Path | None) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = to_base64(self._key.public_key().public_bytes_raw())
        self.certificate = ""
        if root is not None:
            signed_message = certified_bytes(chain=chain, public_key=self.public, writer=writer)
            self.certificate = to_base64(read_private(root).sign(signed_message))

    def record_fields(self) -> dict[str, str]:
        """Return the fields of a record that describe the key."""
        return {"publicKey": self.public, **({"certificate": self.certificate} if self.certificate else {})}

    def sign(self, message: bytes) -> str:
        """Return the signature as text."""
        return to_base64(self._key.sign(message))


def to_base64(raw: bytes) -> str:
    """Return bytes in the form that a record has."""
    return base64.b64encode(raw).decode("ascii")


def is_signed_by(public: PublicKey | str, signature: str, message: bytes) -> bool:
    """Return whether a signature of a message is this key's; a malformed key or signature yields false."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public)) if isinstance(public, str) else public
        key.verify(base64.b64decode(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return True


def write_pair(prefix: str) -> tuple[Path, Path]:
    """Write an audit root key as PREFIX.key, with access for its owner only, and PREFIX.pub.  Raises OSError."""
    key = Ed25519PrivateKey.generate()
    private, public = Path(f"{prefix}.key"), Path(f"{prefix}.pub")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    if public.exists():
        raise FileExistsError(f"{public} exists already; catflap does not overwrite it")
    write_new(private, pem, mode=0o600)
    write_new(
        public,
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        mode=0o644,
    )
    return private, public


def write_new(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that must not exist yet."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def read_private(path: Path) -> Ed25519PrivateKey:
    """Return the audit root key.  Raises BadKeyError."""
    key = load_key(path, partial(serialization.load_pem_private_key, password=None), PRIVATE_KEY)
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKeyError(f"{path}: {WRONG_KEY_TYPE}")
    return key


def read_public(path: Path) -> PublicKey:
    """Return the public half of the audit root key.  Raises BadKeyError."""
    key = load_key(path, serialization.load_pem_public_key, PUBLIC_KEY)
    if not isinstance(key, Ed25519PublicKey):
        raise BadKeyError(f"{path}: {WRONG_KEY_TYPE}")
    return key


def load_key(path: Path, load: Callable[[bytes], object], expected_label: str) -> object:
    """Return the key in a file; `expected_label` is the label after BEGIN in the file.  Raises BadKeyError."""
    try:
        content = read_file(path, KEY_FILE)
    except UnreadableFileError as bad:
        raise BadKeyError(f"{bad}; {REMEDY}") from bad
    try:
        return load(content)
    except (TypeError, ValueError, UnsupportedAlgorithm) as bad:  # TypeError: it has a password
        raise BadKeyError(f"{path}: {pem_error(content, expected_label) or DAMAGED_MESSAGE}; {REMEDY}") from bad
