"""How a manifest gets to stand where somebody else writes at the same moment; alone it is tested on a real API server."""

from typing import Final

import pytest

from webhook.config.default import DEFAULT_POLICY
from webhook.config.parse import parse
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.policies import Outcome, ensure
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import Birth, Manifest
from webhook.netpol.render import render

MANIFEST: Final[Manifest] = render(parse(DEFAULT_POLICY).policy, Birth("shop", "1", "digest"), Engine.KUBERNETES)[0]
OPENED: Final[Json] = {
    **MANIFEST,
    "metadata": {**MANIFEST["metadata"], "resourceVersion": "7"},
    "spec": {"ingress": [{}]},
}


class Taken(Api):
    """An API server on which somebody else creates the same object a moment earlier; reads answer one after another."""

    def __init__(self, *reads: Json | None) -> None:
        self._reads = list(reads)
        self.replaced: list[Json] = []

    def get(self, path: str, **query: str) -> Json | None:
        """The next answer."""
        assert query == {}
        assert path.endswith("/shop/networkpolicies/catflap-default-deny")
        return self._reads.pop(0)

    def create(self, path: str, body: Json) -> Json | None:
        """It stands already."""
        assert (path.rpartition("/")[2], body) == ("networkpolicies", dict(MANIFEST))
        return None

    def replace(self, path: str, body: Json) -> Json:
        """Take it."""
        assert path.endswith("/catflap-default-deny")
        self.replaced.append(body)
        return body


def test_who_comes_second_wrote_nothing() -> None:
    """Another replica was faster; one write, one record."""
    api = Taken(None, dict(MANIFEST))
    assert (ensure(api, MANIFEST), api.replaced) == (Outcome.UNCHANGED, [])


def test_what_a_stranger_slipped_in_is_replaced_whole() -> None:
    """Nothing of it is merged with ours."""
    api = Taken(None, OPENED)
    assert ensure(api, MANIFEST) is Outcome.REPAIRED
    assert [(one["spec"], one["metadata"]["resourceVersion"]) for one in api.replaced] == [(MANIFEST["spec"], "7")]


def test_what_came_and_went_is_a_failure() -> None:
    """It is not there now, so it is not proven: the next look creates it."""
    with pytest.raises(ApiError, match="came and went"):
        ensure(Taken(None, None), MANIFEST)
