"""The log of the client library's informer, which describes each error of the API server by a traceback."""

import logging

from kubernetes.client import ApiException
from kubernetes.informer import informer


def hide_api_errors() -> None:
    """Hide the errors of the API server, because each watch of catflap logs them once."""
    logging.getLogger(informer.__name__).addFilter(is_no_api_error)


def is_no_api_error(record: logging.LogRecord) -> bool:
    """Return whether a message is about something other than an error of the API server."""
    return not (record.exc_info and isinstance(record.exc_info[1], ApiException))
