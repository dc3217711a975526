"""A watch that delivers nothing more: it ends as if the API server had ended it."""

import logging
from collections.abc import Iterator
from typing import Any, Final

import urllib3

logger = logging.getLogger(__name__)

# The API server sends a bookmark a minute on each watch (k8s.io/apiserver, storage/cacher, bookmarkFrequency); two that do not come
# mean that something between it and us keeps the connection and not what is sent over it.
SILENCE_SECONDS: Final = 130.0


class Unsilenced:
    """A response whose stream ends, instead of raising, where nothing came for as long as its read timeout."""

    def __init__(self, response: Any, path: str) -> None:
        self._response = response
        self._path = path

    def stream(self, **options: Any) -> Iterator[bytes]:
        """The pieces of the body, as they come."""
        try:
            yield from self._response.stream(**options)
        except urllib3.exceptions.ReadTimeoutError:
            logger.info("the watch on %s was silent for long; it begins anew from where it was", self._path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)
