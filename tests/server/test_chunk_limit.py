"""A body may arrive in chunks, but not in chunks so small that each byte costs as much as a review."""

import socket
import ssl
import time
from contextlib import closing, suppress

import pytest

from tests.programs import Program
from tests.reviews import GOOD, encoded, pod
from webhook.server.chunk_limit import FREE_CHUNKS, MIN_MEAN_CHUNK_BYTES, TOO_MANY_CHUNKS, ChunkCounter

HEAD = b"POST /validate HTTP/1.1\r\nHost: catflap\r\nContent-Type: application/json\r\n"


def connected(server: Program) -> ssl.SSLSocket:
    """Return a connection after its handshake that sends each write at once."""
    context = ssl.create_default_context(cafile=str(server.authority))
    raw = socket.create_connection(("localhost", server.port), timeout=10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname="localhost")


def chunks(body: bytes, size: int) -> bytes:
    """Return a body in chunks of `size` bytes."""
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def status(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    """Return the status and the text of the answer."""
    answer = b""
    with suppress(OSError):
        while (more := connection.recv(65536)) and b'"}' not in answer + more:
            answer += more
        answer += more
    return int(answer.split(b" ")[1]), answer


@pytest.mark.parametrize("size", [1, 7, 64])
def test_chunks_that_are_too_small_are_a_400(server: Program, size: int) -> None:
    """The size of the whole body does not matter; the connection is closed, as the rest of the body is not read."""
    body = encoded(pod(GOOD, annotations={"filler": "x" * 400_000}))
    with closing(connected(server)) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):
            connection.sendall(chunks(body, size))
        code, answer = status(connection)
        assert (code, TOO_MANY_CHUNKS.body in answer) == (400, True)


def test_reads_of_one_byte_are_a_400(server: Program) -> None:
    """Each byte has its own TLS record."""
    body = encoded(pod(GOOD, annotations={"filler": "x" * 100_000}))
    with closing(connected(server)) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        with suppress(OSError):
            for at in range(3_000):  # at a pace at which the server reads a few at once, also on a busy machine
                connection.send(body[at : at + 1])
                time.sleep(0.0005)
        assert status(connection)[0] == 400


@pytest.mark.parametrize("size", [2 * MIN_MEAN_CHUNK_BYTES, 1_400, 16_384, 1 << 20])
def test_chunks_of_a_typical_size_are_read(server: Program, size: int) -> None:
    """The largest accepted body is read too."""
    body = encoded(pod(GOOD, annotations={"filler": "x" * 7_900_000}))
    with closing(connected(server)) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(body, size))
        assert status(connection)[0] == 200


def test_a_small_review_may_arrive_byte_by_byte(server: Program) -> None:
    """Few bytes are few chunks."""
    body = encoded(pod(GOOD))
    small = body[: FREE_CHUNKS // 2]
    with closing(connected(server)) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.sendall(chunks(small, 1)[: -len(b"0\r\n\r\n")] + chunks(body[len(small) :], 4096))
        assert status(connection)[0] == 200


def test_the_chunks_of_each_request_are_counted_separately(server: Program) -> None:
    """One connection carries many requests."""
    body = encoded(pod(GOOD))
    with closing(connected(server)) as connection:
        for _ in range(4):
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(body, 1 + len(body) // 200))
            assert status(connection)[0] == 200


@pytest.mark.parametrize("size", [1, 10, MIN_MEAN_CHUNK_BYTES - 1, MIN_MEAN_CHUNK_BYTES, 10_000])
def test_the_limit_is_a_mean(size: int) -> None:
    """Chunks below the mean exceed the limit at some point, chunks of the mean never."""
    chunk_counter = ChunkCounter()
    for _ in range(FREE_CHUNKS * MIN_MEAN_CHUNK_BYTES + 1):
        chunk_counter.add(size)
    assert chunk_counter.is_exceeded == (size < MIN_MEAN_CHUNK_BYTES)
