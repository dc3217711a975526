"""The express lane's worker: gunicorn's, with an accept loop of our own, so that handshakes count and strangers give way."""

import asyncio
import logging
import os
import signal
import socket
from collections import deque
from contextlib import suppress
from typing import Any, Final

from gunicorn import sock
from gunicorn.workers.gasgi import ASGIWorker

from webhook.server.connection import Connection
from webhook.server.crowd import Crowd, State, places_within
from webhook.server.ending import (
    END_SECONDS,
    ENDS,
    GIVE_UP_SECONDS,
    LINGER_SECONDS,
    UNUSED,
    ignore,
    let_through,
    on_end,
)
from webhook.server.limits import (
    CLOSING_SECONDS,
    HANDSHAKE_SECONDS,
    NO_DESCRIPTOR,
    RECEIVE_BUFFER,
    raise_descriptor_limit,
)
from webhook.server.memory import Trimming

logger = logging.getLogger(__name__)

# How often connections are looked at whose time is over; gunicorn's arbiter wants a sign of life every 30 s.
TICK_SECONDS: Final = 0.25
# While the process ends.
SHORT_TICK_SECONDS: Final = 0.02
ACCEPTS_A_TURN: Final = 16
# A handshake costs the loop 0.8 ms (measured), so handshakes never take more than two thirds of it, nor 4 ms at a time: 800 a second
# are more than three API servers begin at once.
HANDSHAKES_A_TURN: Final = 4
TURN_SECONDS: Final = 0.005


class ExpressWorker(ASGIWorker):  # type: ignore[misc]
    """Serves the lane until it is told to end; then in-flight answers are sent first."""

    def init_signals(self) -> None:
        """Take signals from now on.

        uvloop forgets those that come before it runs, which is why its own handlers are not used.
        """
        is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        super().init_signals()
        for number in (*ENDS, *UNUSED):
            self.loop.remove_signal_handler(number)
        ignore(signal.SIGHUP, *UNUSED)  # a terminal that closes tells the arbiter as well
        if is_ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._told_to_end = asyncio.Event()
        on_end(lambda *_: self._end_soon())
        let_through()

    def _end_soon(self) -> None:
        self.alive = False
        self.loop.call_soon_threadsafe(self._told_to_end.set)

    async def _serve(self) -> None:
        """Accept and answer until the end (gunicorn calls it in place of its own)."""
        self._crowd = Crowd(places=places_within(raise_descriptor_limit()), on_drop=self.app.dropped)
        self._context = sock.ssl_context(self.cfg)
        self._beginning: deque[Connection] = deque()
        self._turn: asyncio.TimerHandle | None = None
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self.loop.add_reader(listener.fileno(), self._accept, listener)
        self.app.serves()
        trimming = Trimming()
        while self.alive and self.ppid == os.getppid():
            self.notify()
            self._crowd.drop_overdue()
            trimming.look(self._crowd.closed)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_end.wait(), TICK_SECONDS)
        self.alive = False
        await self._end()

    def _accept(self, listener: Any) -> bool:
        """Accept some connections; whether there may be more."""
        for _ in range(ACCEPTS_A_TURN):
            try:
                accepted, _address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return False
            except OSError as bad:
                if bad.errno in NO_DESCRIPTOR and self._crowd.drop_one():
                    return False  # its descriptor is free at the next turn
                raise
            accepted.settimeout(0)
            connection = Connection(self, self._crowd, accepted)
            self.loop.add_reader(accepted.fileno(), self._begin, connection)
            self._crowd.arrive(connection)
        return True

    def _begin(self, connection: Connection) -> None:
        """The first bytes came: the handshake begins when it has its turn."""
        self.loop.remove_reader(connection.accepted.fileno())
        connection.greets()
        self._beginning.append(connection)
        if self._turn is None:
            self._begin_some()

    def _begin_some(self) -> None:
        begun = 0
        while self._beginning and begun < HANDSHAKES_A_TURN:
            connection = self._beginning.popleft()
            if not connection.has_left:
                begun += 1
                connection.handshake = self.loop.create_task(self._greet(connection))
        self._turn = self.loop.call_later(TURN_SECONDS, self._begin_some) if begun else None

    async def _greet(self, connection: Connection) -> None:
        """Do the TLS handshake."""
        try:
            await self.loop.connect_accepted_socket(
                lambda: connection,
                connection.accepted,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=CLOSING_SECONDS,
            )
        except OSError:
            logger.debug("a TLS handshake failed", exc_info=True)
        finally:
            connection.handshake = None
            if connection.transport is None:
                self._crowd.leave(connection)
                connection.accepted.close()

    async def _end(self) -> None:
        """Accept no more, answer what is under way, and close each connection once it is idle."""
        for listener in self.sockets:
            self.loop.remove_reader(listener.fileno())
            while self._accept(listener):  # what the kernel accepted before is answered as well
                pass
            listener.close()
        begun = self.loop.time()
        while len(self._crowd) and (spent := self.loop.time() - begun) < END_SECONDS:
            if spent >= GIVE_UP_SECONDS:
                self.asgi.give_up()
            await self._hang_up_idle()
            await asyncio.sleep(SHORT_TICK_SECONDS)
        while self._crowd.drop_one():
            pass
        await asyncio.sleep(SHORT_TICK_SECONDS)  # so that what was closed is

    async def _hang_up_idle(self) -> None:
        """Close every connection that has been idle for long enough, or on which a stranger has been sending for as long.

        One at a turn of the loop, which sends what tells the other side: a request that comes between the two is lost.
        """
        for state in (State.SILENT, State.GREETING, State.IDLE_STRANGER, State.SENDING_STRANGER, State.IDLE_KNOWN):
            for connection in self._crowd.of(state):
                if (
                    connection.state is state
                    and not connection.has_left
                    and self._crowd.now() - connection.since >= LINGER_SECONDS
                ):
                    connection.hang_up()
                    await asyncio.sleep(0)
