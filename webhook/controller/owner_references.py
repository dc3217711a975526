"""Sets the ownerReferences of the webhook configurations: one to the live Namespace, and those of others as they are."""

from typing import Final

from webhook.kube.api import Json
from webhook.kube.own_namespace import API_VERSION, KIND, OwnNamespace

OWNERS: Final = "ownerReferences"


def with_owner(wanted: Json, stored: Json, home: OwnNamespace) -> Json:
    """Return a wanted configuration with its references: the correct one of catflap, and those of others."""
    names = own_namespaces(stored, home)
    found = stored["metadata"].get(OWNERS) or []
    first = [one for number, one in enumerate(found) if one not in found[:number]]
    kept = [one for one in first if not is_own_reference(one, names) or one in home.owner_references]
    references = [*kept, *(one for one in home.owner_references if one not in kept)]
    owners = {OWNERS: references} if references or found else {}
    return {**wanted, "metadata": {**wanted["metadata"], **owners}}


def is_orphaned(stored: Json | None, home: OwnNamespace) -> bool:
    """Return whether the garbage collector deletes a configuration, because its owner does not exist; false if it is unknown.

    An administrator did not request such a deletion. A backup restores such references, as the restored Namespace has
    another uid.
    """
    if stored is None:
        return False
    names = own_namespaces(stored, home)
    found = stored["metadata"].get(OWNERS) or []
    return any(is_own_reference(one, names) and one.get("uid") != home.uid for one in found)


def owner_difference(stored: Json, target: Json) -> list[tuple[str, str]]:
    """Return how the references differ from the correct ones, in the form of the differences of entries."""
    found, right = (one["metadata"].get(OWNERS) or [] for one in (stored, target))
    if found == right:
        return []
    return [(OWNERS, f"the owners are {format_references(found)}, expected {format_references(right)}")]


def format_references(references: list[Json]) -> str:
    """Return references for a message."""
    return ", ".join(f"{one.get('kind')} {one.get('name')} ({one.get('uid')})" for one in references) or "no owner"


def is_own_reference(reference: Json, names: set[str]) -> bool:
    """Return whether catflap wrote a reference: to the Namespace in which it runs, or in which it ran before."""
    return (reference.get("apiVersion"), reference.get("kind")) == (API_VERSION, KIND) and reference.get(
        "name"
    ) in names


def own_namespaces(stored: Json, home: OwnNamespace) -> set[str]:
    """Return catflap's own namespace, and that of the registered Service, as catflap may have moved."""
    services = ((one.get("clientConfig") or {}).get("service") or {} for one in stored.get("webhooks") or ())
    return {home.name, *(service["namespace"] for service in services if service)}
