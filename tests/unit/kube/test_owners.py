"""How old the topmost owner is, where the chain is broken or forged; whole chains are tested on a real API server."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from webhook.kube.api import Api, ApiError, Json
from webhook.kube.owners import top_owner_created
from webhook.model.workload import Owner

OWNER: Final = Owner("apps/v1", "ReplicaSet", "web-7d4b", "rs")
REPLICA_SETS: Final = "/apis/apps/v1/namespaces/shop/replicasets"
DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/shop/deployments"


def at(day: int) -> datetime:
    """A day of January."""
    return datetime(2026, 1, day, tzinfo=UTC)


def stored(uid: str, day: int, *owners: Json) -> Json:
    """An object that was made on a day of January."""
    metadata: Json = {"uid": uid, "creationTimestamp": f"2026-01-{day:02}T00:00:00Z"}
    return {"metadata": {**metadata, **({"ownerReferences": list(owners)} if owners else {})}}


def reference(kind: str, name: str, uid: str, **more: Any) -> Json:
    """An entry of ownerReferences."""
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True, **more}


class Objects(Api):
    """An API server that holds these objects, by path."""

    def __init__(self, objects: dict[str, Json | ApiError]) -> None:
        self._objects = objects
        self.asked = 0

    def get(self, path: str, **query: str) -> Json | None:
        """One of them."""
        assert query == {}
        self.asked += 1
        found = self._objects.get(path)
        if isinstance(found, ApiError):
            raise found
        return found


@pytest.mark.parametrize(
    ("objects", "created"),
    [
        pytest.param({}, None, id="the owner is not there"),
        pytest.param({f"{REPLICA_SETS}/web-7d4b": stored("other", 1)}, None, id="another object of its name"),
        pytest.param({f"{REPLICA_SETS}/web-7d4b": stored("rs", 3)}, at(3), id="an owner without an owner"),
        pytest.param(
            {
                f"{REPLICA_SETS}/web-7d4b": stored("rs", 3, reference("Deployment", "web", "deploy")),
                f"{DEPLOYMENTS}/web": stored("deploy", 1),
            },
            at(1),
            id="the owner's owner counts",
        ),
        pytest.param(
            {
                f"{REPLICA_SETS}/web-7d4b": stored("rs", 3, reference("Deployment", "web", "deploy")),
                f"{DEPLOYMENTS}/web": stored("other", 1),
            },
            at(3),
            id="an owner's owner of another uid counts for nothing",
        ),
        pytest.param(
            {f"{REPLICA_SETS}/web-7d4b": stored("rs", 3, reference("Deployment", "web", "deploy"))},
            at(3),
            id="nor does one that is not there",
        ),
        pytest.param(
            {
                f"{REPLICA_SETS}/web-7d4b": stored("rs", 3, reference("Deployment", "web", "deploy", controller=False)),
                f"{DEPLOYMENTS}/web": stored("deploy", 1),
            },
            at(3),
            id="nor one that is not the controller",
        ),
        pytest.param(
            {
                f"{REPLICA_SETS}/web-7d4b": stored(
                    "rs", 3, reference("Rollout", "web", "x", apiVersion="example.com/v1")
                )
            },
            at(3),
            id="nor one of a kind that is not Kubernetes' own",
        ),
    ],
)
def test_an_age_is_believed_step_by_step(objects: dict[str, Json | ApiError], created: datetime | None) -> None:
    """Only as far as the uids agree."""
    assert top_owner_created(Objects(objects), "shop", OWNER) == created


def test_an_owner_of_an_unknown_kind_has_no_age() -> None:
    """Nobody is asked."""
    api = Objects({})
    assert top_owner_created(api, "shop", Owner("example.com/v1", "Rollout", "web", "x")) is None
    assert api.asked == 0


def test_a_ring_of_owners_ends() -> None:
    """Anyone can write one."""
    ring = stored("rs", 3, reference("ReplicaSet", "web-7d4b", "rs"))
    api = Objects({f"{REPLICA_SETS}/web-7d4b": ring})
    assert top_owner_created(api, "shop", OWNER) == at(3)
    assert api.asked <= 5


def test_not_to_know_is_an_error() -> None:
    """Doubt is never taken for old."""
    with pytest.raises(ApiError, match="nobody answers"):
        top_owner_created(Objects({f"{REPLICA_SETS}/web-7d4b": ApiError(0, "nobody answers")}), "shop", OWNER)
