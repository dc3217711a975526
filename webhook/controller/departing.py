"""catflap leaves the cluster while its own namespace is being deleted: the webhook configurations must not outlive the servers."""

from typing import Final

from webhook.controller.drift import Drift, configuration
from webhook.controller.leaving import delete
from webhook.controller.recording import Recording
from webhook.kube.api import Api, Json
from webhook.kube.home import Home
from webhook.kube.registrations import PHASES, path
from webhook.model.names import REMOVAL_ANNOTATION
from webhook.model.reason import Reason, ReasonCode

WHY: Final = "namespace {} is being deleted, so catflap leaves"
GONE: Final = "namespace {} was deleted, so catflap left; it registers again once a namespace of that name exists"


class Departing:
    """Deletes the webhook configurations as soon as the namespace terminates.

    Every replica tries: the deletion of the namespace ends their Pods and their accounts in an order that is not known. Where none
    of them is fast enough, the garbage collector deletes the configurations once the Namespace is gone (`webhook.kube.home`).
    """

    def __init__(self, api: Api, *, recording: Recording, drift: Drift) -> None:
        self._api = api
        self._recording = recording
        self._drift = drift
        self._left = False

    def due(self, home: Home) -> bool:
        """Whether nothing may be registered: the namespace terminates, or it did and no new one exists.

        A process that outlives its namespace would otherwise register again, as one that never had a namespace does.
        """
        self._left = home.terminating or (self._left and not home.uid)
        return self._left

    def leave(self, home: Home, digest: str) -> None:
        """Delete what is registered, as it is stored now.  Raises ApiError."""
        self._drift.leaves((WHY if home.terminating else GONE).format(home.name))
        for phase in PHASES if home.terminating else ():
            found = self._api.get(path(phase))
            if found is not None and not is_hook(found) and delete(self._api, path(phase), found):
                why = Reason(ReasonCode.REGISTRATION_REMOVED, f"removed: {WHY.format(home.name)}")
                self._recording.record(configuration(phase), policy_digest=digest, why=why, verb="delete")


def is_hook(found: Json) -> bool:
    """Whether a configuration is the empty one that an uninstall puts in the place of ours."""
    return REMOVAL_ANNOTATION in (found["metadata"].get("annotations") or {})
