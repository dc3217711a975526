"""Tests the registration while catflap's own namespace terminates, and which deletions count as an administrator's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.controller.test_webhook_config_sync import BOTH, OWN, STATE, Guard
from webhook.controller.owner_references import is_orphaned, owner_difference, with_owner
from webhook.controller.registration_state import phase_state_after
from webhook.controller.registration_status import REGISTERED
from webhook.kube.api import ApiError, Json
from webhook.kube.own_namespace import OwnNamespace, read_own_namespace
from webhook.kube.registration_state import BEGUN, NEVER, OFF, ON, RegistrationState

HOME: Final = f"/api/v1/namespaces/{OWN}"
UID: Final = "11111111-0000-4000-8000-000000000000"
OTHER: Final = "22222222-0000-4000-8000-000000000000"
RIGHT: Final = {"apiVersion": "v1", "kind": "Namespace", "name": OWN, "uid": UID}


def living(guard: Guard, uid: str = UID, **metadata: Any) -> None:
    """Put catflap's own namespace into the store."""
    guard.store._put(HOME, {"metadata": {"name": OWN, "uid": uid, **metadata}})


def references(guard: Guard) -> list[list[Json]]:
    """Return the ownerReferences of the stored configurations."""
    return [guard.store.objects[path]["metadata"].get("ownerReferences", []) for path in guard.registered]


def test_both_configurations_are_owned_by_the_namespace(tmp_path: Path) -> None:
    """Without a namespace there is no owner; a namespace that is created later becomes the owner."""
    guard = Guard(tmp_path)
    guard.settle()
    assert references(guard) == [[], []]
    living(guard)
    guard.settle()
    assert references(guard) == [[RIGHT], [RIGHT]]
    assert guard.state["namespaceUid"] == UID
    written = len(guard.store.written)
    guard.settle()
    assert guard.store.written[written:] == []


def test_a_namespace_that_ends_takes_the_registration_along(tmp_path: Path) -> None:
    """The removal is recorded once, read errors in the namespace do not matter, and nothing is registered again."""
    guard = Guard(tmp_path)
    living(guard)
    guard.settle()
    living(guard, deletionTimestamp="2026-01-01T00:00:00Z")
    guard.store.refusing = lambda where: 403 * ("configmaps" in where)
    guard.settle()
    assert guard.registered == []
    assert not guard.follower.is_healthy
    text = guard.log.read_text("utf-8")
    assert text.count(f"removed: namespace {OWN} is being deleted, so catflap removes its registration") == 2
    guard.store.delete_(HOME, STATE)
    guard.store.refusing = lambda _: 0
    guard.settle()
    assert guard.registered == []
    assert "registers again when a namespace of that name exists" in guard.status.summary
    living(guard, OTHER)
    guard.settle()
    assert guard.registered == BOTH
    assert references(guard) == [[{**RIGHT, "uid": OTHER}]] * 2
    assert "was deleted: catflap does not create it" not in guard.log.read_text("utf-8")


def test_what_another_replica_removed_for_that_reason_is_no_administrators_deletion(tmp_path: Path) -> None:
    """This holds although this replica read the namespace a moment before."""
    guard = Guard(tmp_path)
    living(guard)
    guard.settle()
    reads = list[str]()

    def ends_meanwhile(path: str, **_query: str) -> Json | None:
        if path == STATE and not reads:
            reads.append(path)
            living(guard, deletionTimestamp="2026-01-01T00:00:00Z")
            guard.store.delete_(*BOTH)
        return type(guard.store).get(guard.store, path)

    guard.store.get = ends_meanwhile  # type: ignore[method-assign]
    guard.settle()
    assert guard.registered == []
    assert guard.state["validating"] == "on"


@pytest.mark.parametrize("status", [403, 500, 409])
def test_what_cannot_be_deleted_is_tried_again(tmp_path: Path, status: int) -> None:
    """With the RBAC of an older chart, the garbage collector removes them."""
    guard = Guard(tmp_path)
    living(guard)
    guard.settle()
    living(guard, deletionTimestamp="2026-01-01T00:00:00Z")
    guard.store.refusing = lambda where: status * (where in BOTH)
    if status == 409:  # another client changed it just now
        assert guard.sync() > 0
    else:
        with pytest.raises(ApiError):
            guard.sync()
    guard.store.refusing = lambda _: 0
    guard.settle()
    assert guard.registered == []


def test_a_status_that_was_deleted_is_written_again(tmp_path: Path) -> None:
    """The configuration and its state are deleted together while the namespace is active."""
    guard = Guard(tmp_path)
    guard.settle()
    for _ in range(2):
        guard.store.delete_(STATE)
        guard.settle()
        assert (guard.state["status"], guard.state["validating"]) == (REGISTERED, ON)
    guard.store.objects[STATE]["data"] = {}
    guard.settle()
    assert guard.state["status"] == REGISTERED


@pytest.mark.parametrize("word", [ON, BEGUN, NEVER])
def test_the_words_of_another_namespace_register_again(tmp_path: Path, word: str) -> None:
    """A backup restored them."""
    guard = Guard(tmp_path)
    living(guard)
    data = {"validating": word, "mutating": word, "namespaceUid": OTHER, "status": "as it was"}
    guard.store._put(STATE, {"metadata": {"name": "catflap-registration"}, "data": data})
    guard.settle()
    assert guard.registered == BOTH
    assert (guard.state["namespaceUid"], guard.state["status"]) == (UID, REGISTERED)


def test_turned_off_by_an_administrator_it_stays_off_in_a_backup(tmp_path: Path) -> None:
    """An administrator chose that state."""
    guard = Guard(tmp_path)
    living(guard)
    data = {"validating": OFF, "mutating": OFF, "namespaceUid": OTHER}
    guard.store._put(STATE, {"metadata": {"name": "catflap-registration"}, "data": data})
    guard.settle()
    assert guard.registered == []
    assert "turned off" in guard.state["status"]


@pytest.mark.parametrize("word", [ON, OFF])
def test_what_the_release_wants_again_is_registered_again_once(tmp_path: Path, word: str) -> None:
    """A later deletion by an administrator counts."""
    guard = Guard(tmp_path)
    data = {"validating": word, "mutating": word, "wanted": "on", "turnedOn": "7"}
    guard.store._put(STATE, {"metadata": {"name": "catflap-registration"}, "data": data})
    guard.settle()
    assert guard.registered == BOTH
    assert (guard.state["turnedOn"], guard.state["turnedOnHeeded"]) == ("7", "7")
    guard.store.delete_(*BOTH)
    guard.settle()
    assert guard.registered == []
    assert guard.state["validating"] == OFF


def test_what_the_garbage_collector_took_is_registered_again(tmp_path: Path) -> None:
    """It does not matter whether this process saw the wrong owner while the configuration existed, or only by the watch."""
    guard = Guard(tmp_path)
    living(guard)
    guard.settle()
    for path, phase in zip(BOTH, ("validating", "mutating"), strict=True):
        last = guard.store.objects[path]
        last["metadata"]["ownerReferences"] = [{**RIGHT, "uid": OTHER}]
        guard.follower._seen[phase] = last
    guard.store.delete_(*BOTH)
    guard.settle()
    assert references(guard) == [[RIGHT], [RIGHT]]
    assert "was deleted: catflap does not create it" not in guard.log.read_text("utf-8")


WORDS = st.sampled_from([NEVER, BEGUN, ON, OFF])


@given(
    word=WORDS,
    stored=st.booleans(),
    doomed=st.booleans(),
    wanted=st.booleans(),
    again=st.booleans(),
    elsewhere=st.booleans(),
)
def test_only_one_thing_turns_off(
    *, word: str, stored: bool, doomed: bool, wanted: bool, again: bool, elsewhere: bool
) -> None:
    """The configuration was registered here and is missing, so an administrator deleted it."""
    state = RegistrationState(
        phases={"validating": word},
        wanted=wanted,
        namespace_uid=OTHER if elsewhere else UID,
        turned_on="2" if again else "",
    )
    after = phase_state_after(state, "validating", OwnNamespace(OWN, UID), stored=stored, doomed=doomed)
    deleted = word == ON and not (stored or doomed or elsewhere)
    kept_off = word == OFF and not (stored or doomed)
    assert (after == OFF) == (wanted and not again and (deleted or kept_off))
    assert (after in {ON, BEGUN}) or not stored


REFERENCES = st.lists(
    st.fixed_dictionaries(
        {
            "apiVersion": st.sampled_from(["v1", "apps/v1"]),
            "kind": st.sampled_from(["Namespace", "Deployment"]),
            "name": st.sampled_from([OWN, "shop"]),
            "uid": st.sampled_from([UID, OTHER]),
        },
        optional={"blockOwnerDeletion": st.booleans(), "controller": st.booleans()},
    ),
    max_size=4,
)


@given(REFERENCES, st.sampled_from(["", UID]))
def test_of_all_references_to_the_own_namespace_one_stays(found: list[Json], uid: str) -> None:
    """The correct reference is set, none without a namespace. Others keep their order, and a second pass changes nothing."""
    home = OwnNamespace(OWN, uid)
    stored: Mapping[str, Any] = {"metadata": {"name": "catflap", **({"ownerReferences": found} if found else {})}}
    target = with_owner({"metadata": {"name": "catflap"}}, dict(stored), home)
    references = target["metadata"].get("ownerReferences", [])
    first = [one for number, one in enumerate(found) if one not in found[:number]]
    others = [one for one in first if (one["apiVersion"], one["kind"], one["name"]) != ("v1", "Namespace", OWN)]
    assert [one for one in references if one in others] == others
    assert [one for one in references if one not in others] == ([RIGHT] if uid else [])
    assert with_owner(target, target, home)["metadata"].get("ownerReferences", []) == references
    assert not is_orphaned(target, home)
    assert (owner_difference(dict(stored), target) == []) == (found == references)


def test_where_catflap_was_registered_before_owns_it_no_longer() -> None:
    """Catflap moved to another namespace. The configuration must not outlive this one because the old namespace exists."""
    service = {"namespace": "former", "name": "catflap"}
    metadata = {"name": "catflap", "ownerReferences": [{**RIGHT, "name": "former", "uid": OTHER}]}
    stored = {"metadata": metadata, "webhooks": [{"clientConfig": {"service": service}}]}
    target = with_owner({"metadata": {"name": "catflap"}}, stored, OwnNamespace(OWN, UID))
    assert target["metadata"]["ownerReferences"] == [RIGHT]


def test_a_namespace_is_looked_at_as_it_is(tmp_path: Path) -> None:
    """The result depends on whether the namespace exists, on its uid, and on whether it terminates."""
    guard = Guard(tmp_path)
    assert read_own_namespace(guard.store, OWN) == OwnNamespace(OWN)
    living(guard)
    assert read_own_namespace(guard.store, OWN) == OwnNamespace(OWN, UID)
    living(guard, deletionTimestamp="2026-01-01T00:00:00Z")
    assert read_own_namespace(guard.store, OWN) == OwnNamespace(OWN, UID, terminating=True)
    assert OwnNamespace(OWN).owner_references == []
