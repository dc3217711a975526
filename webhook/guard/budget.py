"""What of an object is judged at most: beyond that it is refused, warned of or recorded for its size, as the rules' modes say.

Sizes alone are looked at, before any rule is: the API server asks webhooks before it validates an object, so there may be as much of
everything as a request of 3 MiB holds (k8s.io/apiserver, pkg/server/config.go, MaxRequestBodyBytes).
"""

from typing import Any, Final

from msgspec import Struct

from webhook.model.workload import Place, Workload

# Of one object or pod template; people have some ten. The API server itself sets no bound but the object's size.
MOST_LABELS: Final = 500


class Excess(Struct, frozen=True):
    """What an object has too much of, and where."""

    path: str
    message: str


def excess_of(subject: Any) -> Excess | None:
    """What keeps a workload from being judged; None where nothing does. Network policies are bounded where they are read."""
    if isinstance(subject, Workload):
        places = (subject.own, *subject.places) if subject.own else subject.places
        return next((found for place in places if (found := too_many_labels(place))), None)
    return None


def too_many_labels(place: Place) -> Excess | None:
    """The labels of one place, where they are too many."""
    count = len(place.labels)
    if count <= MOST_LABELS:
        return None
    return beyond(f"{place.path}.labels", count, "labels", MOST_LABELS, "remove those that nothing selects by")


def beyond(path: str, count: int, what: str, most: int, remedy: str) -> Excess:
    """An excess in words: the count, the bound and what to do."""
    return Excess(path, f"it has {count} {what}, and {most} are the most that are judged; {remedy}")
