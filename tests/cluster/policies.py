"""Our policies as the API server has them: where, what they say, and whether a namespace was ever without."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from tests.cluster.installation import Installation, eventually, names
from tests.controlplane.watch_recorder import WatchEvent

GROUPS: Final = {"kubernetes": "networking.k8s.io/v1", "calico": "projectcalico.org/v3"}
DENY: Final = "catflap-default-deny"
DNS: Final = "catflap-allow-dns"
BOTH: Final = [DNS, DENY]
CLOSED: Final[dict[str, Any]] = {
    "networking.k8s.io/v1": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    "projectcalico.org/v3": {"tier": "default", "selector": "all()", "types": ["Ingress", "Egress"]},
}


def path(engine: str, space: str, name: str = "") -> str:
    """One policy, or those of a namespace."""
    return f"/apis/{GROUPS[engine]}/namespaces/{space}/networkpolicies{name and f'/{name}'}"


def everywhere(engine: str) -> str:
    """The policies of all namespaces."""
    return f"/apis/{GROUPS[engine]}/networkpolicies"


def standing(catflap: Installation, engine: str, space: str) -> list[str]:
    """The policies of a namespace, by name; none where the engine is not there."""
    answer = catflap.cluster.call("GET", path(engine, space))
    return [] if answer.refused else list(names(answer.body))


def closes(thing: dict[str, Any]) -> bool:
    """Whether a policy is a default-deny whose whole spec is ours; the items of a list do not say their version."""
    return thing["metadata"]["name"] == DENY and thing["spec"] in CLOSED.values()


def is_closed(catflap: Installation, space: str) -> bool:
    """Whether a default-deny of either engine stands in a namespace, and says what it should."""
    answers = [catflap.cluster.call("GET", path(engine, space, DENY)) for engine in GROUPS]
    return any(not answer.refused and closes(answer.body) for answer in answers)


def wait_until_closed(catflap: Installation, spaces: Iterable[str], engine: str, *, within: float = 60.0) -> None:
    """Return once each namespace has both policies of an engine."""
    left = set(spaces)

    def lacking() -> set[str]:
        found: dict[str, list[str]] = {}
        for item in catflap.cluster.api("GET", everywhere(engine))["items"]:
            found.setdefault(item["metadata"]["namespace"], []).append(item["metadata"]["name"])
        return {space for space in left if not set(BOTH) <= set(found.get(space, ()))}

    eventually(lacking, until=lambda seen: not seen, within=within)


def open_moments(events: Sequence[WatchEvent], space: str) -> Iterator[WatchEvent]:
    """The events after which no default-deny of any engine stood in a namespace that had one before; of one watch or of several."""
    stands: dict[str, bool] = {}
    for event in sorted(events, key=lambda one: one.version):
        if event.place != (space, DENY):
            continue
        stands[event.thing["apiVersion"]] = event.happened != "DELETED" and closes(event.thing)
        if not any(stands.values()):
            yield event
