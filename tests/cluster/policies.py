"""Reads catflap's policies from the API server, and checks whether a namespace was ever without them."""

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
    """Return the path of one policy, or of those of a namespace."""
    return f"/apis/{GROUPS[engine]}/namespaces/{space}/networkpolicies{name and f'/{name}'}"


def all_policies_path(engine: str) -> str:
    """Return the path of the policies of all namespaces."""
    return f"/apis/{GROUPS[engine]}/networkpolicies"


def stored_policies(catflap: Installation, engine: str, space: str) -> list[str]:
    """Return the policies of a namespace by name; none if the engine's API is missing."""
    answer = catflap.cluster.call("GET", path(engine, space))
    return [] if answer.refused else list(names(answer.body))


def is_default_deny(thing: dict[str, Any]) -> bool:
    """Return whether a policy is a default-deny with exactly catflap's spec; the items of a list do not name their version."""
    return thing["metadata"]["name"] == DENY and thing["spec"] in CLOSED.values()


def is_isolated(catflap: Installation, space: str) -> bool:
    """Return whether a namespace has a correct default-deny of either engine."""
    answers = [catflap.cluster.call("GET", path(engine, space, DENY)) for engine in GROUPS]
    return any(not answer.refused and is_default_deny(answer.body) for answer in answers)


def wait_until_isolated(catflap: Installation, spaces: Iterable[str], engine: str, *, within: float = 60.0) -> None:
    """Return once each namespace has both policies of an engine."""
    left = set(spaces)

    def lacking() -> set[str]:
        found: dict[str, list[str]] = {}
        for item in catflap.cluster.api("GET", all_policies_path(engine))["items"]:
            found.setdefault(item["metadata"]["namespace"], []).append(item["metadata"]["name"])
        return {space for space in left if not set(BOTH) <= set(found.get(space, ()))}

    eventually(lacking, until=lambda seen: not seen, within=within)


def events_without_default_deny(events: Sequence[WatchEvent], space: str) -> Iterator[WatchEvent]:
    """Return the events after which a namespace lost its last default-deny; of one watch or several."""
    stands: dict[str, bool] = {}
    for event in sorted(events, key=lambda one: one.version):
        if event.place != (space, DENY):
            continue
        stands[event.thing["apiVersion"]] = event.happened != "DELETED" and is_default_deny(event.thing)
        if not any(stands.values()):
            yield event
