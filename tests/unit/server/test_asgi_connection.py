"""How a connection of the ASGI worker ends."""

import asyncio
import socket
from contextlib import closing
from types import SimpleNamespace
from unittest.mock import Mock

from webhook.server.asgi_connection import AsgiConnection
from webhook.server.connection_tracker import ConnectionTracker


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
