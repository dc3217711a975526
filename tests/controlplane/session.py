"""The control plane's programs for one pytest session: built before the first test, and skipped or failed over when missing."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NoReturn

import pytest

from tests.controlplane.progress import Progress
from tests.controlplane.tools import Tools, Unavailable, ensure

FIXTURE: Final = "tools"  # whoever uses it, directly or through `cluster`, needs the programs
FOUND: Final = pytest.StashKey[Tools | Unavailable]()


def prepare(session: pytest.Session) -> None:
    """Build now what the collected tests need, since no single test's time limit allows for ten minutes."""
    needed = any(FIXTURE in getattr(item, "fixturenames", ()) for item in session.items)
    if needed and not session.config.getoption("collectonly"):
        _found(session.config)


def programs(config: pytest.Config) -> Tools:
    """Return the programs, or end the test that asks for them."""
    found = _found(config)
    if isinstance(found, Unavailable):
        give_up(found)
    return found


def give_up(missing: Unavailable) -> NoReturn:
    """Skip where a person works without network; fail in CI, where nobody reads the skips."""
    reason = f"no control plane: {missing}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _found(config: pytest.Config) -> Tools | Unavailable:
    if FOUND not in config.stash:
        with _output_shown(config):
            try:
                config.stash[FOUND] = ensure(Progress(sys.stderr))
            except Unavailable as missing:
                config.stash[FOUND] = missing
    return config.stash[FOUND]


def _output_shown(config: pytest.Config) -> AbstractContextManager[None]:
    """Lift pytest's capture: it redirects the file descriptor itself, so that even `sys.__stderr__` would say nothing."""
    capture = config.pluginmanager.getplugin("capturemanager")
    shown: AbstractContextManager[None] = capture.global_and_fixture_disabled() if capture else nullcontext()
    return shown
