"""Keeps the stored state of the registration: whether an administrator turned it off, catflap's accounts, and its status."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from msgspec import structs

from webhook.controller.owner_references import is_orphaned
from webhook.controller.registration_status import RegistrationStatus
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.identity import ProcessIdentity
from webhook.kube.own_namespace import OwnNamespace
from webhook.kube.registration_state import BEGUN, NEVER, OFF, ON, RegistrationState, RegistrationStateStore
from webhook.model.identity import Identities, identities
from webhook.model.reason import Reason, ReasonCode

logger = logging.getLogger(__name__)

DELETED: Final = (
    "the {} webhook configuration was deleted: catflap does not create it until an administrator turns catflap on again"
)
RECREATED: Final = "the {} webhook configuration exists again: catflap is turned on again"


class RegistrationStateKeeper:
    """Updates the stored state from the actions of administrators and the observations of this process."""

    def __init__(
        self,
        api: Api,
        *,
        own_namespace: str,
        recorder: WriteRecorder,
        acting: ProcessIdentity,
        now: Callable[[], datetime],
    ) -> None:
        self._switch = RegistrationStateStore(api, own_namespace=own_namespace)
        self._recorder = recorder
        self._acting = acting
        self._now = now
        self._published = ""  # the status that was written last
        self.read = self._switch.read
        self.write = self._switch.write

    def record_deletions(
        self,
        state: RegistrationState,
        stored: Mapping[str, Json],
        seen: Mapping[str, Json],
        home: OwnNamespace,
        digest: str,
    ) -> RegistrationState | None:
        """Return the state after deletions and creations by administrators; None if another replica writes it now.

        `stored` are the existing configurations by phase. `seen` is each configuration as it last existed, if known.
        Raises ApiError, AuditLogUnwritable.
        """
        after = {
            phase: phase_state_after(
                state,
                phase,
                home,
                stored=phase in stored,
                doomed=is_orphaned(stored.get(phase) or seen.get(phase), home),
            )
            for phase in state.phases
        }
        status = "" if state.is_restored(home.uid) else state.status
        noted = structs.replace(state, phases=after, status=status, namespace_uid=home.uid, heeded=state.turned_on)
        if noted == state:
            return state
        if not self._try_write(noted):
            return None
        for phase, word in after.items():
            if word == OFF != state.phases[phase]:
                self._record(Reason(ReasonCode.REGISTRATION_TURNED_OFF, DELETED.format(phase)), digest)
            elif word in {BEGUN, ON} and state.phases[phase] == OFF:
                self._record(Reason(ReasonCode.REGISTRATION_TURNED_ON, RECREATED.format(phase)), digest)
        return noted

    def accounts(self, state: RegistrationState, server: str) -> Identities:
        """Return catflap's accounts: of this process, of the servers, and of other controllers seen recently."""
        known = identities([*self._own_accounts(server).users, *state.identities(self._now()).users])
        self._acting.others = known
        return known if known.users else self._acting.accounts

    def publish(self, state: RegistrationState, server: str, registration_status: RegistrationStatus) -> None:
        """Write which accounts were seen, and the status if it changed. Raises ApiError."""
        status = (
            registration_status.summary
            if registration_status.summary != self._published or not state.status
            else state.status
        )
        after = structs.replace(state.with_seen_accounts(self._own_accounts(server), self._now()), status=status)
        if (after.accounts, after.status) == (state.accounts, state.status):
            return
        current = self.read()  # other replicas, and this pass, may have written phases in between
        if self.write(structs.replace(after, phases=current.phases)):
            self._published = registration_status.summary

    def _own_accounts(self, server: str) -> Identities:
        return identities(user for user in (self._acting.user, server) if user)

    def _try_write(self, state: RegistrationState) -> bool:
        """Return whether the state was written or cannot be written; in the second case the registration is repaired all the same."""
        try:
            return self.write(state)
        except ApiError as error:
            if not error.refused:
                raise
            logger.warning("cannot store whether an administrator turned catflap off: %s", error)
            return True

    def _record(self, why: Reason, digest: str) -> None:
        logger.warning("%s", why.words)
        self._recorder.record(self._switch.manifest, policy_digest=digest, why=why, verb="update")


def phase_state_after(state: RegistrationState, phase: str, home: OwnNamespace, *, stored: bool, doomed: bool) -> str:
    """Return the state of a phase after one look at its configuration.

    A configuration that is missing although the state says "on" was deleted by an administrator. There are three
    exceptions. The release may want no registration. The state may come from another namespace, through a backup. Or
    the configuration was `doomed`: the garbage collector deletes or deleted it. An administrator who restored such a
    configuration after a deletion wants catflap to be on again.
    """
    word = state.phases[phase]
    if stored:
        return BEGUN if doomed else ON
    if not state.wanted or state.is_turned_on_again:
        return NEVER
    if doomed and word in {ON, OFF}:
        return BEGUN
    if word == ON:
        return NEVER if state.is_restored(home.uid) else OFF
    return word
