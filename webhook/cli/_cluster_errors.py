"""Messages about a cluster that does not answer, or that answers with an error."""

from typing import Final, NoReturn

from webhook.cli._options import BAD_INPUT
from webhook.cli._streams import print_warning
from webhook.kube.api import ApiError

HINT: Final = "check that the cluster runs, and that --kubeconfig and --context name the right cluster"


def describe(bad: Exception) -> str:
    """Return the message; if a server did not answer, the message names the address."""
    if isinstance(bad, ApiError) and not bad.status and bad.server:
        return f"the API server {bad.server} did not answer: {bad}; {HINT}"
    return str(bad)


def exit_with_error(bad: Exception, *, failed: int, doing: str = "") -> NoReturn:
    """End the command: with 2 if no API server answered, so that nothing is known, else with `failed`."""
    print_warning(f"{doing}{describe(bad)}")
    unanswered = isinstance(bad, ApiError) and not bad.status
    raise SystemExit(BAD_INPUT if unanswered else failed) from bad
