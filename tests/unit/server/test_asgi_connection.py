"""How a connection of the ASGI worker ends."""

import asyncio
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace
from typing import Final
from unittest.mock import Mock

from gunicorn.config import Config

from webhook.server.asgi_app import Receive, Scope, Send
from webhook.server.asgi_connection import AsgiConnection
from webhook.server.connection_tracker import ConnectionTracker

REQUEST: Final = b"GET / HTTP/1.1\r\nHost: catflap\r\n\r\n"


def test_a_connection_without_bytes_does_not_delay_the_shutdown() -> None:
    """The process waits for all tracked connections, so a closed one is no longer tracked."""
    loop = asyncio.new_event_loop()
    worker = SimpleNamespace(loop=loop, cfg=SimpleNamespace(), log=Mock(), asgi=Mock())
    ours, theirs = socket.socketpair()
    with closing(loop), closing(theirs):
        tracker = ConnectionTracker()
        connection = AsgiConnection(worker, tracker, ours)
        loop.add_reader(ours.fileno(), Mock())
        tracker.add(connection)
        connection.close_idle()
        assert len(tracker) == 0
        assert theirs.recv(1) == b""


def test_a_connection_stays_open_after_an_answer_that_does_not_announce_its_close() -> None:
    """The shutdown begins in the middle of an answer; the client's next request is answered, and that answer announces the close."""
    with ThreadPoolExecutor(1) as other:  # where no browser test has left an event loop in the thread
        first, second, end = other.submit(asyncio.run, answers_during_shutdown()).result()
    assert b"connection: close" not in first.lower()
    assert first.endswith(b"done")
    assert b"connection: close" in second.lower()
    assert second.endswith(b"done")
    assert end == b""


async def answers_during_shutdown() -> tuple[bytes, bytes, bytes]:
    """Return two answers of one connection, and what it sends after them; the shutdown begins in the middle of the first answer."""
    worker = SimpleNamespace(
        loop=asyncio.get_running_loop(), cfg=Config(), log=Mock(access_log_enabled=False), alive=True, nr=0, nr_conns=0
    )
    worker.max_requests, worker.is_shutting_down, worker.asgi = sys.maxsize, False, ShutdownDuringAnswer(worker)
    ours, theirs = socket.socketpair()
    tracker = ConnectionTracker()
    connection = AsgiConnection(worker, tracker, ours)
    tracker.add(connection)
    await worker.loop.connect_accepted_socket(lambda: connection, ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    with closing(writer):
        answers = []
        for _ in range(2):
            writer.write(REQUEST)
            answers.append(await reader.readuntil(b"done"))
        return answers[0], answers[1], await reader.read()


class ShutdownDuringAnswer:
    """An app during whose first answer the shutdown begins, after the headers, as a signal can at any moment."""

    def __init__(self, worker: SimpleNamespace) -> None:
        self._worker = worker

    def count_unanswered(self) -> None:
        """Ignore a disconnect."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer a request."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        self._worker.is_shutting_down = True
        await send({"type": "http.response.body", "body": b"done"})
