"""When catflap is registered, what an administrator's deletion means, and what is done where somebody keeps changing it."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.config.parse import parse
from webhook.controller.drift import REGISTERED, Drift
from webhook.controller.following import Registered
from webhook.controller.patience import Patience
from webhook.controller.reaching import Replicas, Unreachable
from webhook.controller.recording import Recording
from webhook.controller.registration import Endpoint
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.identity import ProcessIdentity
from webhook.metrics import Metrics
from webhook.model.identity import Identities

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
OWN: Final = "guards"
ENDPOINT: Final = Endpoint(ca_bundle="Q0E=", namespace=OWN, service="catflap", port=8443)
GROUP: Final = "/apis/admissionregistration.k8s.io/v1"
VALIDATING, MUTATING = (f"{GROUP}/{phase}webhookconfigurations" for phase in ("validating", "mutating"))
STATE: Final = f"/api/v1/namespaces/{OWN}/configmaps/catflap-registration"
BEFORE: Final = "namespaces: {exempt: [monitoring]}"
AFTER: Final = "namespaces: {exempt: [logging], environment: {oneOf: [production, test]}}"


class Store(Api):
    """What the follower writes, kept as the API server keeps it, with a fault where a test wants one."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.written: list[str] = []
        self.refusing: Callable[[str], int] = lambda _path: 0
        self._version = 0

    def get(self, path: str, **_query: str) -> Json | None:
        """The object at a path."""
        return deepcopy(self.objects.get(path))

    def create(self, path: str, body: Json) -> Json | None:
        """Store it, unless one of its name is stored; who asks is the controller."""
        if path.endswith("selfsubjectreviews"):
            return {"status": {"userInfo": {"username": "system:serviceaccount:guards:catflap-controller"}}}
        where = f"{path}/{body['metadata']['name']}"
        return None if where in self.objects else self._put(where, body)

    def replace(self, path: str, body: Json) -> Json:
        """Store it over the version that it names."""
        if path not in self.objects:
            raise ApiError(404, "not found")
        if self.objects[path]["metadata"]["resourceVersion"] != body["metadata"].get("resourceVersion"):
            raise ApiError(409, "changed")
        return self._put(path, body)

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Delete the version that was seen; the uid is that of the only object of its name."""
        if status := self.refusing(path):
            raise ApiError(status, f"refused: {path}")
        if path not in self.objects:
            return False
        if self.objects[path]["metadata"]["resourceVersion"] != version:
            raise ApiError(409, "changed")
        assert self.objects[path]["metadata"]["uid"] == uid
        del self.objects[path]
        return True

    def with_long_timeout(self) -> "Store":
        """Itself."""
        return self

    def delete_(self, *paths: str) -> None:
        """As an administrator does."""
        for path in paths:
            self.objects.pop(path, None)

    def edit(self, path: str, **fields: Any) -> None:
        """Change fields of each entry, as an administrator does."""
        for entry in self.objects[path]["webhooks"]:
            entry.update(fields)
        self._put(path, self.objects[path])

    def _put(self, path: str, body: Json) -> Json:
        if status := self.refusing(path):
            raise ApiError(status, f"refused: {path}")
        self._version += 1
        metadata = {"uid": f"uid-{self._version}", **body["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = deepcopy({**body, "metadata": metadata})
        self.written.append(path)
        return deepcopy(self.objects[path])


class Seeing:
    """A watch that has seen all that is stored."""

    synced = True

    def __init__(self, store: Store, collection: str) -> None:
        self._store = store
        self._collection = collection

    def get(self, key: str) -> Json | None:
        """The object of a name; the items of a list do not name their kind."""
        found = self._store.get(f"{self._collection}/{key}")
        return found and {key: value for key, value in found.items() if key not in {"kind", "apiVersion"}}


class Guard:
    """One controller over a store."""

    def __init__(self, folder: Path, store: Store | None = None, **options: Any) -> None:
        self.store = store or Store()
        folder.mkdir(exist_ok=True)
        self.log = folder / "audit.log"
        self.trouble = ""
        self.asked = 0
        self.now = AT
        metrics = Metrics()
        self.drift = Drift(self.store, metrics=metrics, own_namespace=OWN, now=lambda: self.now)
        self.follower = Registered(
            self.store,
            recording=Recording(AuditLog(str(self.log), process="controller"), lambda: self.now),
            own_namespace=OWN,
            acting=ProcessIdentity(Identities(("chart",))),
            drift=self.drift,
            now=lambda: self.now,
            reach=self._reach,
            **{"endpoint": lambda: ENDPOINT, **options},
        )
        self.follower._watches = {
            "validating": Seeing(self.store, VALIDATING),  # type: ignore[dict-item]
            "mutating": Seeing(self.store, MUTATING),  # type: ignore[dict-item]
        }

    def follow(self, text: str = BEFORE) -> float:
        """One pass under a policy file."""
        return self.follower.follow(parse(HEAD + text))

    def settle(self, text: str = BEFORE) -> None:
        """Pass after pass until nothing is left to do."""
        for _ in range(3):
            self.follow(text)

    @property
    def registered(self) -> list[str]:
        """What is stored of the two configurations."""
        return [path for path in (f"{VALIDATING}/catflap", f"{MUTATING}/catflap") if path in self.store.objects]

    @property
    def state(self) -> dict[str, str]:
        """What the object says."""
        return dict(self.store.objects[STATE]["data"])

    def _reach(self, _api: Api, _endpoint: Endpoint, _replicas: Replicas | None) -> str:
        self.asked += 1
        if self.trouble:
            raise Unreachable(self.trouble)
        return "system:serviceaccount:guards:catflap"


BOTH: Final = [f"{VALIDATING}/catflap", f"{MUTATING}/catflap"]


def test_nothing_is_registered_before_the_servers_answer(tmp_path: Path) -> None:
    """Why is shown; once they answer both are written, whole; the state says so before and after."""
    guard = Guard(tmp_path)
    guard.trouble = "the certificate is for another name"
    for _ in range(3):
        assert 0 < guard.follow() <= 2.0
    assert guard.registered == []
    assert not guard.follower.sound
    assert "the certificate is for another name" in guard.state["status"]
    guard.trouble = ""
    guard.settle()
    assert guard.registered == BOTH
    assert guard.follower.sound
    assert (guard.state["validating"], guard.state["mutating"], guard.state["status"]) == ("on", "on", REGISTERED)
    first = guard.store.written.index(BOTH[0])
    assert STATE in guard.store.written[:first]
    assert guard.log.read_text("utf-8").count("registered: the servers answer") == 2


def test_a_registration_stays_while_no_server_answers(tmp_path: Path) -> None:
    """Whether requests fail meanwhile is for the failure policies; a controller that starts then keeps it, too."""
    guard = Guard(tmp_path)
    guard.settle()
    before = deepcopy({path: guard.store.objects[path] for path in BOTH})
    for one in (guard, Guard(tmp_path, guard.store)):
        one.trouble = "no answer"
        one.settle()
        assert {path: guard.store.objects[path] for path in BOTH} == before


@pytest.mark.parametrize("gone", [BOTH, BOTH[:1], BOTH[1:]], ids=["both", "validating", "mutating"])
def test_what_an_administrator_deleted_stays_so_until_it_is_turned_on(tmp_path: Path, gone: list[str]) -> None:
    """Across restarts and edits of the policy file; that it was turned off and on is on record, once each."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.delete_(*gone)
    guard.settle()
    guard.settle(AFTER)
    again = Guard(tmp_path / "again", guard.store)
    again.settle()
    assert set(gone).isdisjoint(guard.registered)
    assert again.follower.sound
    assert "turned off" in again.state["status"]
    assert guard.log.read_text("utf-8").count("was deleted: it stays so until") == len(gone)
    guard.store.delete_(STATE)
    again.settle()
    assert guard.registered == BOTH
    assert again.log.read_text("utf-8").count("registered: the servers answer") == len(gone)


def test_one_that_an_administrator_creates_again_is_kept(tmp_path: Path) -> None:
    """By applying what `catflap registration` prints, or a backup."""
    guard = Guard(tmp_path)
    guard.settle()
    kept = deepcopy(guard.store.objects[BOTH[0]])
    guard.store.delete_(BOTH[0])
    guard.settle()
    guard.store._put(BOTH[0], kept)
    guard.settle(AFTER)
    assert guard.state["validating"] == "on"
    assert "is back" in guard.log.read_text("utf-8")


def test_a_crash_between_state_and_creation_is_no_deletion(tmp_path: Path) -> None:
    """Of either configuration."""
    for path in BOTH:
        guard = Guard(tmp_path)
        guard.store.refusing = partial(failing, path)
        with pytest.raises(ApiError):
            guard.follow()
        guard.store.refusing = lambda _: 0
        again = Guard(tmp_path, guard.store)
        again.settle()
        assert again.registered == BOTH


def failing(path: str, where: str) -> int:
    """500 for one path."""
    return 500 * (where == path)


def test_without_a_place_for_its_state_nothing_is_registered(tmp_path: Path) -> None:
    """For a deletion could not be told from a first start."""
    guard = Guard(tmp_path)
    guard.store.refusing = lambda where: 403 * ("configmaps" in where)
    with pytest.raises(ApiError):
        guard.follow()
    assert guard.registered == []


def test_what_is_registered_is_kept_where_its_state_cannot_be_written(tmp_path: Path) -> None:
    """By an older chart, for one."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.delete_(STATE)
    guard.store.refusing = lambda where: 403 * ("configmaps" in where)
    guard.store.edit(BOTH[0], timeoutSeconds=1)
    with pytest.raises(ApiError):
        guard.follow(AFTER)
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["timeoutSeconds"] == 5


def test_an_installer_that_wants_none_gets_none(tmp_path: Path) -> None:
    """Whatever was before; and once it is wanted again it comes."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.objects[STATE]["data"]["wanted"] = "off"
    guard.store.delete_(*BOTH)
    guard.settle()
    assert guard.registered == []
    assert guard.follower.sound
    guard.store.objects[STATE]["data"]["wanted"] = "on"
    guard.settle()
    assert guard.registered == BOTH


def test_the_empty_one_of_an_uninstall_is_left_alone(tmp_path: Path) -> None:
    """Helm puts it there, and takes it away."""
    guard = Guard(tmp_path)
    guard.settle()
    for path in BOTH:
        metadata = {"name": "catflap", "annotations": {"catflap.dev/removal": "helm"}}
        guard.store._put(path, {"metadata": metadata, "webhooks": []})
    guard.settle()
    assert [guard.store.objects[path]["webhooks"] for path in BOTH] == [[], []]


def test_an_edit_of_the_policy_file_is_followed_and_recorded(tmp_path: Path) -> None:
    """Once; what others changed is put back, with what that was and who did it."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.settle(AFTER)
    assert guard.log.read_text("utf-8").count("the policy file asks for other requests") == 2
    guard.store.edit(BOTH[0], failurePolicy="Ignore")
    guard.store.objects[BOTH[0]]["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "time": "2026-01-01"}]
    guard.settle(AFTER)
    text = guard.log.read_text("utf-8")
    assert text.count("put back: validating: pods.catflap.dev: failurePolicy is 'Ignore', not 'Fail'") == 1
    assert "last written by kubectl-edit at 2026-01-01" in text
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["failurePolicy"] == "Fail"
    assert any("events.k8s.io" in path for path in guard.store.written)


def test_where_somebody_keeps_changing_it_that_is_shown(tmp_path: Path) -> None:
    """After ten writes it is written ever later, and the replica is not ready until it fits."""
    guard = Guard(tmp_path)
    guard.settle()
    for _ in range(11):
        guard.store.edit(BOTH[0], failurePolicy="Ignore")
        wait = guard.follow()
    assert 0.0 < wait <= 1.0
    guard.follow()
    assert not guard.follower.sound
    assert "weaker" in guard.state["status"]
    assert guard.log.read_text("utf-8").count("put back") == 10
    guard.store.edit(BOTH[0], failurePolicy="Fail")
    guard.store.objects[BOTH[0]]["webhooks"] = deepcopy(guard.follower._wanted(
        "validating", parse(HEAD + BEFORE), ENDPOINT, guard.follower.acting.accounts
    )["webhooks"])  # fmt: skip
    guard.settle()
    assert guard.follower.sound
    guard.store.edit(BOTH[0], failurePolicy="Ignore")
    guard.follow(AFTER)  # an edit is no quarrel
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["failurePolicy"] == "Fail"


def test_another_endpoint_is_registered_only_once_it_answers(tmp_path: Path) -> None:
    """A rotated token or CA: until then the API server goes on where it was answered."""
    where = [ENDPOINT]
    guard = Guard(tmp_path, endpoint=lambda: where[0])
    guard.settle()
    where[0] = Endpoint(ca_bundle="TkVX", namespace=OWN, service="catflap", port=8443, token="new")
    guard.trouble = "no answer"
    guard.settle(AFTER)
    assert client_configs(guard) == {("Q0E=", "/validate"), ("Q0E=", "/mutate")}
    assert "not where it should be" in guard.state["status"]
    guard.trouble = ""
    guard.settle(AFTER)
    assert client_configs(guard) == {("TkVX", "/validate/new"), ("TkVX", "/mutate/new")}


def client_configs(guard: Guard) -> set[tuple[str, str]]:
    """The CA and the path of every entry."""
    configs = [entry["clientConfig"] for path in BOTH for entry in guard.store.objects[path]["webhooks"]]
    return {(one["caBundle"], one["service"]["path"]) for one in configs}


def test_the_accounts_are_those_of_the_processes_that_run(tmp_path: Path) -> None:
    """This one's, the servers', other controllers' of the last hour; no more than these."""
    guard = Guard(tmp_path)
    state = {"metadata": {"name": "catflap-registration"}, "data": {"accounts": accounts({"other": 10, "gone": 70})}}
    guard.store._put(STATE, state)
    guard.settle()
    expected = '["other","system:serviceaccount:guards:catflap","system:serviceaccount:guards:catflap-controller"]'
    assert guard.store.objects[BOTH[0]]["metadata"]["annotations"]["catflap.dev/accounts"] == expected
    assert "gone" not in guard.state["accounts"]
    guard.now = AT + timedelta(minutes=55)
    guard.settle()
    assert "other" not in guard.store.objects[BOTH[0]]["metadata"]["annotations"]["catflap.dev/accounts"]


def accounts(minutes_ago: dict[str, int]) -> str:
    """When each account was seen."""
    seen = {user: f"{AT - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%SZ}" for user, ago in minutes_ago.items()}
    return str(seen).replace("'", '"')


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '{"a": 1}', '{"a": "yesterday"}', '{"a": "2026-01-01T00:00:00"}', '{"a": "9999-01-01T00:00:00Z"}'],
)
def test_a_state_that_cannot_be_read_gives_nobody_a_right(tmp_path: Path, text: str) -> None:
    """Nor does it stop anything."""
    guard = Guard(tmp_path)
    guard.store._put(
        STATE, {"metadata": {"name": "catflap-registration"}, "data": {"accounts": text, "validating": "?"}}
    )
    guard.settle()
    assert guard.registered == BOTH
    assert '"a"' not in guard.store.objects[BOTH[0]]["metadata"]["annotations"]["catflap.dev/accounts"]


def test_registered_by_hand_it_follows_the_file_and_is_never_created(tmp_path: Path) -> None:
    """As with `catflap registration | kubectl apply`: without --url or --service nobody says where the servers are."""
    source = Guard(tmp_path)
    source.settle()
    guard = Guard(tmp_path, endpoint=None)
    guard.settle()
    assert guard.registered == []
    assert guard.follower.sound
    for path in BOTH:
        guard.store._put(path, source.store.objects[path])
    guard.settle(AFTER)
    assert {entry["clientConfig"]["caBundle"] for entry in guard.store.objects[BOTH[0]]["webhooks"]} == {"Q0E="}
    assert "logging" in str(guard.store.objects[BOTH[0]])


def test_a_registration_of_another_release_is_left_to_the_replica_that_leads(tmp_path: Path) -> None:
    """So that two releases do not undo each other's writes while one is rolled out."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.objects[BOTH[0]]["metadata"]["annotations"]["catflap.dev/release"] = "999"
    guard.store.edit(BOTH[0], timeoutSeconds=1)
    guard.settle()
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["timeoutSeconds"] == 1
    leading = Guard(tmp_path, guard.store, leads=lambda: True)
    leading.settle()
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["timeoutSeconds"] == 5


def test_where_another_replica_was_faster_nothing_is_recorded(tmp_path: Path) -> None:
    """It wrote the same, and the watch brings it; any other trouble is told and tried again."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.refusing = lambda where: 409 * (where in BOTH)
    guard.follow(AFTER)
    assert "asks for other requests" not in guard.log.read_text("utf-8")
    guard.store.refusing = lambda where: 403 * (where in BOTH)
    with pytest.raises(ApiError, match="refused"):
        guard.follow(AFTER)


def test_who_is_undone_again_and_again_writes_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times at once, then after 1, 2, 4 seconds and so on, at most after a minute; two quiet minutes forget it."""
    now = [1000.0]
    monkeypatch.setattr("webhook.controller.patience.monotonic", lambda: now[0])
    patience, waited = Patience(), []
    for _ in range(20):
        waited.append(patience.left())
        now[0] += patience.left()
        assert patience.left() == 0.0
        patience.used()
    assert waited == [0.0] * 10 + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    now[0] += 121.0
    assert patience.left() == 0.0
