"""Cache the objects of one kind by the client library's informer, which gets raw JSON."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from types import SimpleNamespace
from typing import Any

from kubernetes.client import ApiException
from kubernetes.informer import SharedInformer, informer
from kubernetes.informer.informer import ADDED, DELETED, MODIFIED

from webhook.kube.api import Api, ApiError, Json
from webhook.kube.watch_response import IDLE_SECONDS

logger = logging.getLogger(__name__)

# The duration of one watch before the next full list, and the additional wait for a dead peer.
RESYNC_SECONDS = 300
GRACE_SECONDS = 15
# A watch that ends sooner has failed: with an error event, or without any event.
SHORTEST_WATCH_SECONDS = 1.0
# The informer itself reconnects at once, for ever; the delays protect the API server from that.
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# Delays after a connection failure or a temporary error: repairs are promised within one second after the API server is back.
SHORT_BACKOFF_SECONDS = (0.1, 0.2, 0.5)
TOO_MANY_REQUESTS = 429
SERVER_ERRORS = 500

Handler = Callable[[Json], None]


class Watch:
    """The objects at one path, by `namespace/name` (`name` where they have no namespace).

    `on_change` handlers run on the watch's thread with each object that is added, changed or deleted, and again with every
    object at each full list.
    """

    def __init__(self, api: Api, path: str, *, query: Mapping[str, str] | None = None) -> None:
        self._source = Source(api, path, dict(query or {}))
        logging.getLogger(informer.__name__).addFilter(is_unlogged)
        self._informer = SharedInformer(self._source.list_or_watch, resync_period=RESYNC_SECONDS)

    def on_change(self, handler: Handler) -> None:
        """Call `handler` with each object that is added, changed or deleted."""
        for event in (ADDED, MODIFIED, DELETED):
            self._informer.add_event_handler(event, handler)

    def start(self) -> None:
        """Start the watch on a thread of its own."""
        self._informer.start()

    def stop(self) -> None:
        """Ask the thread to end, and do not wait for it."""
        self._source.stopped.set()
        self._source.retry_now()
        self._informer._stop_event.set()  # noqa: SLF001 (its own stop() joins a thread that may wait on the network)

    def retry_now(self) -> None:
        """Retry at once after failures: a missing API is served now."""
        self._source.retry_now()

    @property
    def synced(self) -> bool:
        """Return whether the first full list is in the cache and was passed to the handlers."""
        return self._source.listed.is_set()

    def get(self, key: str) -> Json | None:
        """Return the object with a key, as the watch last saw it."""
        return self._informer.cache.get_by_key(key)  # type: ignore[no-any-return]

    def objects(self) -> list[Json]:
        """Return every object, as the watch last saw it."""
        return list(self._informer.cache.list())


def is_unlogged(record: logging.LogRecord) -> bool:
    """Return whether the informer logs something other than an error of the API server, which the watch has logged.

    The informer would log it with a traceback for each watch when the process ends.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], ApiException))


class Source:
    """The function by which the informer lists and watches."""

    def __init__(self, api: Api, path: str, query: dict[str, str]) -> None:
        self._api = api
        self._path = path
        self._query = query
        self._failures = 0
        self._began: float | None = None  # the start of the last watch
        self.listed = Event()
        self.stopped = Event()
        self._hurried = Event()

    def retry_now(self) -> None:
        """End the wait after a failure, and reset the number of failures."""
        self._failures = 0
        self._hurried.set()

    # No return type: the informer would take one as the model to build; `object` below is its word for plain JSON.
    def list_or_watch(self, **options: Any):  # type: ignore[no-untyped-def]  # noqa: ANN201
        """List, or start to watch, as the informer requests.

        :rtype: object
        """
        try:
            return self._watch(options) if options.get("watch") else self._list()
        except ApiError as error:
            raise ApiException(status=error.status, reason=str(error)) from error  # its 410 means: list again

    def _list(self) -> SimpleNamespace:
        """Return the list, after any number of retries: the informer would wait five seconds after each failure."""
        while True:
            try:
                found = self._api.list(self._path, **self._query)
            except ApiError as error:
                self._refused(error)
                if self.stopped.is_set():
                    raise
            else:
                version = found.get("metadata", {}).get("resourceVersion")
                return SimpleNamespace(
                    items=found.get("items") or [], metadata=SimpleNamespace(resource_version=version)
                )

    def _refused(self, error: ApiError) -> None:
        if not self._failures:  # once, not at every retry
            logger.warning("the watch failed, and catflap tries again: %s", error)
        later = error.status in {0, TOO_MANY_REQUESTS} or error.status >= SERVER_ERRORS
        self._back_off(SHORT_BACKOFF_SECONDS if later else BACKOFF_SECONDS)

    def _back_off(self, delays: Sequence[float]) -> None:
        self._failures += 1
        self._hurried.clear()
        if not self.stopped.is_set():
            self._hurried.wait(delays[min(self._failures, len(delays)) - 1])

    def _watch(self, options: Mapping[str, Any]) -> Any:
        self.listed.set()  # the informer calls this only after it processed a list
        if self._began is not None:
            if time.monotonic() - self._began < SHORTEST_WATCH_SECONDS:
                self._back_off(BACKOFF_SECONDS)
            else:
                self._failures = 0
            self._began = None
        seconds = int(options.get("timeout_seconds") or RESYNC_SECONDS)
        try:
            stream = self._api.stream(
                self._path,
                read_timeout=min(seconds + GRACE_SECONDS, IDLE_SECONDS),
                watch="true",
                allowWatchBookmarks="true",
                resourceVersion=str(options["resource_version"]),
                timeoutSeconds=str(seconds),
                **self._query,
            )
        except ApiError as error:
            self._refused(error)
            raise
        self._began = time.monotonic()
        return stream
