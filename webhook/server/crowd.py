"""Which connections are open, which of them is dropped first where there are too many, and which has used up its time.

A connection is a stranger until a review that came over it was answered with 200; after that it is known. Known connections are those
of the API server, so those that strangers open never take their places.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from threading import RLock
from time import monotonic
from typing import Final

from webhook.server.limits import (
    ANSWER_SECONDS,
    BODY_SECONDS,
    CLOSING_SECONDS,
    HANDSHAKE_SECONDS,
    HEADERS_SECONDS,
    KEEP_ALIVE_SECONDS,
    MOST_CONNECTIONS,
    MOST_GREETING,
    MOST_KNOWN,
    MOST_STRANGERS,
    OTHER_DESCRIPTORS,
)
from webhook.server.pieces import Pieces


class State(Enum):
    """What a connection does at the moment."""

    SILENT = auto()  # nothing of its TLS handshake came yet
    GREETING = auto()  # the TLS handshake
    IDLE_STRANGER = auto()
    SENDING_STRANGER = auto()  # headers or a body
    IDLE_KNOWN = auto()
    SENDING_KNOWN = auto()
    ANSWERING = auto()  # the request is whole


# Each group has a number of places; in each the first state gives up a place first, and in it the connection that is longest there.
Places = Mapping[tuple[State, ...], int]
PLACES: Final[Places] = {
    (State.SILENT, State.GREETING): MOST_GREETING,
    (State.IDLE_STRANGER, State.SENDING_STRANGER): MOST_STRANGERS,
    (State.IDLE_KNOWN, State.SENDING_KNOWN): MOST_KNOWN,
}


def places_within(descriptors: int) -> Places:
    """The places of a process that may have so many files open: fewer in proportion where that is too few for all."""
    share = min(1.0, max(descriptors - OTHER_DESCRIPTORS, len(PLACES)) / MOST_CONNECTIONS)
    return {group: max(1, int(share * places)) for group, places in PLACES.items()}


class Caller:
    """One connection, as the code sees it that answers its requests; a subclass knows how to end it."""

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self.known = False
        self.has_left = False  # it is closed, or about to be
        self.is_late = False  # the body was not whole in time
        self.has_ended = False  # its last answer is given
        self.discards = False  # the rest of its body is read to be thrown away
        self.pieces = Pieces()  # of the body that is being received
        self.state = State.SILENT
        self.since = self.deadline = 0.0  # when the state began and when it has to end, by the monotonic clock

    def drop(self) -> None:
        """End the connection at once, whatever is under way."""

    def hang_up(self) -> None:
        """Close the connection in order; nothing is under way."""

    def stop_sending(self) -> None:
        """Read no more of a body, as it has to make room for others."""

    def greets(self) -> None:
        """The first bytes of the handshake came."""
        self._crowd.move(self, State.GREETING, HANDSHAKE_SECONDS)

    def greeted(self) -> None:
        """The handshake is over."""
        self._crowd.move(self, State.IDLE_STRANGER, KEEP_ALIVE_SECONDS)

    def sends(self) -> None:
        """Bytes came; those that begin a request begin its time as well."""
        if self.state in {State.IDLE_STRANGER, State.IDLE_KNOWN}:
            self._crowd.move(self, self._sending, HEADERS_SECONDS)

    def sent_headers(self) -> None:
        """The headers are whole; the reader of the body answers when its time is over, and after that this connection is ended."""
        self._crowd.move(self, self._sending, BODY_SECONDS + CLOSING_SECONDS)

    def end_after_answer(self) -> None:
        """Answer no further request over this connection: pipelined ones may be there already."""
        self.has_ended = True

    def sent_request(self) -> None:
        """The body is whole too."""
        self._crowd.move(self, State.ANSWERING, ANSWER_SECONDS)

    def trust(self) -> None:
        """The request was a good review of somebody who may send reviews."""
        self.known = True

    def rests(self) -> None:
        """The answer was given."""
        self._crowd.move(self, State.IDLE_KNOWN if self.known else State.IDLE_STRANGER, KEEP_ALIVE_SECONDS)

    @property
    def hung_up(self) -> bool:
        """Whether the other side has left, or is about to."""
        return self.has_left

    @property
    def _sending(self) -> State:
        return State.SENDING_KNOWN if self.known else State.SENDING_STRANGER


class Crowd:
    """All open connections of one process; safe to share between threads."""

    def __init__(
        self,
        *,
        places: Places = PLACES,
        clock: Callable[[], float] = monotonic,
        on_drop: Callable[[], object] = lambda: None,
    ) -> None:
        self._places = places
        self._group = {state: group for group in places for state in group}
        self._clock = clock
        self._on_drop = on_drop
        self._in: dict[State, dict[Caller, None]] = {state: {} for state in State}
        self._lock = RLock()
        self.closed = 0  # by whichever side

    def __len__(self) -> int:
        return sum(map(len, self._in.values()))

    def now(self) -> float:
        """The time by which `since` and `deadline` count."""
        return self._clock()

    def count(self, state: State) -> int:
        """How many are in a state."""
        return len(self._in[state])

    def of(self, state: State) -> list[Caller]:
        """Those in a state, the one first that is longest in it."""
        with self._lock:
            return list(self._in[state])

    def arrive(self, caller: Caller) -> None:
        """A connection was accepted."""
        self.move(caller, State.SILENT, HANDSHAKE_SECONDS)

    def move(self, caller: Caller, state: State, seconds: float) -> None:
        """A connection is in another state now, for so long at most; where that is one too many, another one is dropped."""
        with self._lock:
            if caller.has_left:
                return
            self._in[caller.state].pop(caller, None)
            caller.state, caller.since = state, self._clock()
            caller.deadline = caller.since + seconds
            self._in[state][caller] = None
            group = self._group.get(state)
            if group is not None and sum(len(self._in[each]) for each in group) > self._places[group]:
                self._drop(next(one for each in group for one in self._in[each]))

    def leave(self, caller: Caller) -> None:
        """A connection is closed."""
        with self._lock:
            self.closed += not caller.has_left
            caller.has_left = True
            self._in[caller.state].pop(caller, None)

    def drop_overdue(self) -> None:
        """Drop every connection that has used up its time."""
        now = self._clock()
        with self._lock:
            for caller in [one for members in self._in.values() for one in members if one.deadline <= now]:
                self._drop(caller)

    def drop_one(self) -> bool:
        """Drop the connection that is missed least, as no file descriptor is left; False where there is none."""
        with self._lock:
            least = next((one for group in self._places for state in group for one in self._in[state]), None)
            if least is not None:
                self._drop(least)
        return least is not None

    def _drop(self, caller: Caller) -> None:
        self.leave(caller)
        self._on_drop()
        caller.drop()
