"""The lister returns all objects, and reports what it could not list; real API servers have their own tests."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from webhook.kube.api import PAGE_SIZE, Api, ApiError, Json
from webhook.kube.listing import ListProgress, ObjectLister

DEPLOYMENTS: Final = "/apis/apps/v1/deployments"
PODS: Final = "/api/v1/pods"
CALICO: Final = "/apis/projectcalico.org/v3/networkpolicies"
STORED: Final = "/apis/crd.projectcalico.org/v1/networkpolicies"
GROUPS: Final = {f"/apis/{group}": {"preferredVersion": {"groupVersion": f"{group}/v1"}} for group in ("apps", "batch")}


def one(name: str, **metadata: Any) -> Json:
    """Return an object as in a list: without its kind."""
    return {"metadata": {"name": name, "namespace": "shop", **metadata}}


class Lists(Api):
    """An API server with these lists, of one object a page, and nothing else."""

    def __init__(self, lists: dict[str, list[Json] | ApiError]) -> None:
        self._lists = lists

    def get(self, path: str, **query: str) -> Json | None:
        """Return a group, or the only namespace."""
        assert query == {}
        namespace = one("shop", uid="1", creationTimestamp="2026-01-01T00:00:00Z")
        return {**GROUPS, "/api/v1/namespaces/shop": namespace}.get(path)

    def pages(self, path: str, *, size: int = PAGE_SIZE, **_query: str) -> Iterator[Json]:
        """Yield the pages of one list."""
        assert size == PAGE_SIZE
        found = self._lists.get(path, ApiError(404, "not found"))
        if isinstance(found, ApiError):
            raise found
        for number, item in enumerate(found, start=1):
            yield {"metadata": {"remainingItemCount": len(found) - number}, "items": [item]}


def test_objects_come_with_their_kind_and_pods_last() -> None:
    """Items of lists have no kind, and owners must come before their Pods."""
    listing = ObjectLister(Lists({PODS: [one("web-1")], DEPLOYMENTS: [one("web")]}))
    found = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in listing.objects()]
    assert found == [("apps/v1", "Deployment", "web"), ("v1", "Pod", "web-1")]
    assert listing.unlisted == []


def test_on_page_is_called_for_each_page() -> None:
    """The user sees the progress."""
    pages: list[ListProgress] = []
    listing = ObjectLister(Lists({PODS: [one("a"), one("b")]}), on_page=pages.append)
    assert len(list(listing.objects())) == 2
    assert pages == [ListProgress("pods", 1, 1), ListProgress("pods", 2, 0)]


@pytest.mark.parametrize(
    ("error", "says"),
    [(ApiError(403, "forbidden"), "the account may not list this resource"), (ApiError(503, "not now"), "not now")],
)
def test_what_cannot_be_listed_is_said_and_the_rest_is(error: ApiError, says: str) -> None:
    """The message has resource and group."""
    listing = ObjectLister(Lists({PODS: [one("a")], DEPLOYMENTS: error, "/api/v1/namespaces": error}))
    assert [each["metadata"]["name"] for each in listing.objects()] == ["a"]
    assert listing.namespaces() is None
    assert listing.unlisted == [f"deployments.apps: {says}", f"namespaces: {says}"]


@pytest.mark.parametrize("status", [0, 401])
def test_an_unreachable_api_server_raises(status: int) -> None:
    """Other kinds cause no message."""
    listing = ObjectLister(Lists({PODS: ApiError(status, "gone"), "/api/v1/namespaces": ApiError(status, "gone")}))
    with pytest.raises(ApiError, match="gone"):
        list(listing.objects())
    with pytest.raises(ApiError, match="gone"):
        listing.namespaces()


def test_some_namespaces_are_asked_one_by_one() -> None:
    """A user with access to one namespace can list it; cluster-scoped objects are skipped."""
    lists = {"/api/v1/namespaces/shop/pods": [one("a")], "/apis/projectcalico.org/v3/tiers": [one("t")]}
    listing = ObjectLister(Lists({**lists, PODS: ApiError(403, "forbidden")}), namespaces=["shop", "gone"])
    assert [each["metadata"]["name"] for each in listing.objects()] == ["a"]
    assert set(listing.namespaces() or ()) == {"shop"}
    assert listing.unlisted == ["namespace gone does not exist"]


def test_own_policies_are_not_listed() -> None:
    """Users may not create them, so all of them would be rejected."""
    ours = one(
        "catflap-default-deny",
        labels={"app.kubernetes.io/managed-by": "catflap"},
        managedFields=[{"manager": "catflap"}],
    )
    listing = ObjectLister(Lists({CALICO: [ours, one("theirs")]}))
    assert [each["metadata"]["name"] for each in listing.objects()] == ["theirs"]


@pytest.mark.parametrize(
    ("lists", "names"),
    [
        pytest.param({CALICO: [one("web")], STORED: [one("default.web")]}, ["web"], id="both"),
        pytest.param({STORED: [one("default.web")]}, ["default.web"], id="as it is stored alone"),
        pytest.param({CALICO.replace("network", "stagednetwork"): [one("web")]}, [], id="staged ones open nothing"),
    ],
)
def test_calicos_policies_are_listed_once(lists: dict[str, list[Json] | ApiError], names: list[str]) -> None:
    """Calico's API server stores its objects under other names."""
    assert [each["metadata"]["name"] for each in ObjectLister(Lists(lists)).objects()] == names
