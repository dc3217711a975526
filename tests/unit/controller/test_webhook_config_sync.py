"""Tests when catflap is registered, what a deletion by an administrator means, and how repeated changes are handled."""

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
from webhook.controller.registration_status import REGISTERED, RegistrationStatus
from webhook.controller.server_probe import RequiredReplicas, Unreachable
from webhook.controller.webhook_config_sync import WebhookConfigSync
from webhook.controller.webhook_configurations import Endpoint
from webhook.controller.write_backoff import WriteBackoff
from webhook.controller.write_recorder import WriteRecorder
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
    """The stored objects, handled as by the API server, with faults on request."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.written: list[str] = []
        self.refusing: Callable[[str], int] = lambda _path: 0
        self._version = 0

    def get(self, path: str, **_query: str) -> Json | None:
        """Return the object at a path."""
        return deepcopy(self.objects.get(path))

    def create(self, path: str, body: Json) -> Json | None:
        """Store a new object, unless its name exists; the writer is the controller."""
        if path.endswith("selfsubjectreviews"):
            return {"status": {"userInfo": {"username": "system:serviceaccount:guards:catflap-controller"}}}
        where = f"{path}/{body['metadata']['name']}"
        return None if where in self.objects else self._put(where, body)

    def replace(self, path: str, body: Json) -> Json:
        """Store the object over the version that it names."""
        if path not in self.objects:
            raise ApiError(404, "not found")
        if self.objects[path]["metadata"]["resourceVersion"] != body["metadata"].get("resourceVersion"):
            raise ApiError(409, "changed")
        return self._put(path, body)

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Delete the version that was read; the uid is that of the only object with its name."""
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
        """Return the store itself."""
        return self

    def delete_(self, *paths: str) -> None:
        """Delete an object as an administrator does."""
        for path in paths:
            self.objects.pop(path, None)

    def edit(self, path: str, **fields: Any) -> None:
        """Change fields of each entry as an administrator does."""
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
    """A watch that has seen all stored objects."""

    synced = True

    def __init__(self, store: Store, collection: str) -> None:
        self._store = store
        self._collection = collection

    def get(self, key: str) -> Json | None:
        """Return an object by name; the items of a list do not name their kind."""
        found = self._store.get(f"{self._collection}/{key}")
        return found and {key: value for key, value in found.items() if key not in {"kind", "apiVersion"}}


class Guard:
    """One controller with a store."""

    def __init__(self, folder: Path, store: Store | None = None, **options: Any) -> None:
        self.store = store or Store()
        folder.mkdir(exist_ok=True)
        self.log = folder / "audit.log"
        self.trouble = ""
        self.asked = 0
        self.now = AT
        metrics = Metrics()
        self.status = RegistrationStatus(self.store, metrics=metrics, own_namespace=OWN, now=lambda: self.now)
        self.follower = WebhookConfigSync(
            self.store,
            recorder=WriteRecorder(AuditLog(str(self.log), process="controller"), lambda: self.now),
            own_namespace=OWN,
            acting=ProcessIdentity(Identities(("chart",))),
            status=self.status,
            now=lambda: self.now,
            probe=self._probe,
            **{"endpoint": lambda: ENDPOINT, **options},
        )
        self.follower._watches = {
            "validating": Seeing(self.store, VALIDATING),  # type: ignore[dict-item]
            "mutating": Seeing(self.store, MUTATING),  # type: ignore[dict-item]
        }

    def sync(self, text: str = BEFORE) -> float:
        """Make one pass under a policy file."""
        return self.follower.sync(parse(HEAD + text))

    def settle(self, text: str = BEFORE) -> None:
        """Make passes until nothing is left to do."""
        for _ in range(3):
            self.sync(text)

    @property
    def registered(self) -> list[str]:
        """Return the stored webhook configurations."""
        return [path for path in (f"{VALIDATING}/catflap", f"{MUTATING}/catflap") if path in self.store.objects]

    @property
    def state(self) -> dict[str, str]:
        """Return the stored state."""
        return dict(self.store.objects[STATE]["data"])

    def _probe(self, _api: Api, _endpoint: Endpoint, _replicas: RequiredReplicas | None) -> str:
        self.asked += 1
        if self.trouble:
            raise Unreachable(self.trouble)
        return "system:serviceaccount:guards:catflap"


BOTH: Final = [f"{VALIDATING}/catflap", f"{MUTATING}/catflap"]


def test_nothing_is_registered_before_the_servers_answer(tmp_path: Path) -> None:
    """The status shows the reason. Once the servers answer, both configurations are written whole, and the state is updated."""
    guard = Guard(tmp_path)
    guard.trouble = "the certificate is for another name"
    for _ in range(3):
        assert 0 < guard.sync() <= 2.0
    assert guard.registered == []
    assert not guard.follower.is_healthy
    assert "the certificate is for another name" in guard.state["status"]
    guard.trouble = ""
    guard.settle()
    assert guard.registered == BOTH
    assert guard.follower.is_healthy
    assert (guard.state["validating"], guard.state["mutating"], guard.state["status"]) == ("on", "on", REGISTERED)
    first = guard.store.written.index(BOTH[0])
    assert STATE in guard.store.written[:first]
    assert guard.log.read_text("utf-8").count("registered: the servers answer") == 2


def test_a_registration_stays_while_no_server_answers(tmp_path: Path) -> None:
    """The failure policies decide whether requests fail in the meantime. A controller that starts then keeps it as well."""
    guard = Guard(tmp_path)
    guard.settle()
    before = deepcopy({path: guard.store.objects[path] for path in BOTH})
    for one in (guard, Guard(tmp_path, guard.store)):
        one.trouble = "no answer"
        one.settle()
        assert {path: guard.store.objects[path] for path in BOTH} == before


@pytest.mark.parametrize("gone", [BOTH, BOTH[:1], BOTH[1:]], ids=["both", "validating", "mutating"])
def test_what_an_administrator_deleted_stays_so_until_it_is_turned_on(tmp_path: Path, gone: list[str]) -> None:
    """This holds across restarts and edits of the policy file. Turning off and on is recorded, once each."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.delete_(*gone)
    guard.settle()
    guard.settle(AFTER)
    again = Guard(tmp_path / "again", guard.store)
    again.settle()
    assert set(gone).isdisjoint(guard.registered)
    assert again.follower.is_healthy
    assert "turned off" in again.state["status"]
    assert guard.log.read_text("utf-8").count("was deleted: catflap does not create it until") == len(gone)
    guard.store.delete_(STATE)
    again.settle()
    assert guard.registered == BOTH
    assert again.log.read_text("utf-8").count("registered: the servers answer") == len(gone)


def test_one_that_an_administrator_creates_again_is_kept(tmp_path: Path) -> None:
    """The administrator applies the output of `catflap registration`, or a backup."""
    guard = Guard(tmp_path)
    guard.settle()
    kept = deepcopy(guard.store.objects[BOTH[0]])
    guard.store.delete_(BOTH[0])
    guard.settle()
    guard.store._put(BOTH[0], kept)
    guard.settle(AFTER)
    assert guard.state["validating"] == "on"
    assert "exists again" in guard.log.read_text("utf-8")


def test_a_crash_between_state_and_creation_is_no_deletion(tmp_path: Path) -> None:
    """Either configuration may be deleted."""
    for path in BOTH:
        guard = Guard(tmp_path)
        guard.store.refusing = partial(failing, path)
        with pytest.raises(ApiError):
            guard.sync()
        guard.store.refusing = lambda _: 0
        again = Guard(tmp_path, guard.store)
        again.settle()
        assert again.registered == BOTH


def failing(path: str, where: str) -> int:
    """Return 500 for one path."""
    return 500 * (where == path)


def test_without_a_place_for_its_state_nothing_is_registered(tmp_path: Path) -> None:
    """Otherwise a deletion could not be told from a first start."""
    guard = Guard(tmp_path)
    guard.store.refusing = lambda where: 403 * ("configmaps" in where)
    with pytest.raises(ApiError):
        guard.sync()
    assert guard.registered == []


def test_what_is_registered_is_kept_where_its_state_cannot_be_written(tmp_path: Path) -> None:
    """An older chart grants no such right, for example."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.delete_(STATE)
    guard.store.refusing = lambda where: 403 * ("configmaps" in where)
    guard.store.edit(BOTH[0], timeoutSeconds=1)
    with pytest.raises(ApiError):
        guard.sync(AFTER)
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["timeoutSeconds"] == 5


def test_an_installer_that_wants_none_gets_none(tmp_path: Path) -> None:
    """The earlier state does not matter, and catflap registers again once it should."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.objects[STATE]["data"]["wanted"] = "off"
    guard.store.delete_(*BOTH)
    guard.settle()
    assert guard.registered == []
    assert guard.follower.is_healthy
    guard.store.objects[STATE]["data"]["wanted"] = "on"
    guard.settle()
    assert guard.registered == BOTH


def test_the_empty_one_of_an_uninstall_is_left_alone(tmp_path: Path) -> None:
    """Helm creates it, and removes it."""
    guard = Guard(tmp_path)
    guard.settle()
    for path in BOTH:
        metadata = {"name": "catflap", "annotations": {"catflap.dev/removal": "helm"}}
        guard.store._put(path, {"metadata": metadata, "webhooks": []})
    guard.settle()
    assert [guard.store.objects[path]["webhooks"] for path in BOTH] == [[], []]


def test_an_edit_of_the_policy_file_is_followed_and_recorded(tmp_path: Path) -> None:
    """The repair is recorded once, with the change and its author."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.settle(AFTER)
    assert guard.log.read_text("utf-8").count("the policy file requires other requests") == 2
    guard.store.edit(BOTH[0], failurePolicy="Ignore")
    guard.store.objects[BOTH[0]]["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "time": "2026-01-01"}]
    guard.settle(AFTER)
    text = guard.log.read_text("utf-8")
    assert text.count("restored: validating: pods.catflap.dev: failurePolicy is 'Ignore', not 'Fail'") == 1
    assert "last written by kubectl-edit at 2026-01-01" in text
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["failurePolicy"] == "Fail"
    assert any("events.k8s.io" in path for path in guard.store.written)


def test_repeated_changes_by_others_are_shown(tmp_path: Path) -> None:
    """After ten writes, later ones are delayed increasingly, and the replica is not ready until the configuration matches."""
    guard = Guard(tmp_path)
    guard.settle()
    for _ in range(11):
        guard.store.edit(BOTH[0], failurePolicy="Ignore")
        wait = guard.sync()
    assert 0.0 < wait <= 1.0
    guard.sync()
    assert not guard.follower.is_healthy
    assert "weaker" in guard.state["status"]
    assert guard.log.read_text("utf-8").count("restored: ") == 10
    guard.store.edit(BOTH[0], failurePolicy="Fail")
    guard.store.objects[BOTH[0]]["webhooks"] = deepcopy(guard.follower._desired(
        "validating", parse(HEAD + BEFORE), ENDPOINT, guard.follower.acting.accounts
    )["webhooks"])  # fmt: skip
    guard.settle()
    assert guard.follower.is_healthy
    guard.store.edit(BOTH[0], failurePolicy="Ignore")
    guard.sync(AFTER)  # an edit is no conflict
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["failurePolicy"] == "Fail"


def test_another_endpoint_is_registered_only_once_it_answers(tmp_path: Path) -> None:
    """A token or CA was rotated: until the servers answer there, the API server uses the old address."""
    where = [ENDPOINT]
    guard = Guard(tmp_path, endpoint=lambda: where[0])
    guard.settle()
    where[0] = Endpoint(ca_bundle="TkVX", namespace=OWN, service="catflap", port=8443, token="new")
    guard.trouble = "no answer"
    guard.settle(AFTER)
    assert client_configs(guard) == {("Q0E=", "/validate"), ("Q0E=", "/mutate")}
    assert "the new endpoint is not usable" in guard.state["status"]
    guard.trouble = ""
    guard.settle(AFTER)
    assert client_configs(guard) == {("TkVX", "/validate/new"), ("TkVX", "/mutate/new")}


def client_configs(guard: Guard) -> set[tuple[str, str]]:
    """Return the CA and the path of every entry."""
    configs = [entry["clientConfig"] for path in BOTH for entry in guard.store.objects[path]["webhooks"]]
    return {(one["caBundle"], one["service"]["path"]) for one in configs}


def test_the_accounts_are_those_of_the_processes_that_run(tmp_path: Path) -> None:
    """They are the accounts of this process, of the servers, and of controllers seen within the last hour."""
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
    """Return when each account was seen."""
    seen = {user: f"{AT - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%SZ}" for user, ago in minutes_ago.items()}
    return str(seen).replace("'", '"')


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '{"a": 1}', '{"a": "yesterday"}', '{"a": "2026-01-01T00:00:00"}', '{"a": "9999-01-01T00:00:00Z"}'],
)
def test_a_state_that_cannot_be_read_grants_no_right(tmp_path: Path, text: str) -> None:
    """It stops nothing, either."""
    guard = Guard(tmp_path)
    guard.store._put(
        STATE, {"metadata": {"name": "catflap-registration"}, "data": {"accounts": text, "validating": "?"}}
    )
    guard.settle()
    assert guard.registered == BOTH
    assert '"a"' not in guard.store.objects[BOTH[0]]["metadata"]["annotations"]["catflap.dev/accounts"]


def test_registered_by_hand_it_follows_the_file_and_is_never_created(tmp_path: Path) -> None:
    """With `catflap registration | kubectl apply` and no --url or --service, the address of the servers is unknown."""
    source = Guard(tmp_path)
    source.settle()
    guard = Guard(tmp_path, endpoint=None)
    guard.settle()
    assert guard.registered == []
    assert guard.follower.is_healthy
    for path in BOTH:
        guard.store._put(path, source.store.objects[path])
    guard.settle(AFTER)
    assert {entry["clientConfig"]["caBundle"] for entry in guard.store.objects[BOTH[0]]["webhooks"]} == {"Q0E="}
    assert "logging" in str(guard.store.objects[BOTH[0]])


def test_a_registration_of_another_release_is_left_to_the_replica_that_leads(tmp_path: Path) -> None:
    """So two releases do not revert each other's writes during a rollout."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.objects[BOTH[0]]["metadata"]["annotations"]["catflap.dev/release"] = "999"
    guard.store.edit(BOTH[0], timeoutSeconds=1)
    guard.settle()
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["timeoutSeconds"] == 1
    leading = Guard(tmp_path, guard.store, is_leader=lambda: True)
    leading.settle()
    assert guard.store.objects[BOTH[0]]["webhooks"][0]["timeoutSeconds"] == 5


def test_where_another_replica_was_faster_nothing_is_recorded(tmp_path: Path) -> None:
    """The other replica wrote the same, and the watch delivers it; any other error is reported and retried."""
    guard = Guard(tmp_path)
    guard.settle()
    guard.store.refusing = lambda where: 409 * (where in BOTH)
    guard.sync(AFTER)
    assert "requires other requests" not in guard.log.read_text("utf-8")
    guard.store.refusing = lambda where: 403 * (where in BOTH)
    with pytest.raises(ApiError, match="refused"):
        guard.sync(AFTER)


def test_writes_that_are_reverted_are_delayed_increasingly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten writes are immediate, then the delays are 1, 2, 4 seconds and so on, up to a minute. Two quiet minutes reset them."""
    now = [1000.0]
    monkeypatch.setattr("webhook.controller.write_backoff.monotonic", lambda: now[0])
    patience, waited = WriteBackoff(), []
    for _ in range(20):
        waited.append(patience.delay())
        now[0] += patience.delay()
        assert patience.delay() == 0.0
        patience.record_write()
    assert waited == [0.0] * 10 + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    now[0] += 121.0
    assert patience.delay() == 0.0
