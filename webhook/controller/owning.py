"""The ownerReferences of our webhook configurations: ours names the live Namespace, and references of others stay."""

from typing import Final

from webhook.kube.api import Json
from webhook.kube.own_namespace import API_VERSION, KIND, OwnNamespace

OWNERS: Final = "ownerReferences"


def owned(wanted: Json, stored: Json, home: OwnNamespace) -> Json:
    """A wanted configuration with the references that it should have: the one that is right now, and those of others."""
    names = own_names(stored, home)
    found = stored["metadata"].get(OWNERS) or []
    first = [one for number, one in enumerate(found) if one not in found[:number]]
    kept = [one for one in first if not is_ours(one, names) or one in home.owner_references]
    references = [*kept, *(one for one in home.owner_references if one not in kept)]
    owners = {OWNERS: references} if references or found else {}
    return {**wanted, "metadata": {**wanted["metadata"], **owners}}


def condemned(stored: Json | None, home: OwnNamespace) -> bool:
    """Whether the garbage collector deletes a configuration, as the owner that it names is not there; not of one that is not known.

    Such a deletion is no administrator's. A backup brings such references: the restored Namespace has another uid.
    """
    if stored is None:
        return False
    names = own_names(stored, home)
    found = stored["metadata"].get(OWNERS) or []
    return any(is_ours(one, names) and one.get("uid") != home.uid for one in found)


def difference(stored: Json, target: Json) -> list[tuple[str, str]]:
    """How the references differ from those that are right, in the form of the differences of entries."""
    found, right = (one["metadata"].get(OWNERS) or [] for one in (stored, target))
    if found == right:
        return []
    return [(OWNERS, f"they name {brief(found)}, not {brief(right)}")]


def brief(references: list[Json]) -> str:
    """References in a message."""
    return ", ".join(f"{one.get('kind')} {one.get('name')} ({one.get('uid')})" for one in references) or "no owner"


def is_ours(reference: Json, names: set[str]) -> bool:
    """Whether a reference is one that catflap wrote: to the Namespace in which catflap runs, or in which it ran before."""
    return (reference.get("apiVersion"), reference.get("kind")) == (API_VERSION, KIND) and reference.get(
        "name"
    ) in names


def own_names(stored: Json, home: OwnNamespace) -> set[str]:
    """The own namespace, and that of the Service at which a configuration was registered: catflap may have moved."""
    services = ((one.get("clientConfig") or {}).get("service") or {} for one in stored.get("webhooks") or ())
    return {home.name, *(service["namespace"] for service in services if service)}
