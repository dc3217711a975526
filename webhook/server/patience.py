"""How long the API server waits for the answer to a review, and which answers came too late for it.

When it stops waiting, it shows the URL of the webhook, and so the secret path, to the user who made the request.
"""

import re
from secrets import token_hex
from threading import Lock
from typing import Final
from urllib.parse import parse_qs

# For a review without the parameter. The registration's timeoutSeconds is 5 s; a fifth of it is the network's.
REQUEST_SECONDS: Final = 4.0
# The API server rounds what is left of a request's time up to whole seconds (apiserver, webhook/validating/dispatcher.go), so up to
# this much of the parameter is not there.
ROUNDED_SECONDS: Final = 1.0
# A usual decision takes less than 0.01 s, and a question to the API server 0.1 s.
LEAST_SECONDS: Final = 0.5
# As Go prints a duration: 5s, 1m30s, 1.5s, 500ms.
DURATION: Final = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,4}(?:\.\d{1,9})?)s)?(?:(\d{1,6})ms)?", re.ASCII)


def seconds_to_answer(query: str) -> float:
    """The time for a review, by the query of its URL, to which the API server adds `timeout`; between LEAST and REQUEST_SECONDS.

    A parameter that is missing, repeated or no duration leaves REQUEST_SECONDS.
    """
    try:
        values = parse_qs(query, max_num_fields=8).get("timeout", [])
    except ValueError:  # more fields than that
        return REQUEST_SECONDS
    found = DURATION.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return REQUEST_SECONDS
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    told = 3600 * hours + 60 * minutes + seconds + milliseconds / 1000
    return min(max(told - ROUNDED_SECONDS, LEAST_SECONDS), REQUEST_SECONDS)


class LateReviews:
    """How many reviews of this process had no answer in time: it came late, or the caller left before it. Safe to share between threads."""

    def __init__(self) -> None:
        self._process = token_hex(4)
        self._count = 0
        self._lock = Lock()

    def count(self) -> None:
        """One more."""
        with self._lock:
            self._count += 1

    def __str__(self) -> str:
        """The process and its count, as the controller reads it (webhook.controller.server_probe)."""
        return f"{self._process}:{self._count}"
