"""Removes the webhook configurations while catflap's own namespace is being deleted, as they must not outlive the servers."""

from typing import Final

from webhook.controller.registration_status import RegistrationStatus, configuration_reference
from webhook.controller.uninstall import delete_as_found
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import Api, Json
from webhook.kube.own_namespace import OwnNamespace
from webhook.kube.webhook_configurations import PHASES, path
from webhook.model.names import REMOVAL_ANNOTATION
from webhook.model.reason import Reason, ReasonCode

TERMINATING: Final = "namespace {} is being deleted, so catflap removes its registration"
DELETED: Final = (
    "namespace {} was deleted, so catflap removed its registration; it registers again when a "
    "namespace of that name exists"
)


class NamespaceTermination:
    """Deletes the webhook configurations as soon as the namespace terminates.

    Every replica tries, because the deletion of the namespace removes their Pods and accounts in an unknown order. If
    none of them is fast enough, the garbage collector deletes the configurations after the Namespace
    (`webhook.kube.own_namespace`).
    """

    def __init__(self, api: Api, *, recorder: WriteRecorder, status: RegistrationStatus) -> None:
        self._api = api
        self._recorder = recorder
        self._status = status
        self._left = False

    def is_due(self, home: OwnNamespace) -> bool:
        """Return whether nothing may be registered: the namespace terminates, or it did and no new one exists.

        Otherwise a process that outlives its namespace would register again, like a process outside the cluster.
        """
        self._left = home.terminating or (self._left and not home.uid)
        return self._left

    def unregister(self, home: OwnNamespace, digest: str) -> None:
        """Delete the webhook configurations as they are stored now. Raises ApiError."""
        self._status.report_uninstall((TERMINATING if home.terminating else DELETED).format(home.name))
        for phase in PHASES if home.terminating else ():
            found = self._api.get(path(phase))
            if (
                found is not None
                and not is_uninstall_placeholder(found)
                and delete_as_found(self._api, path(phase), found)
            ):
                why = Reason(ReasonCode.REGISTRATION_REMOVED, f"removed: {TERMINATING.format(home.name)}")
                self._recorder.record(configuration_reference(phase), policy_digest=digest, why=why, verb="delete")


def is_uninstall_placeholder(found: Json) -> bool:
    """Return whether a configuration is the empty placeholder that an uninstall puts in the place of catflap's."""
    return REMOVAL_ANNOTATION in (found["metadata"].get("annotations") or {})
