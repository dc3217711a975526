"""Whether catflap is registered, turned off by an administrator, or not registered yet: a small object that outlives every process.

It is the ConfigMap `catflap-registration` in catflap's own namespace, or in kube-system where there is no such namespace. A webhook
configuration that is gone although this object says "on" was deleted by somebody, and stays so. Deleting this object turns
catflap on again: nothing is known then, as before the first registration.
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

# "begun" is written before a configuration is created, so that a crash between the two is not taken for a deletion.
NEVER, BEGUN, ON, OFF = "", "begun", "on", "off"
WANTED: Final = "wanted"  # "off" where the installer wants no registration; the chart writes it
TURNED_ON: Final = (
    "turnedOn"  # the revision of the release that wants it again after one that wanted none; the chart writes it
)
HEEDED: Final = "turnedOnHeeded"  # the last value of that key that a controller acted on
NAMESPACE_UID: Final = "namespaceUid"  # of the namespace in which the words were written
ACCOUNTS: Final = "accounts"
STATUS: Final = "status"
FORBIDDEN: Final = 403
TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
# An account is written down again at half of the time after which it is forgotten.
KEPT: Final = timedelta(hours=1)
RENEWED: Final = KEPT / 2


class State(Struct, frozen=True):
    """What the object says: a word for each phase, when each account was last seen, and a sentence for people.

    `namespace_uid` is that of catflap's namespace when the words were written. `turned_on` is new where it is not `heeded`: the release
    wanted no registration for a while, and what is missing was not deleted by an administrator.
    """

    phases: Mapping[str, str]
    accounts: Mapping[str, str] = {}
    status: str = ""
    wanted: bool = True
    namespace_uid: str = ""
    turned_on: str = ""
    heeded: str = ""

    @property
    def restarted(self) -> bool:
        """Whether the release wants a registration again since the words were written."""
        return self.turned_on != self.heeded

    def restored(self, namespace_uid: str) -> bool:
        """Whether the words were written in another namespace: a backup brought them into this one."""
        return self.namespace_uid not in {"", namespace_uid}

    def identities(self, at: datetime) -> Identities:
        """The accounts that were seen lately."""
        return identities(user for user, seen in self.accounts.items() if at - moment(seen, at) < KEPT)

    def saw(self, users: Identities, at: datetime) -> "State":
        """The same after these accounts were seen, without those that were not for long."""
        kept = {user: seen for user, seen in self.accounts.items() if at - moment(seen, at) < KEPT}
        due = {
            user: f"{at:{TIME}}" for user in users.users if user not in kept or at - moment(kept[user], at) > RENEWED
        }
        return msgspec.structs.replace(self, accounts={**kept, **due})


def moment(text: str, otherwise: datetime) -> datetime:
    """A time as it is written down; a time that cannot be read, or that is yet to come, counts as forgotten long ago."""
    try:
        found = parse_time(text)
    except ValueError:
        return otherwise - KEPT
    return found if found.tzinfo is not None and found <= otherwise else otherwise - KEPT


class Switch:
    """Reads and writes the object, over the version that was read."""

    def __init__(self, api: Api, *, own_namespace: str) -> None:
        self._api = api
        self._places = tuple(dict.fromkeys((own_namespace, "kube-system")))
        self._found: Json | None = None
        self._place = own_namespace

    def read(self) -> State:
        """What the object says now; of one that is not there, that nothing is registered.  Raises ApiError."""
        self._found = None
        for place in self._places:
            try:
                found = self._api.get(path(place))
            except ApiError as error:
                if error.status != FORBIDDEN or place == self._places[0]:
                    raise
                continue  # the chart's accounts have no right there, as they need none
            if found is not None:
                self._found, self._place = found, place
                break
        return state_of((self._found or {}).get("data") or {})

    def write(self, state: State) -> bool:
        """Whether it was written; not where somebody else wrote it since it was read.  Raises ApiError."""
        accounts = msgspec.json.encode(state.accounts).decode()
        data = {**state.phases, ACCOUNTS: accounts, STATUS: state.status}
        data |= {NAMESPACE_UID: state.namespace_uid, HEEDED: state.heeded}
        try:
            if self._found is not None:
                kept = {key: value for key, value in (self._found.get("data") or {}).items() if key not in data}
                self._found = self._api.replace(path(self._place), {**self._found, "data": {**kept, **data}})
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
                continue  # there is no namespace of our own where a person runs catflap
            self._found, self._place = made, place
            return made is not None
        return False

    @property
    def manifest(self) -> Json:
        """The object by reference, for records and Events."""
        metadata = {"name": REGISTRATION_CONFIGMAP, "namespace": self._place}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def path(namespace: str) -> str:
    """The object's path in a namespace."""
    return under(collection("v1", "configmaps", namespace), REGISTRATION_CONFIGMAP)


def state_of(data: Mapping[str, str]) -> State:
    """What the object's data says; what cannot be read counts as not there."""
    try:
        accounts = msgspec.json.decode(data.get(ACCOUNTS) or "{}", type=dict[str, str])
    except msgspec.MsgspecError:
        accounts = {}
    words = {phase: data.get(phase, NEVER) for phase in ("validating", "mutating")}
    phases = {phase: word if word in {BEGUN, ON, OFF} else NEVER for phase, word in words.items()}
    return State(
        phases=phases,
        accounts=accounts,
        status=data.get(STATUS, ""),
        wanted=data.get(WANTED, "on") != "off",
        namespace_uid=data.get(NAMESPACE_UID, ""),
        turned_on=data.get(TURNED_ON, ""),
        heeded=data.get(HEEDED, ""),
    )


def turn_on(api: Api, *, own_namespace: str) -> str:
    """Delete the object, so that catflap is registered as for the first time; where it was, empty where it was nowhere.

    Raises ApiError.
    """
    for place in dict.fromkeys((own_namespace, "kube-system")):
        found = api.get(path(place))
        metadata = (found or {}).get("metadata") or {}
        if found and api.delete(path(place), uid=metadata["uid"], version=metadata["resourceVersion"]):
            return f"{place}/{REGISTRATION_CONFIGMAP}"
    return ""
