"""Read and write the Secret with the tokens of the webhook's URL path."""

import base64
import binascii
from typing import Final

import msgspec

from webhook.kube import paths
from webhook.kube.api import Api, Json
from webhook.kube.watch import Watch
from webhook.model.names import ENTRY_SUFFIX, MANAGED_BY, MANAGED_BY_LABEL, PATH_SECRET
from webhook.model.path_tokens import PLAIN, PathTokens, well_formed

KEY: Final = "tokens.json"
# Tokens in the Secret at the same time; each additional one would be an incomplete rotation.
MOST_TOKENS: Final = 16
# 16 tokens of 128 characters with their times, and 16 digests, are 4 KiB. A Secret may have 1 MiB.
LARGEST_CONTENT: Final = 16 * 1024
# Made once, at import: msgspec 0.20 crashes where two threads prepare one type at the same time.
TOKENS: Final = msgspec.json.Decoder(PathTokens)


class InvalidTokensError(ValueError):
    """A Secret has no usable tokens; the message says why, and quotes nothing of the Secret."""


def collection(namespace: str) -> str:
    """Return the path of the Secrets of a namespace."""
    return paths.collection("v1", "secrets", namespace)


def path(namespace: str) -> str:
    """Return the path of catflap's Secret."""
    return paths.under(collection(namespace), PATH_SECRET)


def watch(api: Api, namespace: str) -> Watch:
    """Return a watch on catflap's Secret alone; RBAC allows it by name because the field selector has the name."""
    return Watch(api, collection(namespace), query={"fieldSelector": paths.name_selector(PATH_SECRET)})


def parse_tokens(found: Json) -> PathTokens:
    """Return the tokens in a Secret.  Raises InvalidTokensError."""
    try:
        encoded = found["data"][KEY]
        if len(encoded) > LARGEST_CONTENT * 4 // 3:
            raise InvalidTokensError(f"Secret {PATH_SECRET} has more than {LARGEST_CONTENT} bytes in its key {KEY}")
        content = base64.b64decode(encoded, validate=True)
        tokens = TOKENS.decode(content)
    except (KeyError, TypeError, binascii.Error, msgspec.MsgspecError):
        # The cause would quote the content.
        raise InvalidTokensError(
            f"Secret {PATH_SECRET} has no key {KEY} in the form that the controller writes"
        ) from None
    values = tokens.accepted
    if not values or len(values) > MOST_TOKENS:
        raise InvalidTokensError(f"Secret {PATH_SECRET} has {len(values)} tokens; expected 1 to {MOST_TOKENS}")
    if not all(value == PLAIN or well_formed(value) for value in values):
        raise InvalidTokensError(
            f"Secret {PATH_SECRET} has a token that is too short or contains characters that a URL must escape"
        )
    return tokens


def build_secret(tokens: PathTokens, namespace: str, before: Json | None = None) -> Json:
    """Return the Secret with these tokens, to create it, or to replace `before` as long as that is unchanged."""
    metadata = {"name": PATH_SECRET, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}
    if before is not None:
        metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
    data = {KEY: base64.b64encode(msgspec.json.encode(tokens)).decode("ascii")}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def registered_tokens(*configurations: Json | None, own_namespace: str = "") -> frozenset[str]:
    """Return the tokens in the paths of catflap's webhooks; the plain path has the empty token.

    With `own_namespace`, a webhook counts only if its Service is in that namespace, or if it has a URL.
    """
    entries = [entry for one in configurations if one for entry in one.get("webhooks") or ()]
    return frozenset(
        token_of(entry)
        for entry in entries
        if entry["name"].endswith(ENTRY_SUFFIX) and targets_namespace(entry, own_namespace)
    )


def targets_namespace(entry: Json, own_namespace: str) -> bool:
    """Return whether a webhook sends reviews to a Service of a namespace, or to a URL."""
    service = (entry.get("clientConfig") or {}).get("service") or {}
    return not (own_namespace and service) or service.get("namespace") == own_namespace


def token_of(entry: Json) -> str:
    """Return the token in the path of a webhook."""
    where = entry.get("clientConfig") or {}
    path = where.get("url") or (where.get("service") or {}).get("path") or ""
    head, _, last = path.rpartition("/")
    return last if head.endswith(("/validate", "/mutate")) else ""
