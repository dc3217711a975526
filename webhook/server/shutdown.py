"""The shutdown of catflap's processes: its signals, its time limits and its steps."""

import logging
import os
import select
import signal
import sys
import termios
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from threading import Thread
from time import monotonic
from typing import Final, NoReturn, Protocol

# Kubelets send SIGTERM, terminals SIGINT; gunicorn's arbiter passes SIGINT on as SIGQUIT.
SHUTDOWN_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# Signals by which gunicorn reloads, adds and removes workers, reopens logs or starts another server. catflap uses none of that.
UNUSED_SIGNALS: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)
# The API server does not retry a POST when its connection closes while the request is in transit (Go: Request.isReplayable). So a
# recently used connection stays open for this long, for one more request, which is answered with "Connection: close".
LINGER_SECONDS: Final = 0.3
# A process ends within 2 s of the signal. Answers in progress may take this part of that time, ...
REJECT_AFTER_SECONDS: Final = 1.0
# ... then they are refused, and all connections are closed after this time. The rest is for the stop record and the arbiter.
SHUTDOWN_SECONDS: Final = 1.3
# The kernel's event for a connection whose peer has closed its sending side.
PEER_CLOSED_EVENT: Final = getattr(select, "POLLRDHUP", 0)


def on_shutdown_signal(handler: Callable[[int, object], object]) -> None:
    """Call `handler` for each signal that ends a process.

    An ignored SIGINT stays ignored: shells start background jobs that way, so that ^C in the terminal does not end them.
    """
    for number in SHUTDOWN_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def ignore_signals(*numbers: signal.Signals) -> None:
    """Ignore signals."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def block_signals() -> Iterator[None]:
    """Delay shutdown signals until the end of the block; a process that is forked in the block inherits that."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SHUTDOWN_SIGNALS)
    try:
        yield
    finally:
        unblock_signals()


def unblock_signals() -> None:
    """Deliver the blocked shutdown signals."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SHUTDOWN_SIGNALS)


class HasFileno(Protocol):
    """A socket of any library."""

    def fileno(self) -> int:
        """Return the file descriptor."""


def has_unread_bytes(connection: HasFileno) -> bool:
    """Return whether a connection has unread bytes; False for a closed socket."""
    waiting = array("i", [0])
    with suppress(OSError, ValueError):
        ioctl(connection.fileno(), termios.FIONREAD, waiting)
    return waiting[0] > 0


def is_closed_by_peer(connection: HasFileno) -> bool:
    """Return whether the peer has closed its sending side, even if unread bytes are left; False where the system cannot tell."""
    if not PEER_CLOSED_EVENT:  # macOS
        return False
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(connection.fileno(), PEER_CLOSED_EVENT)
        return bool(poll.poll(0))
    return True  # the socket has no descriptor any more


def run_within(seconds: float, *steps: Callable[[], object]) -> None:
    """Run the steps in parallel and wait at most `seconds` for them, as a step may wait for an API server that hangs."""
    until = monotonic() + seconds
    threads = [Thread(target=step, name="ending", daemon=True) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - monotonic()))


def exit_process() -> NoReturn:
    """Exit this process without waiting for its threads, with the status of a SystemExit in progress."""
    error = sys.exc_info()[1]
    code = error.code if isinstance(error, SystemExit) else 0 if error is None else 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
