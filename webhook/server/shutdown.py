"""How our processes are told to end, by which signals, and in which steps they do."""

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
# By these gunicorn would reload, add and remove workers, reopen logs or start another server; none of that is of use here.
UNUSED_SIGNALS: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)
# The API server repeats no POST over a connection that ends while its request is on the way (Go: Request.isReplayable), so a
# connection that was used a moment ago stays open for this long, for one more request, which is answered with "Connection: close".
LINGER_SECONDS: Final = 0.3
# From the signal on, a process has ended after 2 s. Within that, answers in progress may take this long, ...
REJECT_AFTER_SECONDS: Final = 1.0
# ... then they are refused, and connections are closed whatever their state. The rest is for the stop record and the arbiter.
SHUTDOWN_SECONDS: Final = 1.3
# What the kernel tells of a connection whose other side sends no more.
PEER_CLOSED_EVENT: Final = getattr(select, "POLLRDHUP", 0)


def on_shutdown_signal(handler: Callable[[int, object], object]) -> None:
    """Call `handler` for each signal that ends a process.

    A SIGINT that is ignored stays so: shells start background jobs that way, so that a terminal's ^C does not end them.
    """
    for number in SHUTDOWN_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def ignore_signals(*numbers: signal.Signals) -> None:
    """Ignore signals from now on."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def block_signals() -> Iterator[None]:
    """Signals that end a process come after this block, when there is a handler for them; a fork inherits that."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SHUTDOWN_SIGNALS)
    try:
        yield
    finally:
        unblock_signals()


def unblock_signals() -> None:
    """Let the signals come that were held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SHUTDOWN_SIGNALS)


class HasFileno(Protocol):
    """A socket, of whichever library."""

    def fileno(self) -> int:
        """The number of its file descriptor."""


def has_unread_bytes(connection: HasFileno) -> bool:
    """Whether bytes came over a connection that were not read yet; none can come over one that is closed."""
    waiting = array("i", [0])
    with suppress(OSError, ValueError):
        ioctl(connection.fileno(), termios.FIONREAD, waiting)
    return waiting[0] > 0


def is_closed_by_peer(connection: HasFileno) -> bool:
    """Whether the other side sends no more over a connection, even if not all that it sent was read yet; False where that is unknown."""
    if not PEER_CLOSED_EVENT:  # macOS
        return False
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(connection.fileno(), PEER_CLOSED_EVENT)
        return bool(poll.poll(0))
    return True  # it has no descriptor any more


def run_within(seconds: float, *steps: Callable[[], object]) -> None:
    """Take the steps side by side and wait for them, but no longer than so many seconds: one may wait for an API server that hangs."""
    until = monotonic() + seconds
    threads = [Thread(target=step, name="ending", daemon=True) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - monotonic()))


def exit_process() -> NoReturn:
    """End this process although threads still wait for somebody; keeps the status of a SystemExit that is under way."""
    leaving = sys.exc_info()[1]
    code = leaving.code if isinstance(leaving, SystemExit) else 0 if leaving is None else 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
