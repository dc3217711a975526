"""Start a temporary `catflap serve` on this machine, and send it reviews as the API server does."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import msgspec
from msgspec import Struct

START_SECONDS = 20.0
POLL_SECONDS = 0.05
ANSWER_SECONDS = 5.0
ENDED_BY_SIGTERM = 128 + signal.SIGTERM  # as a shell reports it


class ServerStartError(Exception):
    """The server did not start; the message is its last output."""


class DemoServer(Struct, frozen=True):
    """A running server: its port, the CA that certifies it, and its log."""

    port: int
    authority: Path
    audit_log: Path

    def review(self, path: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """POST one AdmissionReview and return its `response`; raises OSError if there is none."""
        body = msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse().read()
        finally:
            connection.close()
        return msgspec.json.decode(answer)["response"]  # type: ignore[no-any-return]


def create_request(resource: str, manifest: Mapping[str, Any], *, namespace: str) -> dict[str, Any]:
    """Return the `request` that the API server makes of a user's CREATE."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    return {
        "uid": str(uuid4()),
        "kind": {"group": group, "version": version, "kind": manifest["kind"]},
        "resource": {"group": group, "version": version, "resource": resource},
        "name": manifest["metadata"]["name"],
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "jane", "groups": ["developers", "system:authenticated"]},
        "object": manifest,
        "oldObject": None,
        "dryRun": False,
    }


@contextmanager
def demo_server(policy: Path, folder: Path) -> Iterator[DemoServer]:
    """Start the real server without a cluster, wait until it is ready, and stop it at the end.  Raises ServerDied."""
    port, status_port = free_port(), free_port()
    log = folder / "server.log"
    argv = [sys.executable, "-m", "webhook", "serve", "--standalone", "--policy", str(policy)]
    argv += ["--listen", f"127.0.0.1:{port}", "--status-listen", f"127.0.0.1:{status_port}"]
    argv += ["--tls-dir", str(folder / "tls"), "--audit-log", str(folder / "audit.log")]
    environment = {key: value for key, value in os.environ.items() if key != "POD_NAMESPACE"}
    with log.open("wb") as stderr, running(argv, stderr, environment) as server:
        wait_until_ready(server, status_port, log)
        yield DemoServer(port, folder / "tls" / "ca.crt", folder / "audit.log")


@contextmanager
def running(
    argv: Sequence[str], stderr: IO[bytes], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the block ends, also by SIGTERM.

    A signal during the start takes effect after it: otherwise the program could run already and be unknown here.
    """
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with subprocess.Popen(argv, stderr=stderr, env=environment) as program:  # noqa: S603 (catflap)
            try:
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED_BY_SIGTERM))
                if received:
                    sys.exit(ENDED_BY_SIGTERM)
                yield program
            finally:
                program.terminate()
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_until_ready(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Request /readyz until it answers ok.  Raises ServerDied."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=ANSWER_SECONDS):
                return
        except OSError:
            time.sleep(POLL_SECONDS)
    raise ServerStartError(log.read_text(encoding="utf-8", errors="replace")[-2000:])


def free_port() -> int:
    """Return a port that no program uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
