"""Tracks the open connections: it drops the least important one where there are too many, and each one that exceeds its time limit.

A connection is untrusted until one of its reviews is answered with 200, and trusted after that. Trusted connections are those of the API
server. Untrusted connections have limits of their own, so they never use up the places of trusted ones.
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
    """The state of a connection."""

    ACCEPTED = auto()  # no bytes of its TLS handshake have arrived
    HANDSHAKE = auto()  # in its TLS handshake
    IDLE_UNTRUSTED = auto()
    RECEIVING_UNTRUSTED = auto()  # receiving headers or a body
    IDLE_TRUSTED = auto()
    RECEIVING_TRUSTED = auto()
    ANSWERING = auto()  # the request is complete


# The highest number of connections in each group of states. Where a group exceeds it, the connection that is longest in the
# group's first state is dropped, else the one that is longest in its second state.
GroupLimits = Mapping[tuple[ConnectionState, ...], int]
GROUP_LIMITS: Final[GroupLimits] = {
    (ConnectionState.ACCEPTED, ConnectionState.HANDSHAKE): MAX_HANDSHAKES,
    (ConnectionState.IDLE_UNTRUSTED, ConnectionState.RECEIVING_UNTRUSTED): MAX_UNTRUSTED,
    (ConnectionState.IDLE_TRUSTED, ConnectionState.RECEIVING_TRUSTED): MAX_TRUSTED,
}


def limits_for_descriptors(descriptors: int) -> GroupLimits:
    """Return the limits of a process with so many file descriptors; they are scaled down where there are too few."""
    share = min(1.0, max(descriptors - OTHER_DESCRIPTORS, len(GROUP_LIMITS)) / MAX_CONNECTIONS)
    return {group: max(1, int(share * limit)) for group, limit in GROUP_LIMITS.items()}


class TrackedConnection:
    """One connection and its state; subclasses close the socket."""

    def __init__(self, tracker: "ConnectionTracker") -> None:
        self._tracker = tracker
        self.is_trusted = False
        self.is_closed = False  # closed, or about to be closed
        self.is_body_late = False  # the body was not complete in time
        self.is_last_response = False  # no further request is answered
        self.drains_body = False  # the rest of an oversized body is read and discarded
        self.chunks = ChunkCounter()  # of the current body
        self.state = ConnectionState.ACCEPTED
        self.since = self.deadline = 0.0  # begin and time limit of the state, on the monotonic clock

    def drop(self) -> None:
        """Close the connection at once, in any state."""

    def close_idle(self) -> None:
        """Close the connection, which has no request in progress."""

    def stop_receiving(self) -> None:
        """Stop reading a body, as the byte budget is used up."""

    def begin_handshake(self) -> None:
        """Begin the time limit of the handshake at its first bytes."""
        self._tracker.set_state(self, ConnectionState.HANDSHAKE, HANDSHAKE_SECONDS)

    def end_handshake(self) -> None:
        """Become idle after the handshake."""
        self._tracker.set_state(self, ConnectionState.IDLE_UNTRUSTED, KEEP_ALIVE_SECONDS)

    def receive_bytes(self) -> None:
        """Begin the time limit of the headers at the first bytes of a request."""
        if self.state in {ConnectionState.IDLE_UNTRUSTED, ConnectionState.IDLE_TRUSTED}:
            self._tracker.set_state(self, self._receiving, HEADERS_SECONDS)

    def end_headers(self) -> None:
        """Begin the time limit of the body; its reader replies 408 at the limit, and the connection is dropped after that."""
        self._tracker.set_state(self, self._receiving, BODY_SECONDS + CLOSING_SECONDS)

    def close_after_response(self) -> None:
        """Answer no further request of this connection, even where pipelined ones have arrived."""
        self.is_last_response = True

    def end_request(self) -> None:
        """Begin the time limit of the answer after the body."""
        self._tracker.set_state(self, ConnectionState.ANSWERING, ANSWER_SECONDS)

    def trust(self) -> None:
        """Trust the connection after a valid review of an authenticated sender."""
        self.is_trusted = True

    def become_idle(self) -> None:
        """Become idle after the answer."""
        self._tracker.set_state(
            self,
            ConnectionState.IDLE_TRUSTED if self.is_trusted else ConnectionState.IDLE_UNTRUSTED,
            KEEP_ALIVE_SECONDS,
        )

    @property
    def is_peer_closed(self) -> bool:
        """Return whether the client has closed the connection."""
        return self.is_closed

    @property
    def _receiving(self) -> ConnectionState:
        return ConnectionState.RECEIVING_TRUSTED if self.is_trusted else ConnectionState.RECEIVING_UNTRUSTED


class ConnectionTracker:
    """All open connections of one process; thread-safe."""

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
        self.closed_count = 0  # by either side

    def __len__(self) -> int:
        return sum(map(len, self._by_state.values()))

    def now(self) -> float:
        """Return the time on the clock of `since` and `deadline`."""
        return self._clock()

    def count(self, state: ConnectionState) -> int:
        """Return the number of connections in a state."""
        return len(self._by_state[state])

    def in_state(self, state: ConnectionState) -> list[TrackedConnection]:
        """Return the connections in a state; the one that is longest in it comes first."""
        with self._lock:
            return list(self._by_state[state])

    def add(self, connection: TrackedConnection) -> None:
        """Track an accepted connection."""
        self.set_state(connection, ConnectionState.ACCEPTED, HANDSHAKE_SECONDS)

    def set_state(self, connection: TrackedConnection, state: ConnectionState, seconds: float) -> None:
        """Move a connection to another state for at most `seconds`; drop a connection where the group exceeds its limit."""
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
        """Stop tracking a closed connection."""
        with self._lock:
            self.closed_count += not connection.is_closed
            connection.is_closed = True
            self._by_state[connection.state].pop(connection, None)

    def drop_expired(self) -> None:
        """Drop every connection that exceeds the time limit of its state."""
        now = self._clock()
        with self._lock:
            for connection in [one for members in self._by_state.values() for one in members if one.deadline <= now]:
                self._drop(connection)

    def drop_first(self) -> bool:
        """Drop the least important connection to free a file descriptor; return False where there is none."""
        with self._lock:
            first = next((one for group in self._limits for state in group for one in self._by_state[state]), None)
            if first is not None:
                self._drop(first)
        return first is not None

    def _drop(self, connection: TrackedConnection) -> None:
        self.remove(connection)
        self._on_drop()
        connection.drop()
