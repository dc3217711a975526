"""Untrusted clients in a separate process: idle connections, endless bodies, and handshakes that never begin.

    python -m tests.server.untrusted_clients PORT STATUS_PORT IDLE SLOW HALF_OPEN STATUS

A connection that the server closes is opened again, except for idle ones. Each second the process prints how many connections of each
kind are open.
"""

import asyncio
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from random import shuffle
from typing import Final, NamedTuple

import uvloop

from webhook.server.limits import raise_descriptor_limit

MAX_OPENING: Final = 100  # connections that are being opened
SLOW_INTERVAL_SECONDS: Final = 0.5
REOPEN_SECONDS: Final = 0.5
FIRST_BYTES: Final = 64 * 1024
CONTENT_LENGTH: Final = 8 * 1024 * 1024
HEADERS: Final = f"POST /validate HTTP/1.1\r\nHost: catflap\r\nContent-Type: application/json\r\nContent-Length: {CONTENT_LENGTH}\r\n\r\n"


class ConnectionCounts(NamedTuple):
    """The number of connections of each kind."""

    idle: int
    slow: int
    half_open: int
    status: int


class UntrustedClient(asyncio.Protocol):
    """One connection that is counted while it is open."""

    def __init__(self, kind: str, alive: Counter[str]) -> None:
        self.kind = kind
        self.alive = alive
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, _transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        self.alive[self.kind] += 1

    def connection_lost(self, _exc: Exception | None) -> None:
        """Stop counting the connection."""
        self.alive[self.kind] -= 1
        if not self.lost.done():
            self.lost.set_result(None)


class UntrustedLoad:
    """Opens all connections and keeps them open."""

    def __init__(self, port: int, status_port: int) -> None:
        self._port = port
        self._status_port = status_port
        self._alive: Counter[str] = Counter()
        self._opened: Counter[str] = Counter()
        self._gate = asyncio.Semaphore(MAX_OPENING)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    async def run(self, numbers: ConnectionCounts) -> None:
        """Run until the process is stopped."""
        tasks = [self._idle() for _ in range(numbers.idle)]
        tasks += [self._repeat(self._slow) for _ in range(numbers.slow)]
        tasks += [self._repeat(self._half_open) for _ in range(numbers.half_open)]
        tasks += [self._repeat(self._status) for _ in range(numbers.status)]
        shuffle(tasks)
        running = [asyncio.create_task(task) for task in tasks]
        while running:
            await asyncio.sleep(1)
            print(dict(self._alive), "of", dict(self._opened), flush=True)

    async def _repeat(self, kind: Callable[[], Awaitable[None]]) -> None:
        while True:
            await kind()
            await asyncio.sleep(REOPEN_SECONDS)

    async def _open(
        self, kind: str, port: int, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.Transport, UntrustedClient] | None:
        with suppress(OSError):
            async with self._gate, asyncio.timeout(10):
                self._opened[kind] += 1
                opened = await asyncio.get_running_loop().create_connection(
                    lambda: UntrustedClient(kind, self._alive), "127.0.0.1", port, ssl=tls
                )
                return opened[0], opened[1]
        return None

    async def _idle(self) -> None:
        if opened := await self._open("idle", self._port, self._tls):
            await opened[1].lost

    async def _half_open(self) -> None:
        if opened := await self._open("half-open", self._port, None):
            await opened[1].lost

    async def _status(self) -> None:
        if opened := await self._open("status", self._status_port, None):
            opened[0].write(b"GET /healthz HTTP/1.1\r\nHost:")
            await opened[1].lost

    async def _slow(self) -> None:
        if opened := await self._open("slow", self._port, self._tls):
            transport, stranger = opened
            transport.write(HEADERS.encode() + b" " * FIRST_BYTES)
            while not stranger.lost.done():
                transport.write(b" ")
                await asyncio.wait((stranger.lost,), timeout=SLOW_INTERVAL_SECONDS)


@contextmanager
def untrusted_clients(port: int, status_port: int, numbers: ConnectionCounts) -> Iterator["subprocess.Popen[str]"]:
    """Run untrusted clients until the end of the block; their standard output has the number of open connections."""
    argv = [sys.executable, "-m", "tests.server.untrusted_clients", str(port), str(status_port), *map(str, numbers)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    raise_descriptor_limit()
    _port, _status_port, *_numbers = map(int, sys.argv[1:])
    uvloop.run(UntrustedLoad(_port, _status_port).run(ConnectionCounts(*_numbers)))
