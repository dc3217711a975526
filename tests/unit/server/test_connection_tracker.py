"""Which connection is dropped first, and when its time is over."""

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
        """The time."""
        return self.now


class Guest(TrackedConnection):
    """A caller that notes that it was dropped."""

    gone = False

    def drop(self) -> None:
        """Note it."""
        self.gone = True


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


@pytest.fixture
def tracker(clock: Clock) -> ConnectionTracker:
    """With few places."""
    return ConnectionTracker(limits=GROUP_LIMITS, clock=clock)


def arrived(tracker: ConnectionTracker) -> Guest:
    """A connection in its handshake."""
    guest = Guest(tracker)
    tracker.add(guest)
    return guest


def stranger(tracker: ConnectionTracker) -> Guest:
    """A connection after its handshake."""
    guest = arrived(tracker)
    guest.end_handshake()
    return guest


def trusted(tracker: ConnectionTracker) -> Guest:
    """A connection over which a good review came."""
    guest = stranger(tracker)
    guest.receive_bytes()
    guest.end_headers()
    guest.end_request()
    guest.trust()
    guest.become_idle()
    return guest


def test_the_oldest_handshake_gives_up_its_place(tracker: ConnectionTracker) -> None:
    """The API server's takes milliseconds."""
    guests = [arrived(tracker) for _ in range(3)]
    assert [guest.gone for guest in guests] == [True, False, False]
    assert len(tracker) == 2


def test_a_silent_connection_goes_before_one_that_has_begun_its_handshake(tracker: ConnectionTracker) -> None:
    """However long that one waits for its turn."""
    greeting = arrived(tracker)
    greeting.begin_handshake()
    silent = [arrived(tracker) for _ in range(5)]
    assert not greeting.gone
    assert [guest.gone for guest in silent] == [True] * 4 + [False]


def test_an_idle_stranger_goes_before_one_that_sends(tracker: ConnectionTracker) -> None:
    """And of those that send the one that takes longest."""
    first, idle, third = (stranger(tracker) for _ in range(3))
    first.receive_bytes()
    third.receive_bytes()
    fourth = stranger(tracker)
    fourth.receive_bytes()
    assert (first.gone, idle.gone, third.gone) == (False, True, False)
    fifth = stranger(tracker)
    assert fifth.gone  # idle, while all others send
    assert [guest.gone for guest in (first, third, fourth)] == [False, False, False]


def test_strangers_never_take_the_place_of_a_known_one(tracker: ConnectionTracker) -> None:
    """However many they are."""
    api_server = trusted(tracker)
    for _ in range(50):
        stranger(tracker).receive_bytes()
        arrived(tracker)
    assert not api_server.gone
    assert tracker.count(ConnectionState.IDLE_TRUSTED) == 1


def test_the_known_one_that_rests_longest_goes_first(tracker: ConnectionTracker) -> None:
    """As in the API server's own pool."""
    first, second = trusted(tracker), trusted(tracker)
    first.receive_bytes()
    first.become_idle()
    third = trusted(tracker)
    assert [guest.gone for guest in (first, second, third)] == [False, True, False]


def test_a_request_that_is_answered_is_never_dropped_for_another(tracker: ConnectionTracker) -> None:
    """It takes no place of those that send."""
    guests = [stranger(tracker)]
    guests[0].receive_bytes()
    guests[0].end_headers()
    guests[0].end_request()
    guests += [stranger(tracker) for _ in range(9)]
    assert not guests[0].gone


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
def test_each_step_has_its_time(tracker: ConnectionTracker, clock: Clock, what: str) -> None:
    """Bytes that trickle in do not prolong it."""
    steps, seconds = STEPS[what]
    guest = arrived(tracker)
    for step in steps:
        getattr(guest, step)()
    clock.now = seconds - 0.01
    if what in {"the headers", "the body"}:
        guest.receive_bytes()
    tracker.drop_expired()
    assert not guest.gone
    clock.now = seconds
    tracker.drop_expired()
    assert guest.gone
    assert len(tracker) == 0


def test_without_a_descriptor_the_least_missed_goes(tracker: ConnectionTracker) -> None:
    """Handshakes, then strangers, then known ones."""
    api_server, idle, greeting = trusted(tracker), stranger(tracker), arrived(tracker)
    for gone in (greeting, idle, api_server):
        assert tracker.drop_first()
        assert gone.gone
    assert not tracker.drop_first()


def test_a_connection_that_is_closed_stays_away(tracker: ConnectionTracker) -> None:
    """The answer to its last request comes to its end after that."""
    guest = stranger(tracker)
    guest.receive_bytes()
    tracker.remove(guest)
    guest.become_idle()
    assert len(tracker) == 0
    assert not guest.gone


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
def test_the_places_are_enough_whatever_comes(steps: list[tuple[int, str]]) -> None:
    """No group outgrows its places, a closed connection is in none, and each open one is in one."""
    tracker = ConnectionTracker(limits=GROUP_LIMITS)
    guests = [arrived(tracker) for _ in range(10)]
    for number, step in steps:
        if step == "add":
            guests[number] = arrived(tracker)
        elif step == "remove":
            tracker.remove(guests[number])
        else:
            getattr(guests[number], step)()
        for group, places in GROUP_LIMITS.items():
            assert sum(map(tracker.count, group)) <= places
        for guest in guests:
            assert (guest in tracker.in_state(guest.state)) is not guest.is_closed
        assert sum(not guest.is_closed for guest in guests) <= len(tracker)


@pytest.mark.parametrize("descriptors", [1, 512, 600, 1024, 4096, 1 << 20])
def test_few_file_descriptors_are_few_places(descriptors: int) -> None:
    """Never more connections than files that may be opened, and never none in a group."""
    places = limits_for_descriptors(descriptors)
    assert min(places.values()) >= 1
    assert sum(places.values()) <= max(len(places), descriptors - OTHER_DESCRIPTORS)
    assert sum(places.values()) <= MAX_CONNECTIONS


def test_each_connection_that_is_dropped_is_counted(clock: Clock) -> None:
    """One that was closed by the other side is not."""
    drops: list[None] = []
    tracker = ConnectionTracker(limits=GROUP_LIMITS, clock=clock, on_drop=lambda: drops.append(None))
    guests = [arrived(tracker) for _ in range(3)]
    tracker.remove(guests[2])
    clock.now = HANDSHAKE_SECONDS
    tracker.drop_expired()
    assert len(drops) == 2
