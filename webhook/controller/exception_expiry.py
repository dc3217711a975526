"""Announces exceptions that expire within a week, once a day, by an Event on the policy file."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from webhook.config.parse import Loaded
from webhook.kube.api import Api
from webhook.kube.events import EventDetails, digest_key, policy_file_reference, post_event
from webhook.metrics import ENDED, ENDING, IN_FORCE, Metrics
from webhook.model.exemptions import PolicyException


class ExceptionExpiry:
    """Announces each exception in its last week, and counts exceptions by state."""

    pending = "cannot read the exceptions that end soon, so catflap does not announce them yet"

    def __init__(self, api: Api, *, metrics: Metrics, own_namespace: str, now: Callable[[], datetime]) -> None:
        self._api = api
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now

    def start(self, on_change: Callable[[], None]) -> None:
        """Do nothing: no object has to be watched."""

    def stop(self) -> None:
        """Do nothing: no watch runs."""

    def sync(self, loaded: Loaded) -> float:
        """Announce what expires within a week; return the seconds until tomorrow, or 0 without exceptions."""
        at = self._now()
        states = Counter(exception_state(one, at) for one in loaded.policy.exceptions)
        for name in (IN_FORCE, ENDING, ENDED):
            self._metrics.exceptions.labels(name).set(states[name])
        for one in loaded.policy.exceptions:
            if one.ends_soon(at):
                note = f"{one}; in namespace {one.namespace} the rule rejects violations again after that day"
                happened = EventDetails("ExceptionEnds", "Announce", note, key=event_key(one, at))
                post_event(self._api, policy_file_reference(self._own_namespace), happened, at)
        return seconds_until_tomorrow(at) if loaded.policy.exceptions else 0.0


def exception_state(one: PolicyException, at: datetime) -> str:
    """Return whether an exception is in force, in force in its last week, or expired."""
    if not one.counts(at):
        return ENDED
    return ENDING if one.ends_soon(at) else IN_FORCE


def event_key(one: PolicyException, at: datetime) -> str:
    """Return the key of the Event for an exception on one day."""
    return digest_key(f"{one} {one.namespace} {at.astimezone(UTC).date()}")


def seconds_until_tomorrow(at: datetime) -> float:
    """Return the time until the end of the day in UTC, as exceptions expire at the end of a day in UTC."""
    midnight = datetime.combine(at.astimezone(UTC).date() + timedelta(days=1), time.min, UTC)
    return (midnight - at).total_seconds()
