"""How long a connection may take for each step, and how many connections and bytes there may be at once.

All follow from how the API server calls a webhook: HTTP/1.1 over TLS, one request at a time on each connection, at most 25 idle
connections for each host, which Go's transport closes after 90 s (client-go transport/cache.go, net/http/transport.go).
"""

import errno
import resource
from typing import Final

# The registration's timeoutSeconds: after that the API server hangs up, whatever is still missing.
WEBHOOK_TIMEOUT_SECONDS: Final = 5.0
HANDSHAKE_SECONDS: Final = WEBHOOK_TIMEOUT_SECONDS
# From the first byte of a request to the last one of its headers.
HEADERS_SECONDS: Final = WEBHOOK_TIMEOUT_SECONDS
# From the last byte of the headers to the last one of the body.
BODY_SECONDS: Final = WEBHOOK_TIMEOUT_SECONDS
# From the whole body to the whole answer: an answer asks the API server for 4 s at most (server/answer.py), the rest is the disk's.
ANSWER_SECONDS: Final = 10.0
# The API server closes an idle connection after 90 s; a server that closes earlier races with its next request.
KEEP_ALIVE_SECONDS: Final = 120
# How long a TLS connection that we close waits for the other side's close_notify.
CLOSING_SECONDS: Final = 1.0

# One API server runs 200 changing requests at once (--max-mutating-requests-inflight), each of which may open a connection;
# three API servers that all begin at the same moment are 600.
MAX_HANDSHAKES: Final = 768
MAX_UNTRUSTED: Final = 768
# After such a moment each API server keeps 25 connections; the others it closes itself.
MAX_TRUSTED: Final = 1024
MAX_CONNECTIONS: Final = MAX_HANDSHAKES + MAX_UNTRUSTED + MAX_TRUSTED
# Watches, files, threads' pipes, the status port and what the answers in progress hold.
OTHER_DESCRIPTORS: Final = 512
# What `accept` says where there is no file descriptor, or no memory for one.
NO_DESCRIPTOR_ERRORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# etcd takes 1.5 MiB an object and the API server 3 MiB a request; a review holds the object twice, plus the options.
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
# All bodies at once. An eighth of the chart's memory limit of 512 MiB, as decoding a body costs a multiple of it; 600 usual
# reviews of 10 kB are a tenth of that.
MAX_TOTAL_BODY_BYTES: Final = 8 * MAX_BODY_BYTES
# Connections that have sent no good review yet share less, so that the others always find room.
MAX_UNTRUSTED_BODY_BYTES: Final = 3 * MAX_BODY_BYTES
# What the kernel keeps of a connection (it takes twice as much), and so what one read takes: each layer above holds as much again.
# With a millisecond to the API server and back, the largest body takes half a second.
RECEIVE_BUFFER_BYTES: Final = 16 * 1024


def raise_descriptor_limit() -> int:
    """Raise this process's limit of open files to the most that it may set itself; returns that limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
