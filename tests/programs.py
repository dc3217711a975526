"""catflap's processes, started as a user or a Pod starts them."""

import atexit
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

from tests.audit_logs import assert_sound
from tests.controlplane.process_supervisor import ProcessSupervisor
from tests.ports import free_port
from webhook.audit.log_lines import read_records

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.02
SUBJECTS: Final = frozenset({"decision", "write", "configuration"})
JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """A complete HTTP response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def response(self) -> dict[str, Any]:
        """Return the `response` of an AdmissionReview."""
        return json.loads(self.body)["response"]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Program:
    """A running process with its ports and files."""

    process: "subprocess.Popen[bytes]"
    status_port: int
    folder: Path
    port: int = 0

    @property
    def authority(self) -> Path:
        """Return the file of the CA that signed the server's certificate."""
        return self.folder / "tls" / "ca.crt"

    @property
    def audit_log(self) -> Path:
        """Return the file of its audit records."""
        return self.folder / "audit.log"

    def records(self, *types: str) -> list[dict[str, Any]]:
        """Return the audit records so far of these types; without types, those of decisions, writes and configurations."""
        return [record for record in read_records([str(self.audit_log)]) if record["type"] in (types or SUBJECTS)]

    def log(self) -> str:
        """Return its standard error output."""
        return (self.folder / "stderr.log").read_text(encoding="utf-8", errors="replace")

    def status(self, path: str) -> Answer:
        """GET a path of the status port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}{path}", timeout=5) as answer:
                return Answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read())

    def connect(self, timeout: float = 10.0) -> http.client.HTTPSConnection:
        """Return a connection that trusts only the server's CA."""
        context = ssl.create_default_context(cafile=str(self.authority))
        return http.client.HTTPSConnection("localhost", self.port, context=context, timeout=timeout)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """POST once over a new connection."""
        connection = self.connect()
        try:
            connection.request("POST", path, body, dict(JSON if headers is None else headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    def is_up(self) -> bool:
        """Return whether the status port answers."""
        try:
            return self.status("/healthz").status == http.client.OK
        except OSError:
            return False

    def wait_for(self, path: str = "/readyz") -> None:
        """Wait until the status port answers 200; fails with the log."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.status(path).status == http.client.OK:
                    return
            except OSError:
                pass
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"not ready ({self.process.poll()}):\n{self.log()}")


@cache
def supervisor() -> ProcessSupervisor:
    """Return what ends the programs of this process when it ends, also by SIGKILL."""
    found = ProcessSupervisor(prefix="catflap-programs-")
    atexit.register(found.close)
    return found


def start_program(
    *arguments: str,
    output: IO[bytes] | int | None = None,
    errors: IO[bytes] | int | None = None,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a verb of catflap as a process that does not outlive this one, with its children such as gunicorn's worker."""
    argv = [sys.executable, "-m", "webhook", *arguments]
    env = {**os.environ, **(environment or {})}
    return supervisor().start(argv, output=output, errors=errors, cwd=Path.cwd(), env=env)


@contextmanager
def serve(
    folder: Path, *arguments: str, ready: bool = True, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run `catflap serve` on free ports of this machine, with its TLS folder and audit log in `folder`."""
    port = free_port()
    own = ["--listen", f"127.0.0.1:{port}", "--tls-dir", str(folder / "tls")]
    with running(folder, "serve", *own, *arguments, port=port, ready=ready, environment=environment) as program:
        yield program


@contextmanager
def control(
    folder: Path, *arguments: str, ready: bool = True, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run `catflap controller` with its audit log in `folder`."""
    with running(folder, "controller", *arguments, ready=ready, environment=environment) as program:
        yield program


@contextmanager
def running(
    folder: Path,
    verb: str,
    *arguments: str,
    port: int = 0,
    ready: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """Run a verb as a process and stop it at the end; it must stop at SIGTERM."""
    status_port = free_port()
    own = ["--status-listen", f"127.0.0.1:{status_port}", "--audit-log", str(folder / "audit.log")]
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "stderr.log").open("ab") as stderr,
        start_program(verb, *own, *arguments, errors=stderr, environment=environment) as process,
    ):
        program = Program(process, status_port, folder, port)
        try:
            if ready:
                program.wait_for()
            yield program
        finally:
            stop(process)
    assert_sound(program.audit_log, killed=process.returncode != 0)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop the process as the kubelet does; a process that does not end is killed and fails the test.

    SIGINT is not used: a shell starts background jobs with that signal ignored, and their children inherit that.
    """
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
