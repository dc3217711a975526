"""gunicorn's arbiter: the parent process that starts the worker."""

import signal

from gunicorn.arbiter import Arbiter

from webhook.server.shutdown import UNUSED_SIGNALS, block_signals, ignore_signals


class SignalSafeArbiter(Arbiter):  # type: ignore[misc]
    """An arbiter that loses no signal, keeps an ignored SIGINT or SIGHUP ignored, and handles only the signals that end it."""

    def init_signals(self) -> None:
        """Install the signal handlers."""
        ignored = [one for one in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_IGN]
        super().init_signals()
        ignore_signals(*ignored, *UNUSED_SIGNALS)

    def handle_hup(self) -> None:
        """Shut down, as other programs do when their terminal closes."""
        self.handle_term()

    def spawn_worker(self) -> int:
        """Start a worker.

        The new process inherits the arbiter's handlers, which put a signal into a queue that the worker never reads. The arbiter would
        then wait for the worker in vain, so signals are blocked until the worker has installed its handlers.
        """
        with block_signals():
            return int(super().spawn_worker())
