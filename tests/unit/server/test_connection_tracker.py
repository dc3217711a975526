"""Which connection is dropped first, and when a connection exceeds its time limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.server.connection_tracker import (
    ConnectionState,
    ConnectionTracker,
    GroupLimits,
    TrackedConnection,
    limits_for_descriptors,
)
from webhook.server.limits import (
    ANSWER_SECONDS,
    BODY_SECONDS,
    CLOSING_SECONDS,
    HANDSHAKE_SECONDS,
    HEADERS_SECONDS,
    KEEP_ALIVE_SECONDS,
    MAX_CONNECTIONS,
    OTHER_DESCRIPTORS,
)

GROUP_LIMITS: GroupLimits = {
    (ConnectionState.ACCEPTED, ConnectionState.HANDSHAKE): 2,
    (ConnectionState.IDLE_UNTRUSTED, ConnectionState.RECEIVING_UNTRUSTED): 3,
    (ConnectionState.IDLE_TRUSTED, ConnectionState.RECEIVING_TRUSTED): 2,
}


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class FakeConnection(TrackedConnection):
    """A connection that records that it was dropped."""

    is_dropped = False

    def drop(self) -> None:
        """Record it."""
        self.is_dropped = True


@pytest.fixture
def clock() -> Clock:
    """Return a clock at zero."""
    return Clock()


@pytest.fixture
def tracker(clock: Clock) -> ConnectionTracker:
    """Return a tracker with low limits."""
    return ConnectionTracker(limits=GROUP_LIMITS, clock=clock)


def accepted(tracker: ConnectionTracker) -> FakeConnection:
    """Add an accepted connection."""
    connection = FakeConnection(tracker)
    tracker.add(connection)
    return connection


def untrusted(tracker: ConnectionTracker) -> FakeConnection:
    """Add a connection after its handshake."""
    connection = accepted(tracker)
    connection.end_handshake()
    return connection


def trusted(tracker: ConnectionTracker) -> FakeConnection:
    """Add a connection with one valid review."""
    connection = untrusted(tracker)
    connection.receive_bytes()
    connection.end_headers()
    connection.end_request()
    connection.trust()
    connection.become_idle()
    return connection


def test_the_oldest_handshake_is_dropped_first(tracker: ConnectionTracker) -> None:
    """The API server's handshake takes milliseconds."""
    connections = [accepted(tracker) for _ in range(3)]
    assert [connection.is_dropped for connection in connections] == [True, False, False]
    assert len(tracker) == 2


def test_a_silent_connection_is_dropped_before_one_in_its_handshake(tracker: ConnectionTracker) -> None:
    """The other one may wait long for its turn."""
    greeting = accepted(tracker)
    greeting.begin_handshake()
    silent = [accepted(tracker) for _ in range(5)]
    assert not greeting.is_dropped
    assert [connection.is_dropped for connection in silent] == [True] * 4 + [False]


def test_an_idle_untrusted_connection_is_dropped_before_one_that_sends(tracker: ConnectionTracker) -> None:
    """Among those that send, the oldest is dropped first."""
    first, idle, third = (untrusted(tracker) for _ in range(3))
    first.receive_bytes()
    third.receive_bytes()
    fourth = untrusted(tracker)
    fourth.receive_bytes()
    assert (first.is_dropped, idle.is_dropped, third.is_dropped) == (False, True, False)
    fifth = untrusted(tracker)
    assert fifth.is_dropped  # idle, while all others send
    assert [connection.is_dropped for connection in (first, third, fourth)] == [False, False, False]


def test_untrusted_connections_never_replace_a_trusted_one(tracker: ConnectionTracker) -> None:
    """The number of untrusted connections does not matter."""
    api_server = trusted(tracker)
    for _ in range(50):
        untrusted(tracker).receive_bytes()
        accepted(tracker)
    assert not api_server.is_dropped
    assert tracker.count(ConnectionState.IDLE_TRUSTED) == 1


def test_the_longest_idle_trusted_connection_is_dropped_first(tracker: ConnectionTracker) -> None:
    """The API server's connection pool does the same."""
    first, second = trusted(tracker), trusted(tracker)
    first.receive_bytes()
    first.become_idle()
    third = trusted(tracker)
    assert [connection.is_dropped for connection in (first, second, third)] == [False, True, False]


def test_a_request_that_is_answered_is_never_dropped_for_another(tracker: ConnectionTracker) -> None:
    """It does not count for the group of those that send."""
    connections = [untrusted(tracker)]
    connections[0].receive_bytes()
    connections[0].end_headers()
    connections[0].end_request()
    connections += [untrusted(tracker) for _ in range(9)]
    assert not connections[0].is_dropped


STEPS: dict[str, tuple[tuple[str, ...], float]] = {
    "the handshake": ((), HANDSHAKE_SECONDS),
    "the rest of the handshake": (("begin_handshake",), HANDSHAKE_SECONDS),
    "the first request": (("end_handshake",), KEEP_ALIVE_SECONDS),
    "the headers": (("end_handshake", "receive_bytes"), HEADERS_SECONDS),
    "the body": (("end_handshake", "receive_bytes", "end_headers"), BODY_SECONDS + CLOSING_SECONDS),
    "the answer": (("end_handshake", "receive_bytes", "end_request"), ANSWER_SECONDS),
    "the next request": (("end_handshake", "receive_bytes", "become_idle"), KEEP_ALIVE_SECONDS),
}


@pytest.mark.parametrize("what", STEPS)
def test_each_step_has_a_time_limit(tracker: ConnectionTracker, clock: Clock, what: str) -> None:
    """Bytes that arrive slowly do not extend the limit."""
    steps, seconds = STEPS[what]
    connection = accepted(tracker)
    for step in steps:
        getattr(connection, step)()
    clock.now = seconds - 0.01
    if what in {"the headers", "the body"}:
        connection.receive_bytes()
    tracker.drop_expired()
    assert not connection.is_dropped
    clock.now = seconds
    tracker.drop_expired()
    assert connection.is_dropped
    assert len(tracker) == 0


def test_without_a_descriptor_the_least_important_connection_is_dropped(tracker: ConnectionTracker) -> None:
    """The order is handshakes, untrusted connections, trusted ones."""
    api_server, idle, greeting = trusted(tracker), untrusted(tracker), accepted(tracker)
    for is_dropped in (greeting, idle, api_server):
        assert tracker.drop_first()
        assert is_dropped.is_dropped
    assert not tracker.drop_first()


def test_a_closed_connection_is_not_tracked_again(tracker: ConnectionTracker) -> None:
    """Its last request may end after that."""
    connection = untrusted(tracker)
    connection.receive_bytes()
    tracker.remove(connection)
    connection.become_idle()
    assert len(tracker) == 0
    assert not connection.is_dropped


STEPS_OF_A_CONNECTION = (
    "begin_handshake",
    "end_handshake",
    "receive_bytes",
    "end_headers",
    "end_request",
    "trust",
    "become_idle",
)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(("add", "remove", *STEPS_OF_A_CONNECTION))), max_size=200))
def test_the_limits_hold_for_any_sequence(steps: list[tuple[int, str]]) -> None:
    """No group exceeds its limit, a closed connection has no state, and each open one has exactly one."""
    tracker = ConnectionTracker(limits=GROUP_LIMITS)
    connections = [accepted(tracker) for _ in range(10)]
    for number, step in steps:
        if step == "add":
            connections[number] = accepted(tracker)
        elif step == "remove":
            tracker.remove(connections[number])
        else:
            getattr(connections[number], step)()
        for group, places in GROUP_LIMITS.items():
            assert sum(map(tracker.count, group)) <= places
        for connection in connections:
            assert (connection in tracker.in_state(connection.state)) is not connection.is_closed
        assert sum(not connection.is_closed for connection in connections) <= len(tracker)


@pytest.mark.parametrize("descriptors", [1, 512, 600, 1024, 4096, 1 << 20])
def test_few_file_descriptors_lower_the_limits(descriptors: int) -> None:
    """There are never more connections than descriptors, and each group has at least one."""
    places = limits_for_descriptors(descriptors)
    assert min(places.values()) >= 1
    assert sum(places.values()) <= max(len(places), descriptors - OTHER_DESCRIPTORS)
    assert sum(places.values()) <= MAX_CONNECTIONS


def test_each_dropped_connection_is_counted(clock: Clock) -> None:
    """A connection that the client closed is not counted."""
    drops: list[None] = []
    tracker = ConnectionTracker(limits=GROUP_LIMITS, clock=clock, on_drop=lambda: drops.append(None))
    connections = [accepted(tracker) for _ in range(3)]
    tracker.remove(connections[2])
    clock.now = HANDSHAKE_SECONDS
    tracker.drop_expired()
    assert len(drops) == 2
