"""The engine is chosen correctly while Calico's API fails; the rest is tested on a real API server."""

import pytest

from webhook.kube.api import Api, ApiError, Json
from webhook.kube.discovery import calico_resources, choose_engine
from webhook.netpol.intent import PolicyEngine


class Calico(Api):
    """An API server with one answer about projectcalico.org/v3."""

    def __init__(self, answer: Json | ApiError | None) -> None:
        self._answer = answer

    def get(self, path: str, **query: str) -> Json | None:
        """Return the answer."""
        assert (path, query) == ("/apis/projectcalico.org/v3", {})
        if isinstance(self._answer, ApiError):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "engine"),
    [
        pytest.param(None, PolicyEngine.KUBERNETES, id="not served"),
        pytest.param({"resources": [{"name": "networkpolicies"}]}, PolicyEngine.CALICO, id="served"),
        pytest.param({"resources": [{"name": "ippools"}]}, PolicyEngine.KUBERNETES, id="served without policies"),
        pytest.param({}, PolicyEngine.KUBERNETES, id="served with nothing"),
        pytest.param(ApiError(503, "x"), PolicyEngine.KUBERNETES, id="listed but not available: the floor holds"),
    ],
)
def test_auto_is_what_is_served(answer: Json | ApiError | None, engine: PolicyEngine) -> None:
    """Every engine enforces plain policies."""
    assert choose_engine("auto", calico_resources(Calico(answer))) is engine


def test_no_answer_at_all_is_not_no() -> None:
    """Catflap never writes for a guessed engine."""
    with pytest.raises(ApiError):
        calico_resources(Calico(ApiError(0, "nobody answers")))


@pytest.mark.parametrize("engine", PolicyEngine)
@pytest.mark.parametrize("calico", [{"networkpolicies"}, set()], ids=["served", "not served"])
def test_a_named_engine_is_taken(engine: PolicyEngine, calico: set[str]) -> None:
    """This does not depend on the served APIs."""
    assert choose_engine(str(engine), frozenset(calico)) is engine
