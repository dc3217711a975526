"""Writes of a policy while another writer writes at the same time; single writers are tested on a real API server."""

from collections.abc import Callable
from typing import Final

import pytest

from webhook.config.default import DEFAULT_POLICY
from webhook.config.parse import parse
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.policies import PolicyAlteredError, WriteOutcome, ensure_policy
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import Manifest, RenderTarget
from webhook.netpol.render import render_namespace

MANIFEST: Final[Manifest] = render_namespace(
    parse(DEFAULT_POLICY).policy, RenderTarget("shop", "1", "digest"), PolicyEngine.KUBERNETES
)[0]
OPENED: Final[Json] = {
    **MANIFEST,
    "metadata": {**MANIFEST["metadata"], "resourceVersion": "7"},
    "spec": {"ingress": [{}]},
}


class Taken(Api):
    """An API server on which another writer creates the same object first; reads return the given objects in order."""

    def __init__(self, *reads: Json | None) -> None:
        self._reads = list(reads)
        self.replaced: list[Json] = []

    def get(self, path: str, **query: str) -> Json | None:
        """Return the next object."""
        assert query == {}
        assert path.endswith("/shop/networkpolicies/catflap-default-deny")
        return self._reads.pop(0)

    def create(self, path: str, body: Json) -> Json | None:
        """Report that the object exists."""
        assert (path.rpartition("/")[2], body) == ("networkpolicies", dict(MANIFEST))
        return None

    def replace(self, path: str, body: Json) -> Json:
        """Store the object."""
        assert path.endswith("/catflap-default-deny")
        self.replaced.append(body)
        return body


def test_who_comes_second_wrote_nothing() -> None:
    """Another replica was faster; there is one write and one record."""
    api = Taken(None, dict(MANIFEST))
    assert (ensure_policy(api, MANIFEST), api.replaced) == (WriteOutcome.UNCHANGED, [])


def test_what_a_stranger_slipped_in_is_replaced_whole() -> None:
    """None of its fields is merged into the policy, and the outcome is not `repaired`."""
    api = Taken(None, OPENED)
    assert ensure_policy(api, MANIFEST) is WriteOutcome.REPLACED
    assert [(one["spec"], one["metadata"]["resourceVersion"]) for one in api.replaced] == [(MANIFEST["spec"], "7")]


def test_what_came_and_went_is_a_failure() -> None:
    """The policy does not exist now, so it is not verified: the next pass creates it."""
    with pytest.raises(ApiError, match="was created and deleted"):
        ensure_policy(Taken(None, None), MANIFEST)


OWNED: Final[Json] = {
    **OPENED,
    "metadata": {
        **OPENED["metadata"],
        "managedFields": [{"manager": "catflap"}, {"manager": "kubectl"}],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "bait", "uid": "1"}],
        "finalizers": ["example.com/hold"],
        "labels": {**MANIFEST["metadata"]["labels"], "team": "a"},
    },
}


def test_a_repair_drops_owners_and_finalizers() -> None:
    """Owners and finalizers are dropped; labels of others stay."""
    api = Taken(OWNED)
    assert ensure_policy(api, MANIFEST) is WriteOutcome.REPAIRED
    [written] = api.replaced
    assert not {"ownerReferences", "finalizers"} & written["metadata"].keys()
    assert written["metadata"]["labels"]["team"] == "a"


def test_an_owner_alone_is_reason_enough() -> None:
    """The garbage collector would delete the policy with it."""
    api = Taken({**OWNED, "spec": MANIFEST["spec"]})
    assert ensure_policy(api, MANIFEST) is WriteOutcome.REPAIRED
    assert api.replaced


CHANGES: Final = {
    "the spec is opened": lambda body: {**body, "spec": {**body["spec"], "ingress": [{}]}},
    "the spec loses its direction": lambda body: {**body, "spec": {**body["spec"], "policyTypes": ["Ingress"]}},
    "the spec is gone": lambda body: {key: value for key, value in body.items() if key != "spec"},
    "the spec selects less": lambda body: {
        **body,
        "spec": {**body["spec"], "podSelector": {"matchLabels": {"a": "b"}}},
    },
    "our label is another": lambda body: labelled(body, {"app.kubernetes.io/managed-by": "other"}),
    "our labels are gone": lambda body: labelled(body, {}),
    "an owner is added": lambda body: {**body, "metadata": {**body["metadata"], "ownerReferences": [{"uid": "1"}]}},
}


def labelled(body: Json, labels: dict[str, str]) -> Json:
    """Return an object with other labels."""
    return {**body, "metadata": {**body["metadata"], "labels": labels}}


class Changed(Api):
    """An API server with an admission webhook that changes each object."""

    def __init__(self, found: Json | None, change: Callable[[Json], Json]) -> None:
        self._before, self._change = found, change

    def get(self, path: str, **query: str) -> Json | None:
        """Return the stored object."""
        assert (path.rpartition("/")[2], query) == ("catflap-default-deny", {})
        return self._before

    def create(self, _path: str, body: Json) -> Json | None:
        """Store a changed object."""
        return self._change(body)

    def replace(self, _path: str, body: Json) -> Json:
        """Store a changed object."""
        return self._change(body)


@pytest.mark.parametrize("found", [None, OPENED], ids=["created", "replaced"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_write_counts_only_where_the_answer_is_what_was_written(change: str, found: Json | None) -> None:
    """Spec and catflap's labels count; the error has the differences and the stored object."""
    with pytest.raises(
        PolicyAlteredError, match="is stored with other values than catflap wrote; differences: "
    ) as caught:
        ensure_policy(Changed(found, CHANGES[change]), MANIFEST)
    assert caught.value.found != MANIFEST


@pytest.mark.parametrize("found", [None, OPENED], ids=["created", "replaced"])
def test_what_others_add_besides_is_no_failure(found: Json | None) -> None:
    """Admission may add labels, annotations and finalizers."""

    def add(body: Json) -> Json:
        more = {"labels": {**body["metadata"]["labels"], "team": "a"}, "annotations": {"a": "b"}, "finalizers": ["a/b"]}
        return {**body, "metadata": {**body["metadata"], **more}}

    assert ensure_policy(Changed(found, add), MANIFEST) in {WriteOutcome.CREATED, WriteOutcome.REPLACED}
