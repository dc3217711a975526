"""gunicorn's arbiter, which starts the worker and ends with it."""

import signal

from gunicorn.arbiter import Arbiter

from webhook.server.shutdown import UNUSED_SIGNALS, block_signals, ignore_signals


class SignalSafeArbiter(Arbiter):  # type: ignore[misc]
    """An arbiter that loses no signal, leaves an ignored SIGINT or SIGHUP ignored, and knows no other signals than those that end it."""

    def init_signals(self) -> None:
        """Take signals from now on."""
        ignored = [one for one in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_IGN]
        super().init_signals()
        ignore_signals(*ignored, *UNUSED_SIGNALS)

    def handle_hup(self) -> None:
        """End, as every program does whose terminal is closed."""
        self.handle_term()

    def spawn_worker(self) -> int:
        """Start a worker.

        A signal that reaches the new process before it has handlers of its own would be put into a queue that nothing reads, and
        the arbiter would wait for the worker in vain: so signals are held back until the worker has its handlers.
        """
        with block_signals():
            return int(super().spawn_worker())
