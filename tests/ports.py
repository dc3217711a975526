"""Ports for the programs that tests start.

A port is free when it is found and bound some seconds later. Until then no other test process on this machine may find it as well.
"""

import fcntl
import socket
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from secrets import choice  # pytest-randomly gives `random` the same seed in every worker
from tempfile import gettempdir
from typing import BinaryIO, Final

# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections: only servers take ports here, and a
# server finds its own again after a restart.
PORTS: Final = range(20_000, 32_768)
FOUND: Final = set[int]()


@cache
def reservations() -> BinaryIO:
    """Return the file in which each test process locks the bytes whose offsets are its ports, until the process ends."""
    return (Path(gettempdir()) / "catflap-test-ports").open("ab+")


def free_ports(count: int) -> Iterator[int]:
    """Return ports that are free and that no other test process has found."""
    return islice(_candidates(), count)


def free_port() -> int:
    """Return one such port."""
    return next(_candidates())


def _candidates() -> Iterator[int]:
    while True:
        port = choice(PORTS)
        if port not in FOUND and _is_free(port):
            FOUND.add(port)
            yield port


def _is_free(port: int) -> bool:
    try:
        fcntl.lockf(reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
