"""The deadline of the answer to a review, and the count of answers that missed it.

When the API server's timeout passes, it shows the URL of the webhook, and so the secret path, to the user who made the request.
"""

import re
from secrets import token_hex
from threading import Lock
from typing import Final
from urllib.parse import parse_qs

from webhook.model.timeouts import REVIEW_SECONDS

# The API server rounds the remaining time of a request up to whole seconds (apiserver, webhook/validating/dispatcher.go), so the
# parameter may be too large by up to this much.
ROUNDING_SECONDS: Final = 1.0
# A decision usually takes less than 0.01 s, and a lookup in the cluster 0.1 s.
MIN_ANSWER_SECONDS: Final = 0.5
# As Go prints a duration: 5s, 1m30s, 1.5s, 500ms.
DURATION: Final = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,4}(?:\.\d{1,9})?)s)?(?:(\d{1,6})ms)?", re.ASCII)


def answer_timeout(query: str) -> float:
    """Return the seconds for the answer to a review, from the `timeout` that the API server adds to the query of the URL.

    The result is between MIN_ANSWER_SECONDS and REVIEW_SECONDS. It is REVIEW_SECONDS where the parameter is missing, repeated
    or not a duration.
    """
    try:
        values = parse_qs(query, max_num_fields=8).get("timeout", [])
    except ValueError:  # more fields than that
        return REVIEW_SECONDS
    found = DURATION.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return REVIEW_SECONDS
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    timeout = 3600 * hours + 60 * minutes + seconds + milliseconds / 1000
    return min(max(timeout - ROUNDING_SECONDS, MIN_ANSWER_SECONDS), REVIEW_SECONDS)


class LateReviewCounter:
    """Counts the reviews of this process that had no answer in time, as it was late or the client had disconnected.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._process = token_hex(4)
        self._count = 0
        self._lock = Lock()

    def count(self) -> None:
        """Count one review."""
        with self._lock:
            self._count += 1

    def __str__(self) -> str:
        """Return a random id of the process and the count, in the form that the controller reads (webhook.controller.server_probe)."""
        return f"{self._process}:{self._count}"
