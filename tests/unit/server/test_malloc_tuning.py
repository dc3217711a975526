"""Memory of closed connections goes back, now and then."""

from typing import Any

import pytest

from webhook.server.malloc_tuning import CONNECTIONS_PER_TRIM, MemoryTrimmer


def test_memory_goes_back_each_time_that_many_connections_were_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each look, as it takes some milliseconds."""
    calls: list[int] = []

    class Library:
        def __init__(self, _name: Any) -> None:
            self.malloc_trim = calls.append

    monkeypatch.setattr("webhook.server.malloc_tuning.ctypes.CDLL", Library)
    trimming = MemoryTrimmer()
    for closed in (
        0,
        1,
        CONNECTIONS_PER_TRIM - 1,
        CONNECTIONS_PER_TRIM,
        CONNECTIONS_PER_TRIM + 1,
        3 * CONNECTIONS_PER_TRIM,
    ):
        trimming.trim_if_due(closed)
    assert len(calls) == 2
