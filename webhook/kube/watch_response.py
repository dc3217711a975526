"""End a watch that delivers no more data, as if the API server had ended it."""

import logging
from collections.abc import Iterator
from typing import Any, Final

import urllib3

logger = logging.getLogger(__name__)

# The API server sends a bookmark a minute on each watch (k8s.io/apiserver, storage/cacher, bookmarkFrequency). Two missing bookmarks
# mean that a proxy or gateway keeps the connection open and drops the data.
IDLE_SECONDS: Final = 130.0


class WatchResponse:
    """A response whose stream ends, instead of raising, after its read timeout."""

    def __init__(self, response: Any, path: str) -> None:
        self._response = response
        self._path = path

    def stream(self, **options: Any) -> Iterator[bytes]:
        """Yield the parts of the body as they arrive."""
        try:
            yield from self._response.stream(**options)
        except urllib3.exceptions.ReadTimeoutError:
            logger.info(
                "the watch on %s received nothing for a long time; it starts again from its last position", self._path
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)
