"""gunicorn's ASGI worker with its own accept loop, which limits handshakes and drops untrusted connections first."""

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

from webhook.server.asgi_connection import AsgiConnection
from webhook.server.connection_tracker import ConnectionState, ConnectionTracker, limits_for_descriptors
from webhook.server.limits import (
    CLOSING_SECONDS,
    HANDSHAKE_SECONDS,
    NO_DESCRIPTOR_ERRORS,
    RECEIVE_BUFFER_BYTES,
    raise_descriptor_limit,
)
from webhook.server.malloc_tuning import MemoryTrimmer
from webhook.server.shutdown import (
    LINGER_SECONDS,
    REJECT_AFTER_SECONDS,
    SHUTDOWN_SECONDS,
    SHUTDOWN_SIGNALS,
    UNUSED_SIGNALS,
    ignore_signals,
    on_shutdown_signal,
    unblock_signals,
)

logger = logging.getLogger(__name__)

# How often expired connections are dropped. gunicorn's arbiter expects a heartbeat every 30 s.
TICK_SECONDS: Final = 0.25
# The same during shutdown.
SHORT_TICK_SECONDS: Final = 0.02
ACCEPTS_PER_TURN: Final = 16
# A handshake costs the event loop 0.8 ms (measured), so handshakes take at most two thirds of its time, and less than 4 ms at once.
# Three API servers begin fewer handshakes at the same moment than the resulting 800 per second.
HANDSHAKES_PER_TURN: Final = 4
TURN_SECONDS: Final = 0.005


class BoundedAsgiWorker(ASGIWorker):  # type: ignore[misc]
    """Serves the ASGI app until a signal ends it; answers in progress are sent first."""

    def init_signals(self) -> None:
        """Install the signal handlers.

        uvloop loses signals that arrive before its loop runs, so its handlers are not used.
        """
        is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        super().init_signals()
        for number in (*SHUTDOWN_SIGNALS, *UNUSED_SIGNALS):
            self.loop.remove_signal_handler(number)
        ignore_signals(signal.SIGHUP, *UNUSED_SIGNALS)  # the arbiter gets it as well when a terminal closes
        if is_ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        # gunicorn's own flag, `alive`, would close a connection at once whose answer has just announced that it stays open.
        self.is_shutting_down = False
        self._shutdown_requested = asyncio.Event()
        on_shutdown_signal(lambda *_: self._request_shutdown())
        unblock_signals()

    def _request_shutdown(self) -> None:
        self.is_shutting_down = True
        self.loop.call_soon_threadsafe(self._shutdown_requested.set)

    async def _serve(self) -> None:
        """Accept connections until shutdown; overrides gunicorn's method."""
        self._tracker = ConnectionTracker(
            limits=limits_for_descriptors(raise_descriptor_limit()), on_drop=self.app.notify_dropped
        )
        self._context = sock.ssl_context(self.cfg)
        self._handshake_queue: deque[AsgiConnection] = deque()
        self._handshake_timer: asyncio.TimerHandle | None = None
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            self.loop.add_reader(listener.fileno(), self._accept, listener)
        self.app.notify_accepting()
        trimmer = MemoryTrimmer()
        while not self.is_shutting_down and self.ppid == os.getppid():
            self.notify()
            self._tracker.drop_expired()
            trimmer.trim_if_due(self._tracker.closed_count)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._shutdown_requested.wait(), TICK_SECONDS)
        self.is_shutting_down = True
        await self._shut_down()

    def _accept(self, listener: Any) -> bool:
        """Accept some connections; return whether there may be more."""
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, _address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return False
            except OSError as bad:
                if bad.errno in NO_DESCRIPTOR_ERRORS and self._tracker.drop_first():
                    return False  # its descriptor is free in the next turn of the loop
                raise
            accepted.settimeout(0)
            connection = AsgiConnection(self, self._tracker, accepted)
            self.loop.add_reader(accepted.fileno(), self._enqueue_handshake, connection)
            self._tracker.add(connection)
        return True

    def _enqueue_handshake(self, connection: AsgiConnection) -> None:
        """Queue a connection for its handshake after its first bytes."""
        self.loop.remove_reader(connection.accepted.fileno())
        connection.begin_handshake()
        self._handshake_queue.append(connection)
        if self._handshake_timer is None:
            self._begin_handshakes()

    def _begin_handshakes(self) -> None:
        begun = 0
        while self._handshake_queue and begun < HANDSHAKES_PER_TURN:
            connection = self._handshake_queue.popleft()
            if not connection.is_closed:
                begun += 1
                connection.handshake = self.loop.create_task(self._do_handshake(connection))
        self._handshake_timer = self.loop.call_later(TURN_SECONDS, self._begin_handshakes) if begun else None

    async def _do_handshake(self, connection: AsgiConnection) -> None:
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
                self._tracker.remove(connection)
                connection.accepted.close()

    async def _shut_down(self) -> None:
        """Stop accepting, finish the answers in progress, and close each connection once it is idle."""
        for listener in self.sockets:
            self.loop.remove_reader(listener.fileno())
            while self._accept(listener):  # connections in the kernel's backlog are answered as well
                pass
            listener.close()
        begun = self.loop.time()
        while len(self._tracker) and (spent := self.loop.time() - begun) < SHUTDOWN_SECONDS:
            if spent >= REJECT_AFTER_SECONDS:
                self.asgi.reject_waiting()
            await self._close_idle()
            await asyncio.sleep(SHORT_TICK_SECONDS)
        while self._tracker.drop_first():
            pass
        await asyncio.sleep(SHORT_TICK_SECONDS)  # gives the loop time to close them

    async def _close_idle(self) -> None:
        """Close every connection that is idle for LINGER_SECONDS, and untrusted ones that send for as long.

        Each turn of the loop closes one connection, so its close_notify is sent at once. A request that arrives between the check
        and the close is lost.
        """
        for state in (
            ConnectionState.ACCEPTED,
            ConnectionState.HANDSHAKE,
            ConnectionState.IDLE_UNTRUSTED,
            ConnectionState.RECEIVING_UNTRUSTED,
            ConnectionState.IDLE_TRUSTED,
        ):
            for connection in self._tracker.in_state(state):
                if (
                    connection.state is state
                    and not connection.is_closed
                    and self._tracker.now() - connection.since >= LINGER_SECONDS
                ):
                    connection.close_idle()
                    await asyncio.sleep(0)
