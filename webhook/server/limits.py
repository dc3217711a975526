"""Limits of the review port: the time of each step of a connection, and the number of connections and bytes at once.

All follow from how the API server calls a webhook: HTTP/1.1 over TLS, one request at a time on each connection, at most 25 idle
connections for each host, which Go's transport closes after 90 s (client-go transport/cache.go, net/http/transport.go).
"""

import errno
import resource
from typing import Final

from webhook.model.timeouts import WEBHOOK_TIMEOUT_SECONDS

HANDSHAKE_SECONDS: Final = float(WEBHOOK_TIMEOUT_SECONDS)
# From the first byte of a request to the last one of its headers.
HEADERS_SECONDS: Final = float(WEBHOOK_TIMEOUT_SECONDS)
# From the last byte of the headers to the last one of the body.
BODY_SECONDS: Final = float(WEBHOOK_TIMEOUT_SECONDS)
# From the whole body to the whole answer, which takes at most REVIEW_SECONDS, and the rest is for the disk.
ANSWER_SECONDS: Final = 10.0
# The API server closes an idle connection after 90 s; a server that closes earlier races with its next request.
KEEP_ALIVE_SECONDS: Final = 120
# How long catflap waits for the peer's close_notify when it closes a TLS connection.
CLOSING_SECONDS: Final = 1.0

# One API server runs 200 mutating requests at once (--max-mutating-requests-inflight), and each may open a connection. Three API
# servers at the same moment open 600.
MAX_HANDSHAKES: Final = 768
MAX_UNTRUSTED: Final = 768
# After such a moment, each API server keeps 25 connections and closes the others.
MAX_TRUSTED: Final = 1024
MAX_CONNECTIONS: Final = MAX_HANDSHAKES + MAX_UNTRUSTED + MAX_TRUSTED
# Descriptors of watches, files, pipes of threads, the status port and answers in progress.
OTHER_DESCRIPTORS: Final = 512
# The errors of `accept` where there is no file descriptor, or no memory for one.
NO_DESCRIPTOR_ERRORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# etcd takes 1.5 MiB per object and the API server 3 MiB per request. A review contains the object twice, and the options.
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
# All bodies together: one eighth of the chart's memory limit of 512 MiB, as decoding a body takes a multiple of its size. 600 typical
# reviews of 10 kB are one tenth of it.
MAX_TOTAL_BODY_BYTES: Final = 8 * MAX_BODY_BYTES
# The share of untrusted connections, so that trusted ones always have room.
MAX_UNTRUSTED_BODY_BYTES: Final = 3 * MAX_BODY_BYTES
# The kernel's receive buffer of a connection (the kernel doubles it), which bounds one read. Each layer above holds as many bytes again.
# With a round trip of one millisecond to the API server, the largest body takes half a second.
RECEIVE_BUFFER_BYTES: Final = 16 * 1024


def raise_descriptor_limit() -> int:
    """Raise the limit of open files of this process to its hard limit, and return that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
