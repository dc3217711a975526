"""What is written down about the registration: whether an administrator turned it off, who is catflap, and how it is."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from msgspec import structs

from webhook.controller.drift import Drift
from webhook.controller.owning import condemned
from webhook.controller.recording import Recording
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.home import Home
from webhook.kube.identity import Acting
from webhook.kube.switch import BEGUN, NEVER, OFF, ON, State, Switch
from webhook.model.identity import Identities, identities
from webhook.model.reason import Reason, ReasonCode

logger = logging.getLogger(__name__)

DELETED: Final = "the {} webhook configuration was deleted: it stays so until an administrator turns catflap on again"
CREATED_AGAIN: Final = "the {} webhook configuration is back: catflap is turned on again"


class Switching:
    """Keeps that object in step with what administrators do and with what this process sees."""

    def __init__(
        self, api: Api, *, own_namespace: str, recording: Recording, acting: Acting, now: Callable[[], datetime]
    ) -> None:
        self._switch = Switch(api, own_namespace=own_namespace)
        self._recording = recording
        self._acting = acting
        self._now = now
        self._published = ""  # the status that was written down last
        self.read = self._switch.read
        self.write = self._switch.write

    def note_deletions(
        self, state: State, stored: Mapping[str, Json], seen: Mapping[str, Json], home: Home, digest: str
    ) -> State | None:
        """The state after what administrators did since; None where another replica writes it just now.

        `stored` are the configurations that are there, by phase; `seen` how each was when it was last there, as far as that is known.
        Raises ApiError, AuditLogUnwritable.
        """
        after = {
            phase: word_after(
                state, phase, home, stored=phase in stored, doomed=condemned(stored.get(phase) or seen.get(phase), home)
            )
            for phase in state.phases
        }
        status = "" if state.restored(home.uid) else state.status
        noted = structs.replace(state, phases=after, status=status, namespace_uid=home.uid, heeded=state.turned_on)
        if noted == state:
            return state
        if not self._written(noted):
            return None
        for phase, word in after.items():
            if word == OFF != state.phases[phase]:
                self._note(Reason(ReasonCode.REGISTRATION_TURNED_OFF, DELETED.format(phase)), digest)
            elif word in {BEGUN, ON} and state.phases[phase] == OFF:
                self._note(Reason(ReasonCode.REGISTRATION_TURNED_ON, CREATED_AGAIN.format(phase)), digest)
        return noted

    def accounts(self, state: State, server: str) -> Identities:
        """Who is catflap: this process, the servers, and the other controllers that were seen lately."""
        known = identities([*self._own(server).users, *state.identities(self._now()).users])
        self._acting.others = known
        return known if known.users else self._acting.accounts

    def publish(self, state: State, server: str, drift: Drift) -> None:
        """Write down which accounts were seen, and how the registration is where that changed.  Raises ApiError."""
        status = drift.status if drift.status != self._published or not state.status else state.status
        after = structs.replace(state.saw(self._own(server), self._now()), status=status)
        if (after.accounts, after.status) == (state.accounts, state.status):
            return
        current = self.read()  # other replicas, and this pass, may have written phases since
        if self.write(structs.replace(after, phases=current.phases)):
            self._published = drift.status

    def _own(self, server: str) -> Identities:
        return identities(user for user in (self._acting.user, server) if user)

    def _written(self, state: State) -> bool:
        """Whether the state was written, or cannot be: what is registered must be kept all the same."""
        try:
            return self.write(state)
        except ApiError as error:
            if not error.refused:
                raise
            logger.warning("whether an administrator turned catflap off cannot be written down: %s", error)
            return True

    def _note(self, why: Reason, digest: str) -> None:
        logger.warning("%s", why.words)
        self._recording.record(self._switch.manifest, policy_digest=digest, why=why, verb="update")


def word_after(state: State, phase: str, home: Home, *, stored: bool, doomed: bool) -> str:
    """What the state says of a phase after one look at its configuration.

    A configuration that is missing although the state says "on" was deleted by an administrator. It was not where the
    release wanted none, where the words were written in another namespace (a backup brought them), or where it was `doomed`:
    the garbage collector deletes it, or did. Who restored such a one after a deletion wanted catflap on again.
    """
    word = state.phases[phase]
    if stored:
        return BEGUN if doomed else ON
    if not state.wanted or state.restarted:
        return NEVER
    if doomed and word in {ON, OFF}:
        return BEGUN
    if word == ON:
        return NEVER if state.restored(home.uid) else OFF
    return word
