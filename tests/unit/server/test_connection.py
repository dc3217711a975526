"""How a connection of the express lane ends."""

import asyncio
import socket
from contextlib import closing
from types import SimpleNamespace
from unittest.mock import Mock

from webhook.server.connection import Connection
from webhook.server.crowd import Crowd


def test_a_connection_that_sent_nothing_holds_no_end_up() -> None:
    """The process waits for all connections that are counted, so one that is closed counts no more."""
    loop = asyncio.new_event_loop()
    worker = SimpleNamespace(loop=loop, cfg=SimpleNamespace(), log=Mock(), asgi=Mock())
    ours, theirs = socket.socketpair()
    with closing(loop), closing(theirs):
        crowd = Crowd()
        connection = Connection(worker, crowd, ours)
        loop.add_reader(ours.fileno(), Mock())
        crowd.arrive(connection)
        connection.hang_up()
        assert len(crowd) == 0
        assert theirs.recv(1) == b""
