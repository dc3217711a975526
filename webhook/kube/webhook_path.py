"""The Secret that holds the tokens of the path that reviews come to."""

import base64
import binascii
from typing import Final

import msgspec

from webhook.kube import paths
from webhook.kube.api import Api, Json
from webhook.kube.watch import Watch
from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL, PATH_SECRET
from webhook.model.path_tokens import PLAIN, PathTokens, well_formed

KEY: Final = "tokens.json"
# Kept in the Secret at once; each further one would be a rotation that nobody completed.
MOST_TOKENS: Final = 16
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
        content = base64.b64decode(found["data"][KEY], validate=True)
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
