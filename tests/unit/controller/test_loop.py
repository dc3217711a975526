"""What the controller keeps of a namespace, and what it forgets with it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from webhook.audit.log import AuditLog
from webhook.config.store import PolicyStore
from webhook.controller.following import Registered
from webhook.controller.loop import Controller
from webhook.controller.reconcile import Reconciler
from webhook.controller.recording import Recording
from webhook.kube.api import Api, Json
from webhook.kube.standing import Standing
from webhook.kube.surroundings import Surroundings
from webhook.kube.watch import Watch
from webhook.metrics import Metrics
from webhook.model.kinds import POLICIES_BY_KIND

PLAIN = POLICIES_BY_KIND["networking.k8s.io", "NetworkPolicy"]
AT = datetime(2026, 1, 1, tzinfo=UTC)
SHOP: Json = {"metadata": {"name": "shop", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}}
POLICY: Json = {"metadata": {"name": "catflap-allow-dns", "namespace": "shop"}}


class Idle(Api):
    """An API server that nobody asks."""

    def __init__(self) -> None:
        pass


class Listed(Watch):
    """A watch that took in one list and sees nothing more."""

    def __init__(self, *found: Json) -> None:
        self._found = {one["metadata"]["name"]: one for one in found}

    def get(self, key: str) -> Json | None:
        """The object of the list."""
        return self._found.get(key)


def look() -> Surroundings:
    """Nobody has looked around yet."""
    raise AssertionError


@pytest.mark.parametrize(
    ("namespaces", "kept"), [pytest.param([SHOP], True, id="it stands"), pytest.param([], False, id="it is gone")]
)
def test_policies_are_forgotten_with_their_namespace_and_not_before(
    tmp_path: Path, namespaces: list[Any], *, kept: bool
) -> None:
    """The first pass may come before the policy file and the first look around: what was listed by then must be known later."""
    standing = Standing(Idle())
    metrics = Metrics()
    recording = Recording(AuditLog(str(tmp_path / "audit.log"), process="serve"), lambda: AT)
    controller = Controller(
        namespaces=Listed(*namespaces),
        standing=standing,
        followers={"/registration": Registered(Idle(), recording=recording, own_namespace="guards")},
        policies=PolicyStore(on_refusal=lambda _: None),
        reconciler=Reconciler(
            api=Idle(),
            standing=standing,
            recording=recording,
            metrics=metrics,
            own_namespace="guards",
            now=lambda: AT,
        ),
        look=look,
        metrics=metrics,
    )
    standing._changed(PLAIN, POLICY)
    controller._reconcile("shop")
    assert ("shop" in standing._seen) is kept
