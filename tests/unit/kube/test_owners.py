"""The age of the topmost owner where the chain is broken or forged; complete chains are tested on a real API server."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from webhook.kube.api import Api, ApiError, Json
from webhook.kube.owners import MAX_OWNERS, owner_exists, owners_above
from webhook.model.workload import Owner

OWNER: Final = Owner("apps/v1", "ReplicaSet", "web-7d4b", "rs")
REPLICA_SETS: Final = "/apis/apps/v1/namespaces/shop/replicasets"
DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/shop/deployments"


def at(day: int) -> datetime:
    """Return a day of January."""
    return datetime(2026, 1, day, tzinfo=UTC)


def stored(uid: str, day: int, *owners: Json, name: str = "", namespace: str = "shop") -> Json:
    """Return an object that was created on a day of January."""
    name = name or {"rs": "web-7d4b", "deploy": "web"}.get(uid, "web")
    metadata: Json = {
        "uid": uid,
        "name": name,
        "namespace": namespace,
        "creationTimestamp": f"2026-01-{day:02}T00:00:00Z",
    }
    return {"metadata": {**metadata, **({"ownerReferences": list(owners)} if owners else {})}}


def reference(kind: str, name: str, uid: str, **more: Any) -> Json:
    """Return an entry of ownerReferences."""
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True, **more}


def top(api: Api, namespace: str, owner: Owner) -> datetime | None:
    """Return the creation time of the topmost existing owner."""
    found = list(owners_above(api, namespace, owner))
    return found[-1].created if found else None


class Objects(Api):
    """An API server with these objects, by path."""

    def __init__(self, objects: dict[str, Json | ApiError]) -> None:
        self._objects = objects
        self.asked = 0

    def get(self, path: str, **query: str) -> Json | None:
        """Return one object."""
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
    """The chain ends where the uids differ."""
    assert top(Objects(objects), "shop", OWNER) == created


def test_an_owner_of_an_unknown_kind_has_no_age() -> None:
    """There is no request."""
    api = Objects({})
    assert top(api, "shop", Owner("example.com/v1", "Rollout", "web", "x")) is None
    assert api.asked == 0


def test_a_ring_of_owners_ends() -> None:
    """Every user can write one."""
    ring = stored("rs", 3, reference("ReplicaSet", "web-7d4b", "rs"))
    api = Objects({f"{REPLICA_SETS}/web-7d4b": ring})
    assert top(api, "shop", OWNER) == at(3)
    assert api.asked == MAX_OWNERS


class Anything(Api):
    """An API server that has the same old object at every path."""

    def __init__(self, found: Json) -> None:
        self._everywhere = found
        self.paths: list[str] = []

    def get(self, path: str, **query: str) -> Json | None:
        """Return the object."""
        assert query == {}
        self.paths.append(path)
        return self._everywhere


@pytest.mark.parametrize(
    "name",
    [
        "../../older/deployments/old",
        "..",
        ".",
        "",
        "web/../old",
        "%2e%2e%2fold",
        "web/status",
        "a" * 254,
        "wéb",
        "web\n",
    ],
)
@pytest.mark.parametrize("kind", ["ReplicaSet", "Deployment"])
def test_a_name_that_leads_elsewhere_is_no_owner(name: str, kind: str) -> None:
    """There is no request, as no object has such a name."""
    api = Anything(stored("rs", 1))
    assert top(api, "shop", Owner("apps/v1", kind, name, "rs")) is None
    assert not owner_exists(api, "shop", Owner("apps/v1", kind, name, "rs"))
    assert api.paths == []


@pytest.mark.parametrize("namespace", ["", "..", "../..", "shop/pods", "shop%2f.."])
def test_a_namespace_that_leads_elsewhere_has_no_owners(namespace: str) -> None:
    """Any sender may have sent the review."""
    api = Anything(stored("rs", 1))
    assert top(api, namespace, OWNER) is None
    assert api.paths == []


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(stored("rs", 1, name="other"), id="another name"),
        pytest.param(stored("rs", 1, namespace="older"), id="another namespace"),
        pytest.param(stored("other", 1), id="another uid"),
        pytest.param(stored("RS", 1, name="web-7d4b"), id="a uid in other letters"),
    ],
)
def test_an_owner_is_the_one_that_was_named(found: Json) -> None:
    """This holds for every response at its path."""
    assert top(Anything(found), "shop", OWNER) is None
    assert not owner_exists(Anything(found), "shop", OWNER)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("apps/v1/../../../api/v1", "ReplicaSet"), ("apps/v1", "../ReplicaSet"), ("apps/v1beta1", "ReplicaSet"), ("", "")],
)
def test_a_kind_is_one_of_kubernetes_own(api_version: str, kind: str) -> None:
    """The kinds are a fixed table, whose paths contain no text of the reference."""
    api = Anything(stored("rs", 1))
    assert top(api, "shop", Owner(api_version, kind, "web-7d4b", "rs")) is None
    assert api.paths == []


def test_an_owner_above_is_checked_as_the_first_one_is() -> None:
    """A reference to another place ends the chain."""
    above = reference("Deployment", "../../older/deployments/old", "deploy")
    api = Objects({f"{REPLICA_SETS}/web-7d4b": stored("rs", 3, above)})
    assert top(api, "shop", OWNER) == at(3)
    assert api.asked == 1


def test_not_to_know_is_an_error() -> None:
    """An unknown age never counts as old."""
    with pytest.raises(ApiError, match="nobody answers"):
        top(Objects({f"{REPLICA_SETS}/web-7d4b": ApiError(0, "nobody answers")}), "shop", OWNER)
