"""Read catflap's own Namespace, which owns the webhook configurations."""

from typing import Final

from msgspec import Struct

from webhook.kube.api import Api, Json
from webhook.kube.namespaces import namespace_path

API_VERSION: Final = "v1"
KIND: Final = "Namespace"


class OwnNamespace(Struct, frozen=True):
    """The state of catflap's own namespace; `uid` is empty where the namespace does not exist."""

    name: str
    uid: str = ""
    terminating: bool = False

    @property
    def owner_references(self) -> list[Json]:
        """Return the ownerReferences of a webhook configuration: the garbage collector deletes it once this Namespace is gone.

        They have no blockOwnerDeletion and no controller, so they do not delay the deletion of the namespace.
        """
        return [{"apiVersion": API_VERSION, "kind": KIND, "name": self.name, "uid": self.uid}] if self.uid else []


def read_own_namespace(api: Api, name: str) -> OwnNamespace:
    """Read the namespace from the API server.  Raises ApiError."""
    metadata = (api.get(namespace_path(name)) or {}).get("metadata") or {}
    return OwnNamespace(name, metadata.get("uid", ""), "deletionTimestamp" in metadata)
