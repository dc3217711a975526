"""gunicorn's threaded worker for the WSGI app, with separate threads for untrusted connections and a time limit for each step."""

import selectors
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Any, Final

from gunicorn.workers.gthread import _DEFER, ThreadWorker

from webhook.server.chunk_limit import ChunkCounter
from webhook.server.connection_tracker import (
    ConnectionState,
    ConnectionTracker,
    limits_for_descriptors,
)
from webhook.server.gthread_connection import GthreadConnection, count_chunks
from webhook.server.limits import (
    BODY_SECONDS,
    CLOSING_SECONDS,
    NO_DESCRIPTOR_ERRORS,
    RECEIVE_BUFFER_BYTES,
    raise_descriptor_limit,
)
from webhook.server.shutdown import (
    LINGER_SECONDS,
    REJECT_AFTER_SECONDS,
    SHUTDOWN_SECONDS,
    UNUSED_SIGNALS,
    has_unread_bytes,
    ignore_signals,
    on_shutdown_signal,
    unblock_signals,
)
from webhook.server.wsgi_app import CONNECTION_KEY

TICK_SECONDS: Final = 0.25
SHORT_TICK_SECONDS: Final = 0.02
ACCEPTS_PER_TURN: Final = 16
# How long an untrusted connection's handshake or request may occupy a thread while others wait for one. The API server's take
# milliseconds, and some tenths of a second on a busy machine. A thread that waits for bytes costs a few kilobytes.
MAX_UNTRUSTED_THREAD_SECONDS: Final = 1.0
UNTRUSTED_THREADS: Final = 32
RECEIVING_STATES: Final = (ConnectionState.RECEIVING_UNTRUSTED, ConnectionState.RECEIVING_TRUSTED)
IDLE_STATES: Final = (ConnectionState.IDLE_UNTRUSTED, ConnectionState.IDLE_TRUSTED)


class BoundedGthreadWorker(ThreadWorker):  # type: ignore[misc]
    """Serves the WSGI app until a signal ends it; answers in progress are sent first."""

    wsgi: Any
    alive: bool

    def init_signals(self) -> None:
        """Install the signal handlers."""
        is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        super().init_signals()
        if is_ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        ignore_signals(signal.SIGHUP, *UNUSED_SIGNALS)  # the arbiter gets it as well when a terminal closes
        on_shutdown_signal(self.handle_exit)
        unblock_signals()

    def load_wsgi(self) -> None:
        """Load the app, and put the connection into the environ of each request."""
        self._tracker = ConnectionTracker(
            limits=limits_for_descriptors(raise_descriptor_limit()), on_drop=self.app.notify_dropped
        )
        self._untrusted_pool = ThreadPoolExecutor(UNTRUSTED_THREADS, thread_name_prefix="untrusted")
        self._local = threading.local()
        super().load_wsgi()
        app = self._app = self.wsgi

        def with_connection(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            return app({**environ, CONNECTION_KEY: self._local.client}, start_response)

        self.wsgi = with_connection

    def run(self) -> None:
        """Accept connections and answer requests until shutdown."""
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.set_accept_enabled(True)
        self.app.notify_accepting()
        while self.alive and self.is_parent_alive():
            self._run_once(TICK_SECONDS)
        self.alive = False
        self._shut_down()

    def accept(self, listener: Any) -> None:
        """Accept some connections."""
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as bad:
                if bad.errno in NO_DESCRIPTOR_ERRORS and self._tracker.drop_first():
                    return  # its descriptor is free in the next turn
                raise
            client = GthreadConnection(self, self._tracker, accepted, address, listener.getsockname())
            self.nr_conns += 1
            self.pending_conns.append(client)
            self._tracker.add(client)
            self.poller.register(client.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, client))

    def on_client_socket_readable(self, conn: GthreadConnection, client: Any) -> None:
        """Begin the next request of a connection."""
        if not conn.is_closed:  # else `close_connection` closes it in this turn, or has closed it
            conn.receive_bytes()
            super().on_client_socket_readable(conn, client)

    def on_pending_socket_readable(self, conn: GthreadConnection, client: Any) -> None:
        """Begin the handshake, or the first request after it."""
        if not conn.is_closed:
            (conn.receive_bytes if conn.initialized else conn.begin_handshake)()
            super().on_pending_socket_readable(conn, client)

    def enqueue_req(self, conn: GthreadConnection) -> None:
        """Make a thread read and answer one request."""
        pool = self.tpool if conn.is_trusted else self._untrusted_pool
        pool.submit(self.handle, conn).add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle(self, conn: GthreadConnection) -> Any:
        """Do the handshake, or read and answer one request, in a thread."""
        conn.thread_since = monotonic()
        if not conn.initialized:
            try:
                conn.init()
            except OSError:
                return False
            conn.end_handshake()
            if not conn.sock.pending():
                return _DEFER  # the main thread waits for the request, which may arrive late
            conn.receive_bytes()
        return super().handle(conn)

    def handle_request(self, req: Any, conn: GthreadConnection) -> Any:
        """Answer one request after its headers."""
        conn.end_headers()
        conn.in_body = True
        conn.sock.settimeout(BODY_SECONDS)  # for each read of the body, and for each write of the answer
        self._local.client = conn
        conn.chunks = ChunkCounter()
        with count_chunks(req, conn.chunks):
            stays = super().handle_request(req, conn)
        return stays and not conn.is_last_response

    def finish_request(self, conn: GthreadConnection, fs: "Future[Any]") -> None:
        """Continue a connection after a thread has finished its request."""
        conn.thread_since, conn.in_body = 0.0, False
        if conn.is_closed:
            self.nr_conns -= 1
            conn.close()
            return
        if conn.initialized:
            conn.become_idle()
        super().finish_request(conn, fs)

    def close_connection(self, client: GthreadConnection) -> None:
        """Close a connection that waits for bytes; where a thread serves it, shut its socket down, and close it after the thread."""
        for waiting in (self.pending_conns, self.keepalived_conns):
            if client in waiting:
                waiting.remove(client)
                self.poller.unregister(client.sock)
                self.nr_conns -= 1
                client.close()
                return
        client.stop_receiving()

    def _run_once(self, seconds: float) -> None:
        """Handle events of sockets and threads, and end expired connections."""
        self.notify()
        self.wait_for_and_dispatch_events(timeout=seconds)
        self._tracker.drop_expired()
        now = monotonic()
        for client in (
            one
            for state in RECEIVING_STATES
            for one in self._tracker.in_state(state)
            if isinstance(one, GthreadConnection)
        ):
            if client.in_body and client.deadline - CLOSING_SECONDS <= now:
                client.end_body_wait()
        self._free_threads(now)

    def _free_threads(self, now: float) -> None:
        """Take threads from slow untrusted connections while others wait for a thread."""
        waiting = self._untrusted_pool._work_queue.qsize()  # noqa: SLF001 (the pool has no public method for this)
        for state in (ConnectionState.HANDSHAKE, ConnectionState.RECEIVING_UNTRUSTED):
            for client in self._tracker.in_state(state)[: max(0, waiting)]:
                if (
                    isinstance(client, GthreadConnection)
                    and client.thread_since
                    and now - client.thread_since >= MAX_UNTRUSTED_THREAD_SECONDS
                ):
                    client.stop_receiving()

    def _shut_down(self) -> None:
        """Stop accepting, finish the answers in progress, and close each connection once it is idle."""
        for listener in self.sockets:
            self.accept(listener)  # connections in the kernel's backlog are answered as well
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        begun = monotonic()
        while self.nr_conns > 0 and (spent := monotonic() - begun) < SHUTDOWN_SECONDS:
            if spent >= REJECT_AFTER_SECONDS:
                self._app.reject_waiting()
            for state in (
                ConnectionState.ACCEPTED,
                ConnectionState.HANDSHAKE,
                ConnectionState.RECEIVING_UNTRUSTED,
                *IDLE_STATES,
            ):
                for client in self._tracker.in_state(state):
                    if self._tracker.now() - client.since >= LINGER_SECONDS and not has_unread_bytes(client.sock):  # type: ignore[attr-defined]
                        self.close_connection(client)  # type: ignore[arg-type]
            self._run_once(SHORT_TICK_SECONDS)
        for pool in (self.tpool, self._untrusted_pool):
            pool.shutdown(wait=False, cancel_futures=True)
