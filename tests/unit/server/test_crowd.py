"""Which connection is dropped first, and when its time is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.server.crowd import Caller, Crowd, Places, State, places_within
from webhook.server.limits import (
    ANSWER_SECONDS,
    BODY_SECONDS,
    CLOSING_SECONDS,
    HANDSHAKE_SECONDS,
    HEADERS_SECONDS,
    KEEP_ALIVE_SECONDS,
    MOST_CONNECTIONS,
    OTHER_DESCRIPTORS,
)

PLACES: Places = {
    (State.SILENT, State.GREETING): 2,
    (State.IDLE_STRANGER, State.SENDING_STRANGER): 3,
    (State.IDLE_KNOWN, State.SENDING_KNOWN): 2,
}


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Guest(Caller):
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
def crowd(clock: Clock) -> Crowd:
    """With few places."""
    return Crowd(places=PLACES, clock=clock)


def arrived(crowd: Crowd) -> Guest:
    """A connection in its handshake."""
    guest = Guest(crowd)
    crowd.arrive(guest)
    return guest


def stranger(crowd: Crowd) -> Guest:
    """A connection after its handshake."""
    guest = arrived(crowd)
    guest.greeted()
    return guest


def known(crowd: Crowd) -> Guest:
    """A connection over which a good review came."""
    guest = stranger(crowd)
    guest.sends()
    guest.sent_headers()
    guest.sent_request()
    guest.trust()
    guest.rests()
    return guest


def test_the_oldest_handshake_gives_up_its_place(crowd: Crowd) -> None:
    """The API server's takes milliseconds."""
    guests = [arrived(crowd) for _ in range(3)]
    assert [guest.gone for guest in guests] == [True, False, False]
    assert (len(crowd), crowd.dropped) == (2, 1)


def test_a_silent_connection_goes_before_one_that_has_begun_its_handshake(crowd: Crowd) -> None:
    """However long that one waits for its turn."""
    greeting = arrived(crowd)
    greeting.greets()
    silent = [arrived(crowd) for _ in range(5)]
    assert not greeting.gone
    assert [guest.gone for guest in silent] == [True] * 4 + [False]


def test_an_idle_stranger_goes_before_one_that_sends(crowd: Crowd) -> None:
    """And of those that send the one that takes longest."""
    first, idle, third = (stranger(crowd) for _ in range(3))
    first.sends()
    third.sends()
    fourth = stranger(crowd)
    fourth.sends()
    assert (first.gone, idle.gone, third.gone) == (False, True, False)
    fifth = stranger(crowd)
    assert fifth.gone  # idle, while all others send
    assert [guest.gone for guest in (first, third, fourth)] == [False, False, False]


def test_strangers_never_take_the_place_of_a_known_one(crowd: Crowd) -> None:
    """However many they are."""
    api_server = known(crowd)
    for _ in range(50):
        stranger(crowd).sends()
        arrived(crowd)
    assert not api_server.gone
    assert crowd.count(State.IDLE_KNOWN) == 1


def test_the_known_one_that_rests_longest_goes_first(crowd: Crowd) -> None:
    """As in the API server's own pool."""
    first, second = known(crowd), known(crowd)
    first.sends()
    first.rests()
    third = known(crowd)
    assert [guest.gone for guest in (first, second, third)] == [False, True, False]


def test_a_request_that_is_answered_is_never_dropped_for_another(crowd: Crowd) -> None:
    """It takes no place of those that send."""
    guests = [stranger(crowd)]
    guests[0].sends()
    guests[0].sent_headers()
    guests[0].sent_request()
    guests += [stranger(crowd) for _ in range(9)]
    assert not guests[0].gone


STEPS: dict[str, tuple[tuple[str, ...], float]] = {
    "the handshake": ((), HANDSHAKE_SECONDS),
    "the rest of the handshake": (("greets",), HANDSHAKE_SECONDS),
    "the first request": (("greeted",), KEEP_ALIVE_SECONDS),
    "the headers": (("greeted", "sends"), HEADERS_SECONDS),
    "the body": (("greeted", "sends", "sent_headers"), BODY_SECONDS + CLOSING_SECONDS),
    "the answer": (("greeted", "sends", "sent_request"), ANSWER_SECONDS),
    "the next request": (("greeted", "sends", "rests"), KEEP_ALIVE_SECONDS),
}


@pytest.mark.parametrize("what", STEPS)
def test_each_step_has_its_time(crowd: Crowd, clock: Clock, what: str) -> None:
    """Bytes that trickle in do not prolong it."""
    steps, seconds = STEPS[what]
    guest = arrived(crowd)
    for step in steps:
        getattr(guest, step)()
    clock.now = seconds - 0.01
    if what in {"the headers", "the body"}:
        guest.sends()
    crowd.drop_overdue()
    assert not guest.gone
    clock.now = seconds
    crowd.drop_overdue()
    assert guest.gone
    assert len(crowd) == 0


def test_without_a_descriptor_the_least_missed_goes(crowd: Crowd) -> None:
    """Handshakes, then strangers, then known ones."""
    api_server, idle, greeting = known(crowd), stranger(crowd), arrived(crowd)
    for gone in (greeting, idle, api_server):
        assert crowd.drop_one()
        assert gone.gone
    assert not crowd.drop_one()


def test_a_connection_that_is_closed_stays_away(crowd: Crowd) -> None:
    """The answer to its last request comes to its end after that."""
    guest = stranger(crowd)
    guest.sends()
    crowd.leave(guest)
    guest.rests()
    assert len(crowd) == 0
    assert not guest.gone


STEPS_OF_A_CONNECTION = ("greets", "greeted", "sends", "sent_headers", "sent_request", "trust", "rests")


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(("arrive", "leave", *STEPS_OF_A_CONNECTION))), max_size=200)
)
def test_the_places_are_enough_whatever_comes(steps: list[tuple[int, str]]) -> None:
    """No group outgrows its places, a closed connection is in none, and each open one is in one."""
    crowd = Crowd(places=PLACES)
    guests = [arrived(crowd) for _ in range(10)]
    for number, step in steps:
        if step == "arrive":
            guests[number] = arrived(crowd)
        elif step == "leave":
            crowd.leave(guests[number])
        else:
            getattr(guests[number], step)()
        for group, places in PLACES.items():
            assert sum(map(crowd.count, group)) <= places
        for guest in guests:
            assert (guest in crowd.of(guest.state)) is not guest.has_left
        assert sum(not guest.has_left for guest in guests) <= len(crowd)


@pytest.mark.parametrize("descriptors", [1, 512, 600, 1024, 4096, 1 << 20])
def test_few_file_descriptors_are_few_places(descriptors: int) -> None:
    """Never more connections than files that may be opened, and never none in a group."""
    places = places_within(descriptors)
    assert min(places.values()) >= 1
    assert sum(places.values()) <= max(len(places), descriptors - OTHER_DESCRIPTORS)
    assert sum(places.values()) <= MOST_CONNECTIONS
