"""A watch that receives no more data."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import pytest
from kubernetes import client

from webhook.kube import watch as watching
from webhook.kube.api import Json, connection_pool
from webhook.kube.watch import Watch

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def line(number: int) -> bytes:
    """Return one event of a watch, as a chunk."""
    thing = {"metadata": {"name": f"n{number}", "resourceVersion": str(number)}}
    text = json.dumps({"type": "ADDED", "object": thing}).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(text), text)


class HalfDead:
    """An API server whose watches send one event, and then nothing, on a connection that stays open."""

    def __init__(self, listener: socket.socket) -> None:
        self.asked: list[str] = []
        self._listener = listener
        self._kept: list[socket.socket] = []
        self.ended = Event()

    def serve(self) -> None:
        """Answer requests until the end."""
        while not self.ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._answer, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Close the connections: the garbage collection of an open one would cause a warning in another test."""
        for connection in self._kept:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        self._kept.append(connection)
        while request := received(connection):
            target = request.split(b" ")[1].decode()
            if "watch=true" in target:
                self.asked.append(target)
                connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + line(len(self.asked)))
                return
            body = json.dumps({"metadata": {"resourceVersion": "0"}, "items": []}).encode()
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def received(connection: socket.socket) -> bytes:
    """Return the next received bytes; nothing after the connection is closed."""
    try:
        return connection.recv(65536)
    except OSError:
        return b""


@contextmanager
def half_dead() -> Iterator[tuple[HalfDead, str]]:
    """Start such a server; yield it with its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = HalfDead(listener)
        Thread(target=server.serve, daemon=True).start()
        try:
            yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.ended.set()
            server.close()


def test_a_silent_watch_begins_again_from_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no new list and no error, and the new watch delivers the missed events."""
    monkeypatch.setattr(watching, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(watching, "SHORTEST_WATCH_SECONDS", 0.1)
    seen: list[str] = []
    third = Event()

    def took(thing: Json) -> None:
        seen.append(thing["metadata"]["name"])
        if len(seen) == 3:
            third.set()

    with half_dead() as (server, host):
        watch = Watch(connection_pool(client.Configuration(host=host)), "/api/v1/namespaces")
        watch.on_change(took)
        watch.start()
        assert third.wait(30)
        watch.stop()
    assert seen[:3] == ["n1", "n2", "n3"]
    versions = [target.partition("resourceVersion=")[2].partition("&")[0] for target in server.asked]
    assert versions[:3] == ["0", "1", "2"]
