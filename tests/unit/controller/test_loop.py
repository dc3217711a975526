"""Tests what the controller keeps of a namespace, and that it drops this with the namespace."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.config.parse import Loaded
from webhook.config.store import PolicyStore
from webhook.controller.loop import Controller, Follower
from webhook.controller.reconcile import Reconciler
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import Api, Json
from webhook.kube.cluster_info import ClusterInfo
from webhook.kube.policy_cache import PolicyCache
from webhook.kube.watch import Watch
from webhook.metrics import Metrics
from webhook.model.kinds import POLICIES_BY_KIND

PLAIN = POLICIES_BY_KIND["networking.k8s.io", "NetworkPolicy"]
AT = datetime(2026, 1, 1, tzinfo=UTC)
SHOP: Json = {"metadata": {"name": "shop", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}}
POLICY: Json = {"metadata": {"name": "catflap-allow-dns", "namespace": "shop"}}


class Idle(Api):
    """An API server that receives no request."""

    def __init__(self) -> None:
        pass


class Listed(Watch):
    """A watch that received one list and no further event."""

    def __init__(self, *found: Json) -> None:
        self._found = {one["metadata"]["name"]: one for one in found}

    def get(self, key: str) -> Json | None:
        """Return an object of the list."""
        return self._found.get(key)

    def objects(self) -> list[Json]:
        """Return the whole list."""
        return [*self._found.values()]

    def stop(self) -> None:
        """Do nothing; it has stopped already."""


def look() -> ClusterInfo:
    """Return cluster info that is not known yet."""
    raise AssertionError


def controller_of(folder: Path, standing: PolicyCache, *namespaces: Json, **followers: Follower) -> Controller:
    """Return a controller that was not started."""
    metrics = Metrics()
    return Controller(
        namespaces=Listed(*namespaces),
        standing=standing,
        followers=followers,
        policies=PolicyStore(on_refusal=lambda _: None),
        reconciler=Reconciler(
            api=Idle(),
            standing=standing,
            recorder=WriteRecorder(AuditLog(str(folder / "audit.log"), process="controller"), lambda: AT),
            metrics=metrics,
            own_namespace="guards",
            now=lambda: AT,
        ),
        look=look,
        metrics=metrics,
    )


@pytest.mark.parametrize(
    ("namespaces", "kept"), [pytest.param([SHOP], True, id="it stands"), pytest.param([], False, id="it is gone")]
)
def test_policies_are_forgotten_with_their_namespace_and_not_before(
    tmp_path: Path, namespaces: list[Any], *, kept: bool
) -> None:
    """The watch may list namespaces before the policy file and the cluster info are known. The controller must keep them."""
    standing = PolicyCache(Idle())
    controller = controller_of(tmp_path, standing, *namespaces)
    standing._changed(PLAIN, POLICY)
    controller._reconcile("shop")
    assert ("shop" in standing._seen) is kept


class Slow:
    """A follower whose write takes some time."""

    pending = "slow"

    def __init__(self) -> None:
        self.begun, self.may_end, self.ended = Event(), Event(), Event()

    def start(self, on_change: Callable[[], None]) -> None:
        """Watch nothing."""

    def stop(self) -> None:
        """Stop nothing."""

    def sync(self, loaded: Loaded) -> float:  # noqa: ARG002 (no file changes anything here)
        """Write slowly."""
        self.begun.set()
        self.may_end.wait()
        self.ended.set()
        return 0.0


def test_the_end_waits_for_a_write_that_is_under_way(tmp_path: Path) -> None:
    """So the write is recorded before the last record of the log."""
    slow = Slow()
    controller = controller_of(tmp_path, PolicyCache(Idle()), slow=slow)
    controller._policies.offer(HEAD)
    for worker in controller._workers:
        worker.start()
    controller.policy_changed()
    slow.begun.wait()
    stopping = Thread(target=controller.stop)
    stopping.start()
    stopping.join(0.05)
    assert stopping.is_alive()
    slow.may_end.set()
    stopping.join()
    assert slow.ended.is_set()
