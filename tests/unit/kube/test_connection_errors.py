"""Messages of calls without an answer, over real sockets: they name the call and the failure, and no detail of the machine."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread
from typing import Final

import pytest
import urllib3
from kubernetes import client
from urllib3.exceptions import HTTPError, MaxRetryError, ProxyError

from webhook.kube.api import ApiError, connection_pool
from webhook.kube.connection_errors import UNKNOWN, describe_failure

Answer = Callable[[socket.socket], None]
SECONDS: Final = 0.5
# An address with a port, an object's id, a class of Python or of the library.
LEAKS: Final = re.compile(
    r"127\.0\.0\.1|localhost|invalid\b|port=|0x[0-9a-f]|Pool|Error|Exception|Errno|_ssl|urllib3|http\.client"
)


def says(content: bytes) -> Answer:
    """Send some bytes and close."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(content)

    return answer


def waits(content: bytes = b"") -> Answer:
    """Send some bytes and then nothing, for longer than every timeout."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(content)
        time.sleep(4 * SECONDS)

    return answer


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], int]]:
    """Start servers on free ports; stop them at the end."""
    listeners: list[socket.socket] = []

    def start(answer: Answer) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with closing(connection):
                    answer(connection)

        Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]  # type: ignore[no-any-return]

    yield start
    for listener in listeners:
        listener.close()


def asked(url: str) -> str:
    """Return the message of a call that fails."""
    settings = client.Configuration()
    settings.host = url
    with pytest.raises(ApiError) as bad:
        connection_pool(settings).within(SECONDS).get("/api/v1/namespaces/shop")
    assert bad.value.status == 0
    assert str(bad.value).startswith("GET /api/v1/namespaces/shop: ")
    assert LEAKS.search(str(bad.value)) is None, str(bad.value)
    return str(bad.value).partition(": ")[2]


HEAD: Final = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("scheme", "answer", "reason"),
    [
        ("http", waits(), "no answer before the timeout"),
        ("http", waits(HEAD + b"Content-Length: 9\r\n\r\n{"), "no answer before the timeout"),
        ("http", says(b""), "the connection was closed before the answer"),
        ("http", says(b"garbage\r\n\r\n"), "the answer was not HTTP"),
        ("http", says(HEAD + b"Content-Length: 9\r\n\r\n{"), "the answer was incomplete"),
        ("http", says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "the answer was incomplete"),
        ("http", says(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"), "the answer could not be decompressed"),
        ("http", says(HEAD + b"Content-Length: 1\r\n\r\n{"), ("cannot read the answer: not JSON: it ends before "
                                                             "its last value is complete")),
        ("https", says(b"garbage\r\n\r\n"), "TLS failed"),
        ("https", waits(), "no answer before the timeout"),
    ],
    ids=["silent", "half an answer", "hangs up", "no HTTP", "cut", "bad chunk", "bad gzip", "no JSON", "no TLS", "silent TLS"],
)  # fmt: skip
def test_a_server_that_fails(serve: Callable[[Answer], int], scheme: str, answer: Answer, reason: str) -> None:
    """This holds for every failure of the server."""
    assert asked(f"{scheme}://127.0.0.1:{serve(answer)}") == reason


def test_no_server() -> None:
    """No server listens, or the name is unknown."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert asked(f"http://127.0.0.1:{port}") == "the connection was refused"
    assert asked("http://nowhere.invalid") == "DNS did not resolve the name"


@pytest.mark.parametrize(
    "error",
    [
        MaxRetryError(urllib3.HTTPSConnectionPool("10.0.0.1", 6443), "/x", ProxyError("at 10.0.0.1", OSError("Errno 1"))),
        HTTPError("HTTPSConnectionPool(host='10.0.0.1', port=6443)"),
        client.ApiException(status=0, reason="SSLError\n10.0.0.1:6443"),
        ValueError("<object at 0x7f00>"),
    ],
)  # fmt: skip
def test_other_errors_of_the_library_show_nothing_of_the_machine(error: Exception) -> None:
    """This includes classes that a later release adds."""
    assert "10.0.0.1" not in describe_failure(error)
    assert "0x" not in describe_failure(error)
    assert describe_failure(ValueError("x")) == UNKNOWN
