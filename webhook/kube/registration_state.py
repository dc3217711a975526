"""Store whether catflap is registered, turned off by an administrator, or not registered yet.

The state is the ConfigMap `catflap-registration` in catflap's own namespace, or in kube-system where there is no such namespace. A
missing webhook configuration whose state is "on" was deleted by an administrator, and is not created again. Deleting the ConfigMap turns
catflap on again: without a state, the controller registers as for the first time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from webhook.kube.api import CONFLICT, NOT_FOUND, Api, ApiError, Json
from webhook.kube.namespaces import parse_time
from webhook.kube.paths import collection, under
from webhook.model.identity import Identities, identities
from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL, REGISTRATION_CONFIGMAP

# "begun" is written before a configuration is created, so a crash between the two does not count as a deletion.
NEVER, BEGUN, ON, OFF = "", "begun", "on", "off"
# The chart writes "off" here where the installer wants no registration.
WANTED: Final = "wanted"
# The chart writes the revision of the release that wants a registration again after one that wanted none.
TURNED_ON: Final = "turnedOn"
HEEDED: Final = "turnedOnHeeded"  # the last value of that key that a controller acted on
NAMESPACE_UID: Final = "namespaceUid"  # of the namespace in which the state was written
ACCOUNTS: Final = "accounts"
STATUS: Final = "status"
FORBIDDEN: Final = 403
TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
# An account is written again after half of the time after which it is removed.
KEPT: Final = timedelta(hours=1)
RENEWED: Final = KEPT / 2


class RegistrationState(Struct, frozen=True):
    """The content of the ConfigMap: a word for each phase, the time at which each account was last seen, and a sentence for users.

    `namespace_uid` is the uid of catflap's namespace at the time of the write. `turned_on` is new where it differs from `heeded`: an earlier
    release wanted no registration, so no administrator deleted what is missing.
    """

    phases: Mapping[str, str]
    accounts: Mapping[str, str] = {}
    status: str = ""
    wanted: bool = True
    namespace_uid: str = ""
    turned_on: str = ""
    heeded: str = ""

    @property
    def is_turned_on_again(self) -> bool:
        """Return whether the release wants a registration again since the last write."""
        return self.turned_on != self.heeded

    def is_restored(self, namespace_uid: str) -> bool:
        """Return whether the state was written in another namespace: a backup restored it into this one."""
        return self.namespace_uid not in {"", namespace_uid}

    def identities(self, at: datetime) -> Identities:
        """Return the accounts that were seen within KEPT."""
        return identities(user for user, seen in self.accounts.items() if at - parse_time_or_expired(seen, at) < KEPT)

    def with_seen_accounts(self, users: Identities, at: datetime) -> "RegistrationState":
        """Return the state after these accounts were seen, without accounts that were not seen within KEPT."""
        kept = {user: seen for user, seen in self.accounts.items() if at - parse_time_or_expired(seen, at) < KEPT}
        due = {
            user: f"{at:{TIME}}"
            for user in users.users
            if user not in kept or at - parse_time_or_expired(kept[user], at) > RENEWED
        }
        return msgspec.structs.replace(self, accounts={**kept, **due})


def parse_time_or_expired(text: str, otherwise: datetime) -> datetime:
    """Return a stored time; an invalid time and a future time count as expired."""
    try:
        found = parse_time(text)
    except ValueError:
        return otherwise - KEPT
    return found if found.tzinfo is not None and found <= otherwise else otherwise - KEPT


class RegistrationStateStore:
    """Reads and writes the ConfigMap; a write replaces the version that was read."""

    def __init__(self, api: Api, *, own_namespace: str) -> None:
        self._api = api
        self._places = tuple(dict.fromkeys((own_namespace, "kube-system")))
        self._found: Json | None = None
        self._place = own_namespace

    def read(self) -> RegistrationState:
        """Read the state; without a ConfigMap, nothing is registered.  Raises ApiError."""
        self._found = None
        for place in self._places:
            try:
                found = self._api.get(state_path(place))
            except ApiError as error:
                if error.status != FORBIDDEN or place == self._places[0]:
                    raise
                continue  # the chart grants no permission there, as its accounts need none
            if found is not None:
                self._found, self._place = found, place
                break
        return parse_state((self._found or {}).get("data") or {})

    def write(self, state: RegistrationState) -> bool:
        """Write the state; return False where another process wrote it since the last read.  Raises ApiError."""
        accounts = msgspec.json.encode(state.accounts).decode()
        data = {**state.phases, ACCOUNTS: accounts, STATUS: state.status}
        data |= {NAMESPACE_UID: state.namespace_uid, HEEDED: state.heeded}
        try:
            if self._found is not None:
                kept = {key: value for key, value in (self._found.get("data") or {}).items() if key not in data}
                self._found = self._api.replace(state_path(self._place), {**self._found, "data": {**kept, **data}})
                return True
        except ApiError as error:
            if error.status in {CONFLICT, NOT_FOUND}:
                return False
            raise
        return self._create(data)

    def _create(self, data: Mapping[str, str]) -> bool:
        metadata = {"name": REGISTRATION_CONFIGMAP, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
        for place in self._places:
            try:
                made = self._api.create(collection("v1", "configmaps", place), manifest)
            except ApiError as error:
                if error.status != NOT_FOUND or place == self._places[-1]:
                    raise
                continue  # there is no catflap namespace where a user runs catflap
            self._found, self._place = made, place
            return made is not None
        return False

    @property
    def manifest(self) -> Json:
        """Return a reference to the ConfigMap, for records and Events."""
        metadata = {"name": REGISTRATION_CONFIGMAP, "namespace": self._place}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def state_path(namespace: str) -> str:
    """Return the path of the ConfigMap in a namespace."""
    return under(collection("v1", "configmaps", namespace), REGISTRATION_CONFIGMAP)


def parse_state(data: Mapping[str, str]) -> RegistrationState:
    """Parse the data of the ConfigMap; an invalid value counts as missing."""
    try:
        accounts = msgspec.json.decode(data.get(ACCOUNTS) or "{}", type=dict[str, str])
    except msgspec.MsgspecError:
        accounts = {}
    words = {phase: data.get(phase, NEVER) for phase in ("validating", "mutating")}
    phases = {phase: word if word in {BEGUN, ON, OFF} else NEVER for phase, word in words.items()}
    return RegistrationState(
        phases=phases,
        accounts=accounts,
        status=data.get(STATUS, ""),
        wanted=data.get(WANTED, "on") != "off",
        namespace_uid=data.get(NAMESPACE_UID, ""),
        turned_on=data.get(TURNED_ON, ""),
        heeded=data.get(HEEDED, ""),
    )


def turn_on(api: Api, *, own_namespace: str) -> str:
    """Delete the ConfigMap, so that catflap registers as for the first time; return its namespace and name, or nothing if there was none.

    Raises ApiError.
    """
    for place in dict.fromkeys((own_namespace, "kube-system")):
        found = api.get(state_path(place))
        metadata = (found or {}).get("metadata") or {}
        if found and api.delete(state_path(place), uid=metadata["uid"], version=metadata["resourceVersion"]):
            return f"{place}/{REGISTRATION_CONFIGMAP}"
    return ""
