"""Registers catflap with the API server, and keeps the webhook configurations as this release defines them.

The controller creates the configurations once the servers answer. It never recreates a configuration that an
administrator deleted (webhook.kube.registration_state, docs/decisions/0023). It never removes one because a server does not
answer: the failure policy of each entry decides what happens then.
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
from webhook.controller.namespace_termination import NamespaceTermination, is_uninstall_placeholder
from webhook.controller.owner_references import owner_difference, with_owner
from webhook.controller.registration_reasons import CREATED, update_reason
from webhook.controller.registration_state import RegistrationStateKeeper
from webhook.controller.registration_status import RegistrationStatus
from webhook.controller.server_locator import Probe, ServerLocator, probe_servers
from webhook.controller.server_probe import RequiredReplicas, Unreachable
from webhook.controller.stored_endpoint import stored_endpoint
from webhook.controller.watch_group import WatchGroup
from webhook.controller.webhook_config_diff import (
    entry_differences,
    keep_client_config,
    merge_configuration,
)
from webhook.controller.webhook_configurations import Endpoint, webhook_configurations
from webhook.controller.write_backoff import WriteBackoff
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import CONFLICT, NOT_FOUND, Api, ApiError, Json
from webhook.kube.identity import ProcessIdentity, accounts_annotation
from webhook.kube.namespaces import NAMESPACES_PATH as NAMESPACES
from webhook.kube.own_namespace import OwnNamespace, read_own_namespace
from webhook.kube.paths import name_selector
from webhook.kube.registration_state import BEGUN, NEVER, OFF, RegistrationState
from webhook.kube.watch import Watch
from webhook.kube.webhook_configurations import API_VERSION, PHASES, collection, path
from webhook.kube.webhook_path import token_of
from webhook.metrics import REGISTRATION
from webhook.model.identity import Identities
from webhook.model.names import ACCOUNTS_ANNOTATION, RELEASE_ANNOTATION, WEBHOOK_CONFIGURATION

logger = logging.getLogger(__name__)

# The seconds until the next pass: while servers are not ready, while catflap is turned off, and while everything
# matches.
WAITING_SECONDS: Final = 2.0
OFF_SECONDS: Final = 5.0
FITTING_SECONDS: Final = 60.0
# How long a replica leaves a registration of another release to the leader. The replicas of one release take this
# long to stop.
OTHER_RELEASE_SECONDS: Final = 60.0
HOME: Final = "home"  # the watch on catflap's own namespace


class RegistrationOptions(Struct, frozen=True):
    """The installer's options: the servers to wait for, and additional labels and annotations of the configurations.

    `certified` servers request a client certificate from the API server.
    """

    replicas: RequiredReplicas | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    certified: bool = False


class WebhookConfigSync(WatchGroup):
    """Creates the webhook configurations once the servers answer, and repairs them.

    `endpoint` returns the address of the servers for each pass, and raises Unreachable while it is unknown. Without
    `endpoint`, an administrator registers catflap by hand, and the registered address stays.
    """

    name = REGISTRATION
    pending = "the webhook configurations do not match the policy file yet"

    def __init__(
        self,
        api: Api,
        *,
        recorder: WriteRecorder,
        own_namespace: str,
        acting: ProcessIdentity,
        status: RegistrationStatus,
        now: Callable[[], datetime],
        endpoint: Callable[[], Endpoint] | None = None,
        options: RegistrationOptions = RegistrationOptions(),  # noqa: B008 (frozen)
        is_leader: Callable[[], bool] = lambda: False,
        probe: Probe = probe_servers,
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._own_namespace = own_namespace
        self._acting = acting
        self._status = status
        self._endpoint = endpoint
        self._options = options
        self._is_leader = is_leader
        self._servers = ServerLocator(
            api, endpoint, replicas=options.replicas, own_namespace=own_namespace, probe=probe
        )
        self._state = RegistrationStateKeeper(
            api, own_namespace=own_namespace, recorder=recorder, acting=acting, now=now
        )
        self._wake: Callable[[], None] = lambda: None
        self._matched: dict[str, object] = {}  # what each phase matched last
        self._seen: dict[str, Json] = {}  # each configuration as its watch last saw it, also a deleted one
        self._other_release: dict[str, float] = {}
        self._termination = NamespaceTermination(api, recorder=recorder, status=status)
        self._backoff = {phase: WriteBackoff() for phase in PHASES}
        query = {"fieldSelector": name_selector(WEBHOOK_CONFIGURATION)}
        watches = {phase: Watch(api, collection(phase), query=query) for phase in PHASES}
        home = Watch(api, NAMESPACES, query={"fieldSelector": name_selector(own_namespace)})
        super().__init__({**watches, HOME: home})

    def start(self, on_change: Callable[[], None]) -> None:
        """Start the watches; `on_change` is called when a pass is needed."""
        self._wake = on_change
        for phase in PHASES:
            self._watches[phase].on_change(partial(self._seen.__setitem__, phase))
        super().start(on_change)
        on_change()

    def wake(self) -> None:
        """Request a pass soon, because the endpoint has another path or CA."""
        self._wake()

    @property
    def acting(self) -> ProcessIdentity:
        """The accounts that act for catflap, as far as this process knows them."""
        return self._acting

    @property
    def is_healthy(self) -> bool:
        """Return whether every entry matches this release, or an administrator turned catflap off."""
        return self._status.is_healthy

    def sync(self, loaded: Loaded) -> float:
        """Register catflap as the policy file requires; return the seconds until the next pass.

        Raises ApiError, AuditLogUnwritable.
        """
        self._recorder.flush()
        if not all(watch.synced for watch in self._watches.values()):
            return WAITING_SECONDS
        home = read_own_namespace(
            self._api, self._own_namespace
        )  # first: in a terminating namespace without its Roles, no other read succeeds
        if not self._termination.is_due(home):
            self._acting.resolve(self._api)
            state = self._state.read()  # first: a missing configuration was deleted if this says "on"
            stored = {phase: found for phase in PHASES if (found := self._stored(phase)) is not None}
            if len(stored) < len(PHASES):  # another replica may have seen the end of the namespace before this one
                home = read_own_namespace(self._api, self._own_namespace)
        if self._termination.is_due(home):
            self._termination.unregister(home, loaded.digest)
            return WAITING_SECONDS
        noted = self._state.record_deletions(state, stored, self._seen, home, loaded.digest)
        if noted is None:
            return WAITING_SECONDS
        return self._apply(noted, stored, home, loaded)

    def _stored(self, phase: str) -> Json | None:
        """Return a stored configuration; None if it is missing, or is the empty placeholder of an uninstall."""
        found = self._watches[phase].get(WEBHOOK_CONFIGURATION) or self._api.get(path(phase))
        if found is None or is_uninstall_placeholder(found):
            return None
        # The items of a list do not name their kind.
        return {**found, "apiVersion": API_VERSION, "kind": f"{phase.capitalize()}WebhookConfiguration"}

    def _apply(self, state: RegistrationState, stored: Mapping[str, Json], home: OwnNamespace, loaded: Loaded) -> float:
        """Repair the stored configurations, create the missing ones, and publish the status."""
        missing = [phase for phase, word in state.phases.items() if phase not in stored and word in {NEVER, BEGUN}]
        off = [phase for phase, word in state.phases.items() if word == OFF]
        waiting = missing if state.wanted and self._endpoint is not None else []
        trouble, endpoint = "", None
        try:
            endpoint = self._servers.verified_endpoint(stored, urgent=bool(waiting))
        except Unreachable as bad:
            trouble = str(bad)
        endpoint = endpoint or (None if trouble else self._servers.registered_endpoint(stored))
        accounts = self._state.accounts(state, self._servers.account)
        wait, refused = FITTING_SECONDS, None
        for phase, found in stored.items():
            where = endpoint or stored_endpoint(found, self._own_namespace)
            if where is None:
                continue
            try:
                wanted = with_owner(self._desired(phase, loaded, where, accounts), found, home)
                wait = min(wait, self._repair(phase, found, wanted, loaded, trouble))
            except ApiError as error:
                if not error.refused:
                    raise
                refused = error  # raised after the other configuration and the status are done
        if waiting and endpoint is not None:
            whole = {phase: self._desired(phase, loaded, endpoint, accounts) for phase in waiting}
            trouble = self._create({phase: with_owner(one, one, home) for phase, one in whole.items()}, state, loaded)
            missing = missing if trouble else []
        self._status.update(off=off, missing=missing, waiting=waiting, trouble=trouble)
        self._state.publish(state, self._servers.account, self._status)
        if refused is not None:
            raise refused
        return min(wait, WAITING_SECONDS if waiting else OFF_SECONDS if off or missing or trouble else FITTING_SECONDS)

    def _desired(self, phase: str, loaded: Loaded, endpoint: Endpoint, accounts: Identities) -> Json:
        kind = f"{phase.capitalize()}WebhookConfiguration"
        [found] = (one for one in webhook_configurations(loaded.policy, endpoint, accounts) if one["kind"] == kind)
        ours = {RELEASE_ANNOTATION: __version__, ACCOUNTS_ANNOTATION: accounts_annotation(accounts)}
        metadata = found["metadata"]
        labels = {**metadata["labels"], **self._options.labels}
        return {
            **found,
            "metadata": {**metadata, "labels": labels, "annotations": {**self._options.annotations, **ours}},
        }

    def _create(self, missing: Mapping[str, Json], state: RegistrationState, loaded: Loaded) -> str:
        """Create all missing configurations; return the reason if that is not possible, else an empty text."""
        begun = structs.replace(state, phases={**state.phases, **dict.fromkeys(missing, BEGUN)})
        if begun.phases != state.phases and not self._state.write(begun):
            return "another replica is registering at the same time"
        for phase, wanted in missing.items():
            if self._api.create(collection(phase), wanted) is not None:
                self._recorder.record(wanted, policy_digest=loaded.digest, why=CREATED, verb="create")
        return ""

    def _repair(self, phase: str, stored: Json, wanted: Json, loaded: Loaded, trouble: str) -> float:
        """Repair a configuration that differs; return the seconds until the next pass."""
        target = merge_configuration(stored, wanted)
        if trouble:  # an address at which the API server would not find the servers must not be registered
            target = keep_client_config(target, stored)
        found = [*entry_differences(stored, target), *owner_difference(stored, target)]
        key = (loaded.digest, wanted)
        if target == stored:
            self._matched[phase] = key
            self._other_release.pop(phase, None)
            self._status.mark_matching(phase)
            return FITTING_SECONDS
        if self._is_left_to_other_release(phase, stored):
            return WAITING_SECONDS
        self._backoff[phase].reset_for(loaded.digest + token_of(wanted["webhooks"][0]))
        if left := self._backoff[phase].delay():
            self._status.report_weakened(phase, stored, found)
            return left
        try:
            written = self._write(phase, target)
        except ApiError:
            self._status.report_weakened(phase, stored, found)
            raise
        if written:
            self._backoff[phase].record_write()
            self._status.mark_matching(phase)
            if found and self._matched.get(phase) == key:
                why = self._status.report_restored(phase, stored, found)
            else:
                why = update_reason(stored, target, is_known=phase in self._matched)
            self._recorder.record(target, policy_digest=loaded.digest, why=why, verb="update")
            self._matched[phase] = key
        return FITTING_SECONDS

    def _is_left_to_other_release(self, phase: str, stored: Json) -> bool:
        """Return whether another release wrote the configuration and its controllers may still be starting or stopping."""
        release = (stored["metadata"].get("annotations") or {}).get(RELEASE_ANNOTATION, __version__)
        if release == __version__ or self._is_leader():
            return False
        return monotonic() - self._other_release.setdefault(phase, monotonic()) < OTHER_RELEASE_SECONDS

    def _write(self, phase: str, wanted: Json) -> bool:
        """Return whether the write succeeded; after a conflict, the watch delivers what another replica wrote."""
        try:
            self._api.replace(path(phase), wanted)
        except ApiError as error:
            if error.status in {CONFLICT, NOT_FOUND}:
                return False
            raise
        return True
