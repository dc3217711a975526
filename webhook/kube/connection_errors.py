"""Describe why a call got no answer, in words for users: without addresses, Python objects and class names."""

import http.client
import socket
import ssl
from typing import Final

from urllib3 import exceptions as of_urllib3

UNKNOWN: Final = "the connection failed"
# By the class of the cause, the most specific class first.
REASONS: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    ((of_urllib3.NameResolutionError, socket.gaierror), "DNS did not resolve the name"),
    ((of_urllib3.ConnectTimeoutError,), "the connection timed out"),
    ((of_urllib3.ReadTimeoutError, TimeoutError), "no answer before the timeout"),
    ((ConnectionRefusedError,), "the connection was refused"),
    ((ssl.SSLError, of_urllib3.SSLError), "TLS failed"),
    (
        (of_urllib3.IncompleteRead, of_urllib3.InvalidChunkLength, http.client.IncompleteRead),
        "the answer was incomplete",
    ),
    ((http.client.RemoteDisconnected, ConnectionError), "the connection was closed before the answer"),
    ((http.client.BadStatusLine, http.client.HTTPException), "the answer was not HTTP"),
    ((of_urllib3.DecodeError,), "the answer could not be decompressed"),
    ((of_urllib3.ProxyError,), "the proxy failed"),
    ((OSError,), "the network is unreachable"),
)
MOST_CAUSES: Final = 8


def describe_failure(error: BaseException) -> str:
    """Return why a call failed, by the innermost cause; for an untrusted certificate, with the reason of the verification."""
    causes = list(causes_of(error))
    refused = next((one for one in causes if isinstance(one, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        return f"TLS failed: the certificate is not trusted ({refused.verify_message})"
    for cause in reversed(causes):
        for kinds, words in REASONS:
            if isinstance(cause, kinds):
                return words
    return UNKNOWN


def causes_of(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, which urllib3 stores as `reason`, as an argument, or as the cause of the exception."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found and len(found) < MOST_CAUSES:
        found.append(current)
        inner = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        current = next((one for one in inner if isinstance(one, BaseException)), None)
    return found
