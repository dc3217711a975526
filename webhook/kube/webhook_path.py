"""The Secret that holds the tokens of the path that reviews come to."""

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
# Kept in the Secret at once; each further one would be a rotation that nobody completed.
MOST_TOKENS: Final = 16
# 16 tokens of 128 characters with their times, and 16 digests, are 4 KiB. A Secret may have 1 MiB.
LARGEST_CONTENT: Final = 16 * 1024
# Made once, at import: msgspec 0.20 crashes where two threads prepare one type at the same time.
TOKENS: Final = msgspec.json.Decoder(PathTokens)


class BadTokens(ValueError):  # noqa: N818 (the content is bad)
    """A Secret holds no tokens that can be used; the message says why, and quotes nothing of it."""


def collection(namespace: str) -> str:
    """The path of the Secrets of a namespace."""
    return paths.collection("v1", "secrets", namespace)


def path(namespace: str) -> str:
    """The path of ours."""
    return paths.under(collection(namespace), PATH_SECRET)


def watch(api: Api, namespace: str) -> Watch:
    """A watch on ours alone; RBAC allows it by name because the field selector names it."""
    return Watch(api, collection(namespace), query={"fieldSelector": paths.name_selector(PATH_SECRET)})


def read(found: Json) -> PathTokens:
    """The tokens in a Secret.  Raises BadTokens."""
    try:
        encoded = found["data"][KEY]
        if len(encoded) > LARGEST_CONTENT * 4 // 3:
            raise BadTokens(f"Secret {PATH_SECRET} has more than {LARGEST_CONTENT} bytes in its key {KEY}")
        content = base64.b64decode(encoded, validate=True)
        tokens = TOKENS.decode(content)
    except (KeyError, TypeError, binascii.Error, msgspec.MsgspecError):
        # The cause would quote the content.
        raise BadTokens(f"Secret {PATH_SECRET} has no key {KEY} in the form that the controller writes") from None
    values = tokens.accepted
    if not values or len(values) > MOST_TOKENS:
        raise BadTokens(f"Secret {PATH_SECRET} has {len(values)} tokens; expected 1 to {MOST_TOKENS}")
    if not all(value == PLAIN or well_formed(value) for value in values):
        raise BadTokens(f"Secret {PATH_SECRET} has a token that is too short, or that a URL would have to escape")
    return tokens


def write(tokens: PathTokens, namespace: str, before: Json | None = None) -> Json:
    """The Secret with these tokens, to be created, or to replace `before` as long as that is unchanged."""
    metadata = {"name": PATH_SECRET, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}
    if before is not None:
        metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
    data = {KEY: base64.b64encode(msgspec.json.encode(tokens)).decode("ascii")}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def registered_tokens(*configurations: Json | None, own_namespace: str = "") -> frozenset[str]:
    """The tokens in the paths of our entries; the plain path has the empty one.

    With `own_namespace`, an entry counts only if its Service is there, or if it has a URL.
    """
    entries = [entry for one in configurations if one for entry in one.get("webhooks") or ()]
    return frozenset(
        token_of(entry) for entry in entries if entry["name"].endswith(ENTRY_SUFFIX) and leads_to(entry, own_namespace)
    )


def leads_to(entry: Json, own_namespace: str) -> bool:
    """Whether an entry sends reviews to a Service of a namespace, or to a URL."""
    service = (entry.get("clientConfig") or {}).get("service") or {}
    return not (own_namespace and service) or service.get("namespace") == own_namespace


def token_of(entry: Json) -> str:
    """The token in the path of an entry."""
    where = entry.get("clientConfig") or {}
    path = where.get("url") or (where.get("service") or {}).get("path") or ""
    head, _, last = path.rpartition("/")
    return last if head.endswith(("/validate", "/mutate")) else ""
