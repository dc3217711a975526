"""Configures the log of the processes."""

import logging
import sys
import time


def log_to_stderr(*, verbose: bool) -> None:
    """Log to standard error, in UTC; standard output is reserved for the audit log."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
    )
    logging.Formatter.converter = time.gmtime
    # Each watch of catflap logs an unavailable API server once. The libraries would log each retry.
    for library in () if verbose else ("kubernetes.informer", "urllib3.connectionpool", "waitress.queue"):
        logging.getLogger(library).setLevel(logging.ERROR)
