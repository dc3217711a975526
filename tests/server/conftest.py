"""Real servers without a cluster: one a lane for the session, others as a test asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import Program, serve
from webhook.config.default import DEFAULT_POLICY

WORKERS = ("asgi", "gthread")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The default policy as a file of this test's own."""
    path = tmp_path / "policy.yaml"
    path.write_text(DEFAULT_POLICY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def worker_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    """Both lanes, each a process of its own, under the default policy."""
    folder = tmp_path_factory.mktemp("lanes")
    policy = folder / "policy.yaml"
    policy.write_text(DEFAULT_POLICY, encoding="utf-8")
    arguments = ("--standalone", "--policy", str(policy))
    with (
        serve(folder / "asgi", *arguments) as express,
        serve(folder / "gthread", *arguments, "--worker", "gthread") as plain,
    ):
        yield {"asgi": express, "gthread": plain}


@pytest.fixture(params=WORKERS)
def server(request: pytest.FixtureRequest, worker_servers: dict[str, Program]) -> Program:
    """Each lane in turn."""
    return worker_servers[request.param]
