"""How a connection of the express lane ends."""

import asyncio
import socket
from contextlib import closing
from types import SimpleNamespace
from unittest.mock import Mock

from webhook.server.asgi_connection import AsgiConnection
from webhook.server.connection_tracker import ConnectionTracker


def test_a_connection_that_sent_nothing_holds_no_end_up() -> None:
    """The process waits for all connections that are counted, so one that is closed counts no more."""
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
