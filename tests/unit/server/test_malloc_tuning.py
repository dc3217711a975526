"""Memory of closed connections returns to the system from time to time."""

from typing import Any

import pytest

from webhook.server.malloc_tuning import CONNECTIONS_PER_TRIM, MemoryTrimmer


def test_memory_is_trimmed_after_many_closed_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trim takes some milliseconds, so not every call trims."""
    calls: list[int] = []

    class Library:
        def __init__(self, _name: Any) -> None:
            self.malloc_trim = calls.append

    monkeypatch.setattr("webhook.server.malloc_tuning.ctypes.CDLL", Library)
    trimmer = MemoryTrimmer()
    for closed in (
        0,
        1,
        CONNECTIONS_PER_TRIM - 1,
        CONNECTIONS_PER_TRIM,
        CONNECTIONS_PER_TRIM + 1,
        3 * CONNECTIONS_PER_TRIM,
    ):
        trimmer.trim_if_due(closed)
    assert len(calls) == 2
