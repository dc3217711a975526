"""Fixtures of the oracles; the first test that needs an oracle starts it for the whole session."""

from collections.abc import Iterator

import pytest

from tests.controlplane.session import CONTROL_PLANE, prepare, programs, provided
from tests.controlplane.tools import Tools
from tests.oracles.analyzer import Analyzer
from tests.oracles.environment import ENVIRONMENT
from tests.oracles.patterns import MATCHER, PatternOracle
from tests.oracles.selectors import PARSER, SelectorOracle


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepare all oracles before the timeout of the first test starts."""
    prepare(session, PARSER)
    prepare(session, MATCHER)
    prepare(session, ENVIRONMENT)
    prepare(session, CONTROL_PLANE)


@pytest.fixture(scope="session")
def selectors(request: pytest.FixtureRequest) -> Iterator[SelectorOracle]:
    """Calico's selector parser."""
    with SelectorOracle(provided(request.config, PARSER)) as oracle:
        yield oracle


@pytest.fixture(scope="session")
def patterns(request: pytest.FixtureRequest) -> Iterator[PatternOracle]:
    """Go's regular expressions."""
    with PatternOracle(provided(request.config, MATCHER)) as oracle:
        yield oracle


@pytest.fixture(scope="session")
def analyzer(request: pytest.FixtureRequest) -> Iterator[Analyzer]:
    """network-config-analyzer."""
    with Analyzer(provided(request.config, ENVIRONMENT)) as oracle:
        yield oracle


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> Tools:
    """The programs of the control plane, kubectl among them."""
    return programs(request.config)
