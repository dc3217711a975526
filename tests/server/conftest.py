"""Real servers without a cluster: one per worker class for the session."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import Program, serve
from webhook.config.default import DEFAULT_POLICY

WORKERS = ("asgi", "gthread")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Return a file with the default policy for this test."""
    path = tmp_path / "policy.yaml"
    path.write_text(DEFAULT_POLICY, encoding="utf-8")
    return path


@pytest.fixture
def sighup_enabled() -> Iterator[None]:
    """Enable SIGHUP for the processes of a test: the children of a job that nohup started inherit that it is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def worker_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    """Run one server per worker class under the default policy."""
    folder = tmp_path_factory.mktemp("workers")
    policy = folder / "policy.yaml"
    policy.write_text(DEFAULT_POLICY, encoding="utf-8")
    arguments = ("--standalone", "--policy", str(policy))
    with (
        serve(folder / "asgi", *arguments) as asgi,
        serve(folder / "gthread", *arguments, "--worker", "gthread") as gthread,
    ):
        yield {"asgi": asgi, "gthread": gthread}


@pytest.fixture(params=WORKERS)
def server(request: pytest.FixtureRequest, worker_servers: dict[str, Program]) -> Program:
    """Return the server of each worker class."""
    return worker_servers[request.param]
