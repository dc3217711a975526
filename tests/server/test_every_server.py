"""Each server behind a Service is asked before a path is registered, by the real servers' own answers."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.programs import Program, serve
from webhook.config.default import DEFAULT_POLICY
from webhook.controller.path_rotator import TokenNotAccepted
from webhook.controller.token_probe import EveryServerProbe
from webhook.controller.webhook_configurations import Endpoint
from webhook.kube.api import ApiError, Json

OLD, NEW = "o" * 40, "n" * 40
NAME: Final = "catflap.own.svc"


class Cluster:
    """The API server's answers on a Service whose servers are at ports of this machine."""

    def __init__(self, *ports: int, forbidden: bool = False) -> None:
        self._ports = ports
        self._forbidden = forbidden

    def get(self, _path: str, **_query: str) -> Json:
        """The Service; its own address leads to the first server."""
        return {"spec": {"clusterIP": "127.0.0.1"}}

    def list(self, path: str, **query: str) -> Json:
        """Its EndpointSlices, with one server that is not ready and so is not asked."""
        assert (path, query) == (
            "/apis/discovery.k8s.io/v1/namespaces/own/endpointslices",
            {"labelSelector": "kubernetes.io/service-name=catflap"},
        )
        if self._forbidden:
            raise ApiError(403, "no")
        slices: list[Json] = [
            {"endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}], "ports": [{"port": port}]}
            for port in self._ports
        ]
        asleep = {"endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": False}}], "ports": [{"port": 1}]}
        return {"items": [*slices, asleep, {"endpoints": None, "ports": None}]}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Program]]:
    """One that accepts both tokens, and one that has seen the old one alone, under one certificate."""
    folder = tmp_path_factory.mktemp("servers")
    (folder / "policy.yaml").write_text(DEFAULT_POLICY, encoding="utf-8")
    (folder / "both").write_text(f"{OLD}\n{NEW}\n", encoding="ascii")
    (folder / "old").write_text(f"{OLD}\n", encoding="ascii")
    usual = ("--standalone", "--policy", str(folder / "policy.yaml"), "--tls-name", NAME, "--path-token-file")
    with serve(folder / "a", *usual, str(folder / "both")) as fast:
        (folder / "b").mkdir()
        (folder / "b" / "tls").symlink_to(folder / "a" / "tls")
        with serve(folder / "b", *usual, str(folder / "old")) as slow:
            yield fast, slow


def asking(cluster: Cluster, port: int, authority: Path, **where: str) -> EveryServerProbe:
    """What asks the servers of a Service, or those at an address."""
    bundle = base64.b64encode(authority.read_bytes()).decode("ascii")
    place: dict[str, Any] = where or {"service": "catflap", "port": port}
    endpoint = Endpoint(ca_bundle=bundle, namespace="own", **place)
    return EveryServerProbe(cluster, lambda: endpoint)  # type: ignore[arg-type]  # it asks for two things


def test_a_path_counts_once_each_server_accepts_it(servers: tuple[Program, Program]) -> None:
    """One that lags is enough to wait; one that is not ready is not asked."""
    fast, slow = servers
    every = asking(Cluster(fast.port, slow.port), fast.port, fast.authority)
    assert every.accept(OLD).each is True
    with pytest.raises(TokenNotAccepted, match="401") as refused:
        every.accept(NEW)
    assert NEW not in str(refused.value)
    assert asking(Cluster(fast.port), fast.port, fast.authority).accept(NEW).each is True


@pytest.mark.parametrize("forbidden", [True, False])
def test_where_servers_cannot_be_told_apart_whoever_answers_is_asked(
    servers: tuple[Program, Program], *, forbidden: bool
) -> None:
    """Without EndpointSlices, and without the right to list them; the caller then waits as well."""
    fast, _ = servers
    cluster = Cluster(forbidden=forbidden)
    assert asking(cluster, fast.port, fast.authority).accept(NEW).each is False
    assert asking(cluster, 0, fast.authority, url=f"https://localhost:{fast.port}").accept(NEW).each is False


def test_servers_that_are_gone_accept_nothing(servers: tuple[Program, Program]) -> None:
    """That is an outage."""
    with pytest.raises(TokenNotAccepted, match="no answer"):
        asking(Cluster(1), 1, servers[0].authority).accept(OLD)
