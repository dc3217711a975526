"""Memory of closed connections goes back, now and then."""

from typing import Any

import pytest

from webhook.server.memory import CLOSED_CONNECTIONS, Trimming


def test_memory_goes_back_each_time_that_many_connections_were_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each look, as it takes some milliseconds."""
    calls: list[int] = []

    class Library:
        def __init__(self, _name: Any) -> None:
            self.malloc_trim = calls.append

    monkeypatch.setattr("webhook.server.memory.ctypes.CDLL", Library)
    trimming = Trimming()
    for closed in (0, 1, CLOSED_CONNECTIONS - 1, CLOSED_CONNECTIONS, CLOSED_CONNECTIONS + 1, 3 * CLOSED_CONNECTIONS):
        trimming.look(closed)
    assert len(calls) == 2
