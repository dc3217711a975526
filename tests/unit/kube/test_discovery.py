"""Which engine is written for while the cluster does not tell clearly; the rest is tested on a real API server."""

import pytest

from webhook.kube.api import Api, ApiError, Json
from webhook.kube.discovery import calico_resources, choose_engine
from webhook.netpol.intent import Engine


class Calico(Api):
    """An API server with only this to say about projectcalico.org/v3."""

    def __init__(self, answer: Json | ApiError | None) -> None:
        self._answer = answer

    def get(self, path: str, **query: str) -> Json | None:
        """What it has to say."""
        assert (path, query) == ("/apis/projectcalico.org/v3", {})
        if isinstance(self._answer, ApiError):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "engine"),
    [
        pytest.param(None, Engine.KUBERNETES, id="not served"),
        pytest.param({"resources": [{"name": "networkpolicies"}]}, Engine.CALICO, id="served"),
        pytest.param({"resources": [{"name": "ippools"}]}, Engine.KUBERNETES, id="served without policies"),
        pytest.param({}, Engine.KUBERNETES, id="served with nothing"),
        pytest.param(ApiError(503, "x"), Engine.KUBERNETES, id="listed but not available: the floor holds"),
    ],
)
def test_auto_is_what_is_served(answer: Json | ApiError | None, engine: Engine) -> None:
    """Plain policies hold on every engine."""
    assert choose_engine("auto", calico_resources(Calico(answer))) is engine


def test_no_answer_at_all_is_not_no() -> None:
    """Nothing is written for an engine that was guessed."""
    with pytest.raises(ApiError):
        calico_resources(Calico(ApiError(0, "nobody answers")))


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize("calico", [{"networkpolicies"}, set()], ids=["served", "not served"])
def test_a_named_engine_is_taken(engine: Engine, calico: set[str]) -> None:
    """Whatever is served."""
    assert choose_engine(str(engine), frozenset(calico)) is engine
