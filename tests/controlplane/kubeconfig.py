"""Kubeconfig files: who a client is, and how it knows the server."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.controlplane.pki import Identity, write

NAME: Final = "catflap-controlplane"


def write_kubeconfig(path: Path, *, server: str, authority: bytes, user: Mapping[str, str]) -> Path:
    """Write a kubeconfig with one cluster and one user; JSON, since that is YAML too."""
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": server, "certificate-authority-data": _encoded(authority)}}],
        "users": [{"name": NAME, "user": dict(user)}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }
    return write(path, json.dumps(document, indent=1).encode())


def by_certificate(identity: Identity) -> dict[str, str]:
    """Return the user entry with a client certificate."""
    return {"client-certificate-data": _encoded(identity.certificate), "client-key-data": _encoded(identity.key)}


def by_token(token: str) -> dict[str, str]:
    """Return the user entry with a bearer token."""
    return {"token": token}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
