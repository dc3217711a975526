"""Each server behind a Service is probed before a path is registered, here with real servers."""

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


class FakeApi:
    """An API server with a Service whose endpoints are ports of this machine."""

    def __init__(self, *ports: int, forbidden: bool = False) -> None:
        self._ports = ports
        self._forbidden = forbidden

    def get(self, _path: str, **_query: str) -> Json:
        """Return the Service; its cluster IP leads to the first server."""
        return {"spec": {"clusterIP": "127.0.0.1"}}

    def list(self, path: str, **query: str) -> Json:
        """Return its EndpointSlices, with one endpoint that is not ready and so is not probed."""
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
        not_ready = {
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": False}}],
            "ports": [{"port": 1}],
        }
        return {"items": [*slices, not_ready, {"endpoints": None, "ports": None}]}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Program]]:
    """Run one server that accepts both tokens and one that accepts only the old one, with the same certificate."""
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


def make_prober(cluster: FakeApi, port: int, authority: Path, **where: str) -> EveryServerProbe:
    """Return the prober of the servers of a Service, or of the server at a URL."""
    bundle = base64.b64encode(authority.read_bytes()).decode("ascii")
    place: dict[str, Any] = where or {"service": "catflap", "port": port}
    endpoint = Endpoint(ca_bundle=bundle, namespace="own", **place)
    return EveryServerProbe(cluster, lambda: endpoint)  # type: ignore[arg-type]  # the prober calls two methods


def test_a_path_is_accepted_once_each_server_accepts_it(servers: tuple[Program, Program]) -> None:
    """One lagging server is enough to wait; a server that is not ready is not probed."""
    fast, slow = servers
    every = make_prober(FakeApi(fast.port, slow.port), fast.port, fast.authority)
    assert every.accept(OLD).each is True
    with pytest.raises(TokenNotAccepted, match="401") as refused:
        every.accept(NEW)
    assert NEW not in str(refused.value)
    assert make_prober(FakeApi(fast.port), fast.port, fast.authority).accept(NEW).each is True


@pytest.mark.parametrize("forbidden", [True, False])
def test_without_endpoints_the_service_is_probed(servers: tuple[Program, Program], *, forbidden: bool) -> None:
    """This holds without EndpointSlices and without the right to list them; the caller then also waits."""
    fast, _ = servers
    cluster = FakeApi(forbidden=forbidden)
    assert make_prober(cluster, fast.port, fast.authority).accept(NEW).each is False
    assert make_prober(cluster, 0, fast.authority, url=f"https://localhost:{fast.port}").accept(NEW).each is False


def test_unreachable_servers_accept_nothing(servers: tuple[Program, Program]) -> None:
    """No reachable server is an outage."""
    with pytest.raises(TokenNotAccepted, match="no answer"):
        make_prober(FakeApi(1), 1, servers[0].authority).accept(OLD)
