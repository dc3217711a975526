"""What programs say while they run."""

import logging
import sys
import time


def log_to_stderr(*, verbose: bool) -> None:
    """Programs' messages go to standard error, in UTC; standard output is the audit log's."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
    )
    logging.Formatter.converter = time.gmtime
    # An API server that is down is told of once by each watch of ours, not by each try of the libraries.
    for library in () if verbose else ("kubernetes.informer", "urllib3.connectionpool", "waitress.queue"):
        logging.getLogger(library).setLevel(logging.ERROR)
