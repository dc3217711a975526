"""Why a call got no answer, in words that may be shown to users: no address, no object of Python's, no class name."""

import http.client
import socket
import ssl
from typing import Final

from urllib3 import exceptions as of_urllib3

UNKNOWN: Final = "the connection failed"
# By the class of the cause, the most specific one first.
REASONS: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    ((of_urllib3.NameResolutionError, socket.gaierror), "its name was not resolved by DNS"),
    ((of_urllib3.ConnectTimeoutError,), "no connection within the time"),
    ((of_urllib3.ReadTimeoutError, TimeoutError), "no answer within the time"),
    ((ConnectionRefusedError,), "the connection was refused"),
    ((ssl.SSLError, of_urllib3.SSLError), "TLS failed"),
    (
        (of_urllib3.IncompleteRead, of_urllib3.InvalidChunkLength, http.client.IncompleteRead),
        "the answer was not whole",
    ),
    ((http.client.RemoteDisconnected, ConnectionError), "the connection was closed before the answer"),
    ((http.client.BadStatusLine, http.client.HTTPException), "the answer was no HTTP"),
    ((of_urllib3.DecodeError,), "the answer could not be decompressed"),
    ((of_urllib3.ProxyError,), "the proxy failed"),
    ((OSError,), "the network could not be reached"),
)
MOST_CAUSES: Final = 8


def what_failed(error: BaseException) -> str:
    """What went wrong with a call, by the cause that its error has at the innermost; a certificate that is refused is said why."""
    causes = list(chain(error))
    refused = next((one for one in causes if isinstance(one, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        return f"TLS failed: the certificate is not trusted ({refused.verify_message})"
    for cause in reversed(causes):
        for kinds, words in REASONS:
            if isinstance(cause, kinds):
                return words
    return UNKNOWN


def chain(error: BaseException) -> list[BaseException]:
    """An error and what caused it, as urllib3 keeps that: by `reason`, among the arguments, or as the cause."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found and len(found) < MOST_CAUSES:
        found.append(current)
        inner = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        current = next((one for one in inner if isinstance(one, BaseException)), None)
    return found
