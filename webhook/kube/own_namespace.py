"""catflap's own Namespace, as the owner of what catflap registers."""

from typing import Final

from msgspec import Struct

from webhook.kube.api import Api, Json
from webhook.kube.namespaces import path

API_VERSION: Final = "v1"
KIND: Final = "Namespace"


class Home(Struct, frozen=True):
    """catflap's own namespace as the API server has it now; `uid` is empty where there is no namespace of that name."""

    name: str
    uid: str = ""
    terminating: bool = False

    @property
    def references(self) -> list[Json]:
        """The ownerReferences of a webhook configuration: the garbage collector deletes it once this Namespace is gone.

        They have no blockOwnerDeletion and no controller: nothing of ours holds up the deletion of the namespace.
        """
        return [{"apiVersion": API_VERSION, "kind": KIND, "name": self.name, "uid": self.uid}] if self.uid else []


def look(api: Api, name: str) -> Home:
    """The namespace as it is now, by a request of its own.  Raises ApiError."""
    metadata = (api.get(path(name)) or {}).get("metadata") or {}
    return Home(name, metadata.get("uid", ""), "deletionTimestamp" in metadata)
