"""What is known of a namespace that stands in the cluster."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from webhook.model.names import GUARD_LABEL, GUARDED


class Namespace(Struct, frozen=True):
    """A namespace by what decides whether it is closed."""

    name: str
    uid: str
    labels: Mapping[str, str]
    created: datetime
    terminating: bool

    @property
    def stamped(self) -> bool:
        """Return whether it carries the mark of a guarded namespace; users may have set it, so it proves nothing."""
        return self.labels.get(GUARD_LABEL) == GUARDED
