"""gunicorn's arbiter, which starts the worker and ends with it."""

import signal

from gunicorn.arbiter import Arbiter

from webhook.server.ending import held_back


class PatientArbiter(Arbiter):  # type: ignore[misc]
    """An arbiter that loses no signal, and that leaves an ignored SIGINT ignored."""

    def init_signals(self) -> None:
        """Take signals from now on."""
        is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        super().init_signals()
        if is_ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def spawn_worker(self) -> int:
        """Start a worker.

        A signal that reaches the new process before it has handlers of its own would be put into a queue that nothing reads, and
        the arbiter would wait for the worker in vain: so signals are held back until the worker has its handlers.
        """
        with held_back():
            return int(super().spawn_worker())
