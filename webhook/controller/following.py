"""Only the controller registers catflap: first when the servers answer, and from then on whatever keeps it as this release registers it.

What an administrator deleted stays deleted (webhook.kube.switch, docs/decisions/0023). Nothing is ever removed because a server
does not answer: whether requests fail then is for the failure policy of each entry.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Final

from msgspec import Struct, structs

from webhook import __version__
from webhook.config.parse import Loaded
from webhook.controller.addressing import endpoint_of
from webhook.controller.departing import Departing, is_hook
from webhook.controller.drift import Drift
from webhook.controller.fitting import differences, fitted, keeping_client_config, only_moved
from webhook.controller.owning import difference, owned
from webhook.controller.patience import Patience
from webhook.controller.reaching import Replicas, Unreachable
from webhook.controller.recording import Recording
from webhook.controller.registration import Endpoint, registration
from webhook.controller.servers import Reach, Servers, usable
from webhook.controller.switching import Switching
from webhook.controller.watching import Watching
from webhook.kube.api import CONFLICT, NOT_FOUND, Api, ApiError, Json
from webhook.kube.home import Home, look
from webhook.kube.identity import Acting, accounts_annotation
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.paths import name_selector
from webhook.kube.registrations import API_VERSION, PHASES, collection, path
from webhook.kube.switch import BEGUN, NEVER, OFF, State
from webhook.kube.watch import Watch
from webhook.kube.webhook_path import token_of
from webhook.metrics import REGISTRATION
from webhook.model.identity import Identities
from webhook.model.names import ACCOUNTS_ANNOTATION, RELEASE_ANNOTATION, WEBHOOK_CONFIGURATION
from webhook.model.reason import Reason, ReasonCode

logger = logging.getLogger(__name__)

# How soon to look again: for servers that are not ready yet, for an administrator who turns catflap on again, and at what fits.
WAITING_SECONDS: Final = 2.0
OFF_SECONDS: Final = 5.0
FITTING_SECONDS: Final = 60.0
# How long a replica leaves a registration of another release to the replica that leads: as long as one takes to leave.
OTHER_RELEASE_SECONDS: Final = 60.0
HOME: Final = "home"  # the watch on our own namespace
# Why a configuration is written.
CREATED: Final = Reason(ReasonCode.REGISTRATION_CREATED, "registered: the servers answer")
UPGRADED: Final = Reason(ReasonCode.REGISTRATION_UPGRADED, "rewritten: it was not as this release registers it")
RELABELLED: Final = Reason(
    ReasonCode.REGISTRATION_METADATA_UPDATED,
    "rewritten: its labels, annotations or owners were not as this release writes them",
)
MOVED: Final = Reason(ReasonCode.REGISTRATION_ENDPOINT_UPDATED, "rewritten: reviews come to another address or path")
OTHER_REQUESTS: Final = Reason(
    ReasonCode.REGISTRATION_RULES_UPDATED, "rewritten: the policy file asks for other requests"
)


class Wishes(Struct, frozen=True):
    """What the installer wants of the registration: how many servers it waits for, and further labels and annotations.

    `certified` servers ask the API server for a client certificate.
    """

    replicas: Replicas | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    certified: bool = False


class Registered(Watching):
    """Our webhook configurations, created once the servers answer and kept as they should be.

    `endpoint` says at each pass where the API server finds us, and raises Unreachable where that is not known; without it catflap is
    registered by hand, and where it is found stays as it is registered.
    """

    name = REGISTRATION
    pending = "the registration does not fit the policy file yet"

    def __init__(
        self,
        api: Api,
        *,
        recording: Recording,
        own_namespace: str,
        acting: Acting,
        drift: Drift,
        now: Callable[[], datetime],
        endpoint: Callable[[], Endpoint] | None = None,
        wishes: Wishes = Wishes(),  # noqa: B008 (frozen)
        leads: Callable[[], bool] = lambda: False,
        reach: Reach = usable,
    ) -> None:
        self._api = api
        self._recording = recording
        self._own_namespace = own_namespace
        self._acting = acting
        self._drift = drift
        self._endpoint = endpoint
        self._wishes = wishes
        self._leads = leads
        self._servers = Servers(api, endpoint, replicas=wishes.replicas, own_namespace=own_namespace, reach=reach)
        self._switch = Switching(api, own_namespace=own_namespace, recording=recording, acting=acting, now=now)
        self._wake: Callable[[], None] = lambda: None
        self._fits: dict[str, object] = {}  # what each phase fitted last
        self._seen: dict[str, Json] = {}  # each configuration as its watch saw it last, the one that is gone too
        self._other_release: dict[str, float] = {}
        self._departing = Departing(api, recording=recording, drift=drift)
        self._patience = {phase: Patience() for phase in PHASES}
        query = {"fieldSelector": name_selector(WEBHOOK_CONFIGURATION)}
        watches = {phase: Watch(api, collection(phase), query=query) for phase in PHASES}
        home = Watch(api, NAMESPACES, query={"fieldSelector": name_selector(own_namespace)})
        super().__init__({**watches, HOME: home})

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin to watch; `on_change` is called when something is to be looked at."""
        self._wake = on_change
        for phase in PHASES:
            self._watches[phase].on_change(partial(self._seen.__setitem__, phase))
        super().start(on_change)
        on_change()

    def wake(self) -> None:
        """Look again soon: the endpoint has another path or another CA now."""
        self._wake()

    @property
    def acting(self) -> Acting:
        """Who is catflap, as far as this process knows."""
        return self._acting

    @property
    def sound(self) -> bool:
        """Whether every entry is as this release registers it, or an administrator wants none."""
        return self._drift.sound

    def follow(self, loaded: Loaded) -> float:
        """See that catflap is registered as the policy file says; the seconds after which to look again.

        Raises ApiError, AuditLogUnwritable.
        """
        self._recording.flush()
        if not all(watch.synced for watch in self._watches.values()):
            return WAITING_SECONDS
        home = look(
            self._api, self._own_namespace
        )  # first: without its Roles a namespace that ends lets us read nothing else
        if not self._departing.due(home):
            self._acting.look(self._api)
            state = self._switch.read()  # before what is stored: what is not there although this says "on" was deleted
            stored = {phase: found for phase in PHASES if (found := self._stored(phase)) is not None}
            if len(stored) < len(PHASES):  # another replica may have seen the end of the namespace before this one
                home = look(self._api, self._own_namespace)
        if self._departing.due(home):
            self._departing.leave(home, loaded.digest)
            return WAITING_SECONDS
        noted = self._switch.note_deletions(state, stored, self._seen, home, loaded.digest)
        if noted is None:
            return WAITING_SECONDS
        return self._see_to(noted, stored, home, loaded)

    def _stored(self, phase: str) -> Json | None:
        """A configuration as it is stored; None where it is not, or where an uninstall has put an empty one in its place."""
        found = self._watches[phase].get(WEBHOOK_CONFIGURATION) or self._api.get(path(phase))
        if found is None or is_hook(found):
            return None
        # The items of a list do not name their kind.
        return {**found, "apiVersion": API_VERSION, "kind": f"{phase.capitalize()}WebhookConfiguration"}

    def _see_to(self, state: State, stored: Mapping[str, Json], home: Home, loaded: Loaded) -> float:
        """Mend what is stored, create what is missing and wanted, and report what is neither."""
        missing = [phase for phase, word in state.phases.items() if phase not in stored and word in {NEVER, BEGUN}]
        off = [phase for phase, word in state.phases.items() if word == OFF]
        waiting = missing if state.wanted and self._endpoint is not None else []
        trouble, endpoint = "", None
        try:
            endpoint = self._servers.checked(stored, urgent=bool(waiting))
        except Unreachable as bad:
            trouble = str(bad)
        endpoint = endpoint or (None if trouble else self._servers.as_stored(stored))
        accounts = self._switch.accounts(state, self._servers.account)
        wait, refused = FITTING_SECONDS, None
        for phase, found in stored.items():
            where = endpoint or endpoint_of(found, self._own_namespace)
            if where is None:
                continue
            try:
                wanted = owned(self._wanted(phase, loaded, where, accounts), found, home)
                wait = min(wait, self._mend(phase, found, wanted, loaded, trouble))
            except ApiError as error:
                if not error.refused:
                    raise
                refused = error  # the other one, and what people see, do not wait for it
        if waiting and endpoint is not None:
            whole = {phase: self._wanted(phase, loaded, endpoint, accounts) for phase in waiting}
            trouble = self._create({phase: owned(one, one, home) for phase, one in whole.items()}, state, loaded)
            missing = missing if trouble else []
        self._drift.show(off=off, missing=missing, waiting=waiting, trouble=trouble)
        self._switch.publish(state, self._servers.account, self._drift)
        if refused is not None:
            raise refused
        return min(wait, WAITING_SECONDS if waiting else OFF_SECONDS if off or missing or trouble else FITTING_SECONDS)

    def _wanted(self, phase: str, loaded: Loaded, endpoint: Endpoint, accounts: Identities) -> Json:
        kind = f"{phase.capitalize()}WebhookConfiguration"
        [found] = (one for one in registration(loaded.policy, endpoint, accounts) if one["kind"] == kind)
        ours = {RELEASE_ANNOTATION: __version__, ACCOUNTS_ANNOTATION: accounts_annotation(accounts)}
        metadata = found["metadata"]
        labels = {**metadata["labels"], **self._wishes.labels}
        return {
            **found,
            "metadata": {**metadata, "labels": labels, "annotations": {**self._wishes.annotations, **ours}},
        }

    def _create(self, missing: Mapping[str, Json], state: State, loaded: Loaded) -> str:
        """Register, whole and at once; why that is not done, empty where it is."""
        begun = structs.replace(state, phases={**state.phases, **dict.fromkeys(missing, BEGUN)})
        if begun.phases != state.phases and not self._switch.write(begun):
            return "another replica registers just now"
        for phase, wanted in missing.items():
            if self._api.create(collection(phase), wanted) is not None:
                self._recording.record(wanted, policy_digest=loaded.digest, why=CREATED, verb="create")
        return ""

    def _mend(self, phase: str, stored: Json, wanted: Json, loaded: Loaded, trouble: str) -> float:
        """Put back what differs; the seconds after which to look again."""
        target = fitted(stored, wanted)
        if trouble:  # where the API server would not find us must not be registered
            target = keeping_client_config(target, stored)
        found = [*differences(stored, target), *difference(stored, target)]
        key = (loaded.digest, wanted)
        if target == stored:
            self._fits[phase] = key
            self._other_release.pop(phase, None)
            self._drift.fits(phase)
            return FITTING_SECONDS
        if self._is_others(phase, stored):
            return WAITING_SECONDS
        self._patience[phase].under(loaded.digest + token_of(wanted["webhooks"][0]))
        if left := self._patience[phase].left():
            self._drift.weaker(phase, stored, found)
            return left
        try:
            written = self._write(phase, target)
        except ApiError:
            self._drift.weaker(phase, stored, found)
            raise
        if written:
            self._patience[phase].used()
            self._drift.fits(phase)
            others = bool(found) and self._fits.get(phase) == key
            why = self._drift.put_back(phase, stored, found) if others else self._why(phase, stored, target)
            self._recording.record(target, policy_digest=loaded.digest, why=why, verb="update")
            self._fits[phase] = key
        return FITTING_SECONDS

    def _why(self, phase: str, stored: Json, target: Json) -> Reason:
        """Why a configuration was written that others did not change: by what this process found at its start, or by what changed since."""
        if phase not in self._fits:
            return UPGRADED
        if stored["webhooks"] == target["webhooks"]:
            return RELABELLED
        return MOVED if only_moved(stored, target) else OTHER_REQUESTS

    def _is_others(self, phase: str, stored: Json) -> bool:
        """Whether a registration is of another release, whose controllers are about to leave or to come."""
        release = (stored["metadata"].get("annotations") or {}).get(RELEASE_ANNOTATION, __version__)
        if release == __version__ or self._leads():
            return False
        return monotonic() - self._other_release.setdefault(phase, monotonic()) < OTHER_RELEASE_SECONDS

    def _write(self, phase: str, wanted: Json) -> bool:
        """Whether it was written; where another replica was faster, the watch brings what that wrote."""
        try:
            self._api.replace(path(phase), wanted)
        except ApiError as error:
            if error.status in {CONFLICT, NOT_FOUND}:
                return False
            raise
        return True
