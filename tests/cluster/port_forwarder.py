"""Forwards connections of a Service's port to the current endpoint."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Thread
from typing import Final

from tests.ports import free_port

PIECE: Final = 1 << 16


class ForwardTarget:
    """The target of new connections; existing ones keep theirs, as with kube-proxy."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.target = 0


@contextmanager
def port_forwarder() -> Iterator[ForwardTarget]:
    """Run a forwarder on a port of this machine."""
    endpoint = ForwardTarget(free_port())
    with closing(socket.create_server(("127.0.0.1", endpoint.port))) as listener:
        Thread(target=accept, args=(listener, endpoint), name="service", daemon=True).start()
        yield endpoint
        listener.shutdown(socket.SHUT_RDWR)


def accept(listener: socket.socket, endpoint: ForwardTarget) -> None:
    """Connect each caller with the endpoint."""
    with suppress(OSError):  # the listener is closed
        while True:
            caller, _ = listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", endpoint.target), timeout=5)
            except OSError:
                caller.close()
                continue
            server.settimeout(None)
            for source, sink in ((caller, server), (server, caller)):
                Thread(target=copy_bytes, args=(source, sink), name="connection", daemon=True).start()


def copy_bytes(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until one side closes."""
    with suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
