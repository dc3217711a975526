"""The time budget of one admission request: every timeout on its path follows from the timeout of the webhook."""

from typing import Final

# The timeoutSeconds of the webhook configurations. After it, the API server closes the connection, and failurePolicy decides.
WEBHOOK_TIMEOUT_SECONDS: Final = 5
# catflap answers a review within this time. The rest is for the network.
REVIEW_SECONDS: Final = 0.8 * WEBHOOK_TIMEOUT_SECONDS
# Half of it is for the lookups of a decision, such as that of the isolation gate, each of which sends up to three requests to the API server, ...
LOOKUP_SECONDS: Final = REVIEW_SECONDS / 2
# ... and half for the wait for a thread that does them.
LOOKUP_WAIT_SECONDS: Final = REVIEW_SECONDS - LOOKUP_SECONDS
# A heavy computation takes 0.2 s, so it may wait until the answer is due.
HEAVY_WAIT_SECONDS: Final = REVIEW_SECONDS
# The impact of a policy file: reading the file takes up to one second before, and half a second is left for the answer.
IMPACT_SECONDS: Final = REVIEW_SECONDS - 1.5
