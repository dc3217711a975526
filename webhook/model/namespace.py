"""An existing namespace of the cluster."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from webhook.model.names import GUARD_LABEL, GUARDED


class Namespace(Struct, frozen=True):
    """A namespace, with the fields that decide whether catflap isolates it."""

    name: str
    uid: str
    labels: Mapping[str, str]
    created: datetime
    terminating: bool

    @property
    def has_guard_label(self) -> bool:
        """Return whether the namespace has the guard label. Users may have set it, so it proves nothing."""
        return self.labels.get(GUARD_LABEL) == GUARDED
