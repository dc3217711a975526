"""gunicorn's worker with threads, for Flask alone: strangers have threads of their own, and a time for each step."""

import selectors
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic
from typing import Any, Final

from gunicorn.http.body import ChunkedReader
from gunicorn.workers.gthread import _DEFER, TConn, ThreadWorker

from webhook.server.app import CALLER
from webhook.server.crowd import Caller, Crowd, State, places_within
from webhook.server.ending import (
    END_SECONDS,
    GIVE_UP_SECONDS,
    LINGER_SECONDS,
    UNUSED,
    has_unread,
    ignore,
    is_ended_by_peer,
    let_through,
    on_end,
)
from webhook.server.limits import BODY_SECONDS, CLOSING_SECONDS, NO_DESCRIPTOR, RECEIVE_BUFFER, raise_descriptor_limit
from webhook.server.pieces import MESSAGE, Pieces, TooManyPiecesError

TICK_SECONDS: Final = 0.25
SHORT_TICK_SECONDS: Final = 0.02
ACCEPTS_A_TURN: Final = 16
# While others wait for a thread, a stranger's handshake, or its request, may hold one for this long; the API server's take milliseconds,
# and on a busy machine some tenths of a second. A thread that waits for bytes costs some kilobytes.
PATIENCE_SECONDS: Final = 1.0
STRANGER_THREADS: Final = 32
HURRY_SECONDS: Final = 0.001
MOST_DRAINED: Final = 64 * 1024
SENDING: Final = (State.SENDING_STRANGER, State.SENDING_KNOWN)
IDLE: Final = (State.IDLE_STRANGER, State.IDLE_KNOWN)


class Client(TConn, Caller):  # type: ignore[misc]
    """One connection; the main thread waits for its bytes, and a thread of a pool reads and answers a request."""

    def __init__(self, worker: "PlainWorker", crowd: Crowd, accepted: socket.socket, address: Any, server: Any) -> None:
        TConn.__init__(self, worker.cfg, accepted, address, server)
        Caller.__init__(self, crowd)
        self._worker = worker
        self.taken = 0.0  # since when a thread has it; 0 while none has
        self.in_body = False

    def drop(self) -> None:
        """End it from the main thread, which may wait for it."""
        self._worker.method_queue.defer(self._worker.end, self)

    @property
    def hung_up(self) -> bool:
        """Whether the other side has left, even if the main thread did not notice that yet."""
        return self.has_left or is_ended_by_peer(self.sock)

    def stop_sending(self) -> None:
        """Have its thread fail; OpenSSL sends nothing after that, so there is no answer."""
        self._shut(socket.SHUT_RDWR)

    def hurry(self) -> None:
        """Have its thread wait for no further piece of the body, and answer."""
        self.is_late = True
        self.sock.settimeout(HURRY_SECONDS)

    def close(self, graceful: bool = False) -> None:  # noqa: FBT002 (gunicorn's signature)
        """Close it; `graceful`: what is on the way is read, as a reset would take the answer away, but it is not waited for."""
        self._crowd.leave(self)
        if graceful:
            self._shut(socket.SHUT_WR)
            with suppress(OSError):
                self.sock.settimeout(0)
                self.sock.recv(MOST_DRAINED)
        super().close()

    def _shut(self, how: int) -> None:
        with suppress(
            OSError
        ):  # not by SSLSocket's own method, which takes the TLS state away from the thread that reads
            socket.socket.shutdown(self.sock, how)


@contextmanager
def counted(req: Any, pieces: Pieces) -> Iterator[None]:
    """Have the readers of a body count what they read, and raise TooManyPiecesError where that comes in too many pieces."""
    unreader, reader = req.unreader, req.body.reader

    def add(piece: bytes) -> bytes:
        pieces.add(len(piece))
        if pieces.are_too_many:
            raise TooManyPiecesError(MESSAGE)
        return piece

    unreader.chunk = lambda size_hint=None: add(type(unreader).chunk(unreader, size_hint))
    if isinstance(reader, ChunkedReader):
        reader.parser = map(add, reader.parser)
    try:
        yield
    finally:
        del unreader.chunk


class PlainWorker(ThreadWorker):  # type: ignore[misc]
    """Serves Flask until it is told to end; then in-flight answers are sent first."""

    wsgi: Any
    alive: bool

    def init_signals(self) -> None:
        """Take signals from now on."""
        is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        super().init_signals()
        if is_ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        ignore(signal.SIGHUP, *UNUSED)  # a terminal that closes tells the arbiter as well
        on_end(self.handle_exit)
        let_through()

    def load_wsgi(self) -> None:
        """Load the app, whose environ is to name the connection."""
        self._crowd = Crowd(places=places_within(raise_descriptor_limit()), on_drop=self.app.dropped)
        self._strangers = ThreadPoolExecutor(STRANGER_THREADS, thread_name_prefix="stranger")
        self._serving = threading.local()
        super().load_wsgi()
        app = self._app = self.wsgi

        def named(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            return app({**environ, CALLER: self._serving.client}, start_response)

        self.wsgi = named

    def run(self) -> None:
        """Accept and answer until the end."""
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.set_accept_enabled(True)
        self.app.serves()
        while self.alive and self.is_parent_alive():
            self._turn(TICK_SECONDS)
        self.alive = False
        self._end()

    def accept(self, listener: Any) -> None:
        """Accept some connections."""
        for _ in range(ACCEPTS_A_TURN):
            try:
                accepted, address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as bad:
                if bad.errno in NO_DESCRIPTOR and self._crowd.drop_one():
                    return  # its descriptor is free at the next turn
                raise
            client = Client(self, self._crowd, accepted, address, listener.getsockname())
            self.nr_conns += 1
            self.pending_conns.append(client)
            self._crowd.arrive(client)
            self.poller.register(client.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, client))

    def on_client_socket_readable(self, conn: Client, client: Any) -> None:
        """The next request on a connection begins."""
        if not conn.has_left:  # else `end` is about to close it, or has closed it among the same events
            conn.sends()
            super().on_client_socket_readable(conn, client)

    def on_pending_socket_readable(self, conn: Client, client: Any) -> None:
        """The handshake begins, or the first request after it."""
        if not conn.has_left:
            (conn.sends if conn.initialized else conn.greets)()
            super().on_pending_socket_readable(conn, client)

    def enqueue_req(self, conn: Client) -> None:
        """Have a thread read and answer one request."""
        pool = self.tpool if conn.known else self._strangers
        pool.submit(self.handle, conn).add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle(self, conn: Client) -> Any:
        """Do the handshake, or read and answer one request, in a thread."""
        conn.taken = monotonic()
        if not conn.initialized:
            try:
                conn.init()
            except OSError:
                return False
            conn.greeted()
            if not conn.sock.pending():
                return _DEFER  # the main thread waits for the request, as it may be long in coming
            conn.sends()
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Client) -> Any:
        """Answer one request whose headers were read."""
        conn.sent_headers()
        conn.in_body = True
        conn.sock.settimeout(BODY_SECONDS)  # for each piece of the body, and of the answer
        self._serving.client = conn
        conn.pieces = Pieces()
        with counted(req, conn.pieces):
            stays = super().handle_request(req, conn)
        return stays and not conn.has_ended

    def finish_request(self, conn: Client, fs: "Future[Any]") -> None:
        """A thread is done with a request."""
        conn.taken, conn.in_body = 0.0, False
        if conn.has_left:
            self.nr_conns -= 1
            conn.close()
            return
        if conn.initialized:
            conn.rests()
        super().finish_request(conn, fs)

    def end(self, client: Client) -> None:
        """Close a connection that waits for bytes; one that a thread has is cut, and closed when the thread is done."""
        for waiting in (self.pending_conns, self.keepalived_conns):
            if client in waiting:
                waiting.remove(client)
                self.poller.unregister(client.sock)
                self.nr_conns -= 1
                client.close()
                return
        client.stop_sending()

    def _turn(self, seconds: float) -> None:
        """Wait for bytes, connections and threads, and end what has used up its time."""
        self.notify()
        self.wait_for_and_dispatch_events(timeout=seconds)
        self._crowd.drop_overdue()
        now = monotonic()
        for client in (one for state in SENDING for one in self._crowd.of(state) if isinstance(one, Client)):
            if client.in_body and client.deadline - CLOSING_SECONDS <= now:
                client.hurry()
        self._relieve(now)

    def _relieve(self, now: float) -> None:
        """Take threads back from strangers that are slow while others wait for one."""
        waiting = self._strangers._work_queue.qsize()  # noqa: SLF001 (the pool does not tell otherwise)
        for state in (State.GREETING, State.SENDING_STRANGER):
            for client in self._crowd.of(state)[: max(0, waiting)]:
                if isinstance(client, Client) and client.taken and now - client.taken >= PATIENCE_SECONDS:
                    client.stop_sending()

    def _end(self) -> None:
        """Accept no more, answer what is under way, and close each connection once it is idle."""
        for listener in self.sockets:
            self.accept(listener)  # what the kernel accepted before is answered as well
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        begun = monotonic()
        while self.nr_conns > 0 and (spent := monotonic() - begun) < END_SECONDS:
            if spent >= GIVE_UP_SECONDS:
                self._app.give_up()
            for state in (State.SILENT, State.GREETING, State.SENDING_STRANGER, *IDLE):
                for client in self._crowd.of(state):
                    if self._crowd.now() - client.since >= LINGER_SECONDS and not has_unread(client.sock):  # type: ignore[attr-defined]
                        self.end(client)  # type: ignore[arg-type]
            self._turn(SHORT_TICK_SECONDS)
        for pool in (self.tpool, self._strangers):
            pool.shutdown(wait=False, cancel_futures=True)
