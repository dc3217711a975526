"""Which connections are open, which of them is dropped first where there are too many, and which has used up its time.

A connection is a stranger until a review that came over it was answered with 200; after that it is known. Known connections are those
of the API server, so those that strangers open never take their places.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from threading import RLock
from time import monotonic
from typing import Final

from webhook.server.chunk_limit import ChunkCounter
from webhook.server.limits import (
    ANSWER_SECONDS,
    BODY_SECONDS,
    CLOSING_SECONDS,
    HANDSHAKE_SECONDS,
    HEADERS_SECONDS,
    KEEP_ALIVE_SECONDS,
    MAX_CONNECTIONS,
    MAX_HANDSHAKES,
    MAX_TRUSTED,
    MAX_UNTRUSTED,
    OTHER_DESCRIPTORS,
)


class ConnectionState(Enum):
    """What a connection does at the moment."""

    ACCEPTED = auto()  # nothing of its TLS handshake came yet
    HANDSHAKE = auto()  # the TLS handshake
    IDLE_UNTRUSTED = auto()
    RECEIVING_UNTRUSTED = auto()  # headers or a body
    IDLE_TRUSTED = auto()
    RECEIVING_TRUSTED = auto()
    ANSWERING = auto()  # the request is whole


# Each group has a number of places; in each the first state gives up a place first, and in it the connection that is longest there.
GroupLimits = Mapping[tuple[ConnectionState, ...], int]
GROUP_LIMITS: Final[GroupLimits] = {
    (ConnectionState.ACCEPTED, ConnectionState.HANDSHAKE): MAX_HANDSHAKES,
    (ConnectionState.IDLE_UNTRUSTED, ConnectionState.RECEIVING_UNTRUSTED): MAX_UNTRUSTED,
    (ConnectionState.IDLE_TRUSTED, ConnectionState.RECEIVING_TRUSTED): MAX_TRUSTED,
}


def limits_for_descriptors(descriptors: int) -> GroupLimits:
    """The places of a process that may have so many files open: fewer in proportion where that is too few for all."""
    share = min(1.0, max(descriptors - OTHER_DESCRIPTORS, len(GROUP_LIMITS)) / MAX_CONNECTIONS)
    return {group: max(1, int(share * limit)) for group, limit in GROUP_LIMITS.items()}


class TrackedConnection:
    """One connection, as the code sees it that answers its requests; a subclass knows how to end it."""

    def __init__(self, tracker: "ConnectionTracker") -> None:
        self._tracker = tracker
        self.is_trusted = False
        self.is_closed = False  # it is closed, or about to be
        self.is_body_late = False  # the body was not whole in time
        self.is_last_response = False  # its last answer is given
        self.drains_body = False  # the rest of its body is read to be thrown away
        self.chunks = ChunkCounter()  # of the body that is being received
        self.state = ConnectionState.ACCEPTED
        self.since = self.deadline = 0.0  # when the state began and when it has to end, by the monotonic clock

    def drop(self) -> None:
        """End the connection at once, whatever is under way."""

    def close_idle(self) -> None:
        """Close the connection in order; nothing is under way."""

    def stop_receiving(self) -> None:
        """Read no more of a body, as it has to make room for others."""

    def begin_handshake(self) -> None:
        """The first bytes of the handshake came."""
        self._tracker.set_state(self, ConnectionState.HANDSHAKE, HANDSHAKE_SECONDS)

    def end_handshake(self) -> None:
        """The handshake is over."""
        self._tracker.set_state(self, ConnectionState.IDLE_UNTRUSTED, KEEP_ALIVE_SECONDS)

    def receive_bytes(self) -> None:
        """Bytes came; those that begin a request begin its time as well."""
        if self.state in {ConnectionState.IDLE_UNTRUSTED, ConnectionState.IDLE_TRUSTED}:
            self._tracker.set_state(self, self._receiving, HEADERS_SECONDS)

    def end_headers(self) -> None:
        """The headers are whole; the reader of the body answers when its time is over, and after that this connection is ended."""
        self._tracker.set_state(self, self._receiving, BODY_SECONDS + CLOSING_SECONDS)

    def close_after_response(self) -> None:
        """Answer no further request over this connection: pipelined ones may be there already."""
        self.is_last_response = True

    def end_request(self) -> None:
        """The body is whole too."""
        self._tracker.set_state(self, ConnectionState.ANSWERING, ANSWER_SECONDS)

    def trust(self) -> None:
        """The request was a good review of somebody who may send reviews."""
        self.is_trusted = True

    def become_idle(self) -> None:
        """The answer was given."""
        self._tracker.set_state(
            self,
            ConnectionState.IDLE_TRUSTED if self.is_trusted else ConnectionState.IDLE_UNTRUSTED,
            KEEP_ALIVE_SECONDS,
        )

    @property
    def is_peer_closed(self) -> bool:
        """Whether the other side has left, or is about to."""
        return self.is_closed

    @property
    def _receiving(self) -> ConnectionState:
        return ConnectionState.RECEIVING_TRUSTED if self.is_trusted else ConnectionState.RECEIVING_UNTRUSTED


class ConnectionTracker:
    """All open connections of one process; safe to share between threads."""

    def __init__(
        self,
        *,
        limits: GroupLimits = GROUP_LIMITS,
        clock: Callable[[], float] = monotonic,
        on_drop: Callable[[], object] = lambda: None,
    ) -> None:
        self._limits = limits
        self._group = {state: group for group in limits for state in group}
        self._clock = clock
        self._on_drop = on_drop
        self._by_state: dict[ConnectionState, dict[TrackedConnection, None]] = {state: {} for state in ConnectionState}
        self._lock = RLock()
        self.closed_count = 0  # by whichever side

    def __len__(self) -> int:
        return sum(map(len, self._by_state.values()))

    def now(self) -> float:
        """The time by which `since` and `deadline` count."""
        return self._clock()

    def count(self, state: ConnectionState) -> int:
        """How many are in a state."""
        return len(self._by_state[state])

    def in_state(self, state: ConnectionState) -> list[TrackedConnection]:
        """Those in a state, the one first that is longest in it."""
        with self._lock:
            return list(self._by_state[state])

    def add(self, connection: TrackedConnection) -> None:
        """A connection was accepted."""
        self.set_state(connection, ConnectionState.ACCEPTED, HANDSHAKE_SECONDS)

    def set_state(self, connection: TrackedConnection, state: ConnectionState, seconds: float) -> None:
        """A connection is in another state now, for so long at most; where that is one too many, another one is dropped."""
        with self._lock:
            if connection.is_closed:
                return
            self._by_state[connection.state].pop(connection, None)
            connection.state, connection.since = state, self._clock()
            connection.deadline = connection.since + seconds
            self._by_state[state][connection] = None
            group = self._group.get(state)
            if group is not None and sum(len(self._by_state[each]) for each in group) > self._limits[group]:
                self._drop(next(one for each in group for one in self._by_state[each]))

    def remove(self, connection: TrackedConnection) -> None:
        """A connection is closed."""
        with self._lock:
            self.closed_count += not connection.is_closed
            connection.is_closed = True
            self._by_state[connection.state].pop(connection, None)

    def drop_expired(self) -> None:
        """Drop every connection that has used up its time."""
        now = self._clock()
        with self._lock:
            for connection in [one for members in self._by_state.values() for one in members if one.deadline <= now]:
                self._drop(connection)

    def drop_first(self) -> bool:
        """Drop the connection that is missed least, as no file descriptor is left; False where there is none."""
        with self._lock:
            first = next((one for group in self._limits for state in group for one in self._by_state[state]), None)
            if first is not None:
                self._drop(first)
        return first is not None

    def _drop(self, connection: TrackedConnection) -> None:
        self.remove(connection)
        self._on_drop()
        connection.drop()
