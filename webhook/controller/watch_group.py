"""What is kept by watches of its own, begun and ended together."""

from collections.abc import Callable, Mapping

from webhook.kube.watch import Watch


class WatchGroup:
    """Watches under names; what follows the policy file compares what they saw with what it asks for."""

    def __init__(self, watches: Mapping[str, Watch]) -> None:
        self._watches = watches

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin to watch; `on_change` is called when one object comes, changes or goes."""
        for watch in self._watches.values():
            watch.on_change(lambda _: on_change())
            watch.start()

    def stop(self) -> None:
        """End the watches."""
        for watch in self._watches.values():
            watch.stop()
