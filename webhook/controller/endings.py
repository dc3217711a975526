"""Exceptions that end are announced before they do, once a day, where who answers for the policy file looks."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from webhook.config.parse import Loaded
from webhook.kube.api import Api
from webhook.kube.events import Happened, named_by, policy_file, tell
from webhook.metrics import ENDED, ENDING, IN_FORCE, Metrics
from webhook.model.exemptions import PolicyException


class Endings:
    """Tells of each exception in its last week, and counts all of them."""

    pending = "exceptions that end are not announced yet"

    def __init__(self, api: Api, *, metrics: Metrics, own_namespace: str, now: Callable[[], datetime]) -> None:
        self._api = api
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now

    def start(self, on_change: Callable[[], None]) -> None:
        """Nothing in the cluster has to be watched for it."""

    def stop(self) -> None:
        """Nor to be ended."""

    def follow(self, loaded: Loaded) -> float:
        """Announce what ends within a week; the seconds until tomorrow, or 0 where there are no exceptions."""
        at = self._now()
        states = Counter(state(one, at) for one in loaded.policy.exceptions)
        for name in (IN_FORCE, ENDING, ENDED):
            self._metrics.exceptions.labels(name).set(states[name])
        for one in loaded.policy.exceptions:
            if one.ends_soon(at):
                note = f"{one}; in namespace {one.namespace} the rule refuses again after that day"
                happened = Happened("ExceptionEnds", "Announce", note, key=key(one, at))
                tell(self._api, policy_file(self._own_namespace), happened, at)
        return seconds_until_tomorrow(at) if loaded.policy.exceptions else 0.0


def state(one: PolicyException, at: datetime) -> str:
    """Whether an exception counts, counts in its last week, or counts no longer."""
    if not one.counts(at):
        return ENDED
    return ENDING if one.ends_soon(at) else IN_FORCE


def key(one: PolicyException, at: datetime) -> str:
    """What names the announcement of an exception on one day."""
    return named_by(f"{one} {one.namespace} {at.astimezone(UTC).date()}")


def seconds_until_tomorrow(at: datetime) -> float:
    """How long it takes until the day ends, in UTC, by which exceptions are dated."""
    midnight = datetime.combine(at.astimezone(UTC).date() + timedelta(days=1), time.min, UTC)
    return (midnight - at).total_seconds()
