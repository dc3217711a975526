"""A group of watches that start and stop together."""

from collections.abc import Callable, Mapping

from webhook.kube.watch import Watch


class WatchGroup:
    """Holds watches by name, for followers that compare the watched objects with the policy file."""

    def __init__(self, watches: Mapping[str, Watch]) -> None:
        self._watches = watches

    def start(self, on_change: Callable[[], None]) -> None:
        """Start the watches; `on_change` is called when an object is added, changed or deleted."""
        for watch in self._watches.values():
            watch.on_change(lambda _: on_change())
            watch.start()

    def stop(self) -> None:
        """Stop the watches."""
        for watch in self._watches.values():
            watch.stop()
