"""Slow resources for one pytest session: created before the first test. Without them tests are skipped, or fail in CI."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NoReturn, TypeVar

import pytest

from tests.controlplane.progress import Progress
from tests.controlplane.tools import Tools, Unavailable, ensure

Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Needed(Generic[Made]):
    """Something that tests cannot do without: those that use `fixture`, directly or through another one.

    `called` is part of the reason of a skip; `make` raises `Unavailable`.
    """

    fixture: str
    called: str
    make: Callable[[Progress], Made]
    found: pytest.StashKey[Made | Unavailable] = field(default_factory=pytest.StashKey)


CONTROL_PLANE: Final = Needed(fixture="tools", called="control plane", make=ensure)


def prepare(session: pytest.Session, needed: Needed[Any] = CONTROL_PLANE) -> None:
    """Make now what the collected tests need, since no single test's time limit allows for ten minutes."""
    wanted = any(needed.fixture in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.getoption("collectonly"):
        _found(session.config, needed)


def programs(config: pytest.Config) -> Tools:
    """Return the control plane's programs, or end the test that asks for them."""
    return provided(config, CONTROL_PLANE)


def provided(config: pytest.Config, needed: Needed[Made]) -> Made:
    """Return the resource, or skip or fail the test that needs it."""
    found = _found(config, needed)
    if isinstance(found, Unavailable):
        give_up(found, called=needed.called)
    return found


def give_up(missing: Unavailable, *, called: str = CONTROL_PLANE.called) -> NoReturn:
    """Skip where a person works without network; fail in CI, where skips are not noticed."""
    reason = f"no {called}: {missing}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _found(config: pytest.Config, needed: Needed[Made]) -> Made | Unavailable:
    if needed.found not in config.stash:
        with _output_shown(config):
            try:
                config.stash[needed.found] = needed.make(Progress(sys.stderr))
            except Unavailable as missing:
                config.stash[needed.found] = missing
    return config.stash[needed.found]


def _output_shown(config: pytest.Config) -> AbstractContextManager[None]:
    """Lift pytest's capture: it redirects the file descriptor itself, so that even `sys.__stderr__` would say nothing."""
    capture = config.pluginmanager.getplugin("capturemanager")
    shown: AbstractContextManager[None] = capture.global_and_fixture_disabled() if capture else nullcontext()
    return shown
