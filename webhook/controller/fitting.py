"""A stored webhook configuration against the one that this release registers: what stays of it, and what is put back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from webhook.model.counting import counted
from webhook.model.names import FIELD_MANAGER, MANAGED_BY_LABEL

Json = dict[str, Any]

# What Azure's admissions enforcer adds to every entry, and adds again (AKS, "Can I use admission controller webhooks").
AZURE_TERMS: Final[tuple[Json, ...]] = (
    {"key": "control-plane", "operator": "NotIn", "values": ["true"]},
    {"key": "control-plane", "operator": "DoesNotExist"},
    {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]},
)
# The fields of an entry that admissionregistration.k8s.io/v1 has; what a later API server adds beyond them is its own.
FIELDS: Final = (
    "admissionReviewVersions",
    "clientConfig",
    "failurePolicy",
    "matchConditions",
    "matchPolicy",
    "namespaceSelector",
    "objectSelector",
    "reinvocationPolicy",
    "rules",
    "sideEffects",
    "timeoutSeconds",
)
CLIENT_CONFIG, CONDITIONS = "clientConfig", "matchConditions"
MOST_NAMED: Final = 5


def fitted(stored: Json, wanted: Json) -> Json:
    """What a stored configuration should become: the wanted entries under its own metadata.

    Foreign labels, annotations and finalizers stay (owners: `webhook.controller.owning`), and of a namespaceSelector what Azure adds; whole entries of others do
    not, as nobody checks what they ask.
    """
    found = {entry["name"]: entry for entry in stored.get("webhooks") or ()}
    azure = next(filter(None, (added(entry) for entry in found.values())), [])
    entries = [fitted_entry(found.get(entry["name"]), entry, azure) for entry in wanted["webhooks"]]
    return {**stored, "metadata": fitted_metadata(stored["metadata"], wanted["metadata"]), "webhooks": entries}


def fitted_metadata(stored: Json, wanted: Json) -> Json:
    """The metadata with our labels, annotations and owners.

    Another manager's name in the label for it stays, as it would come back. What is wanted without owners keeps those that it has.
    """
    labels = {**(stored.get("labels") or {}), **wanted.get("labels", {})}
    manager = (stored.get("labels") or {}).get(MANAGED_BY_LABEL)
    annotations = {**(stored.get("annotations") or {}), **wanted.get("annotations", {})}
    found = {**stored, "labels": labels | ({MANAGED_BY_LABEL: manager} if manager else {})}
    if (owners := wanted.get("ownerReferences")) is not None:
        found.pop("ownerReferences", None)
        found |= {"ownerReferences": owners} if owners else {}
    return found | ({"annotations": annotations} if annotations else {})


def fitted_entry(stored: Json | None, wanted: Json, azure: Sequence[Json]) -> Json:
    """One entry; `azure` are the terms that a new one has as the others do."""
    if stored is None:
        return {**wanted, "namespaceSelector": with_terms(wanted["namespaceSelector"], azure)}
    unknown = {key: value for key, value in stored.items() if key not in FIELDS}
    selector = with_terms(wanted["namespaceSelector"], added(stored))
    if same_selector(stored.get("namespaceSelector") or {}, selector):
        selector = stored.get("namespaceSelector") or {}
    return {**unknown, **wanted, "namespaceSelector": selector}


def added(entry: Json) -> list[Json]:
    """The terms of an entry's namespaceSelector that are Azure's."""
    terms = (entry.get("namespaceSelector") or {}).get("matchExpressions") or ()
    return [term for term in terms if term in AZURE_TERMS]


def with_terms(selector: Json, terms: Sequence[Json]) -> Json:
    """A selector with further terms."""
    if not terms:
        return selector
    return {**selector, "matchExpressions": [*selector.get("matchExpressions", ()), *terms]}


def same_selector(one: Json, other: Json) -> bool:
    """Whether two selectors select the same, in whichever order their terms and the names among them are."""
    return one.get("matchLabels") in ({}, None) and sorted(map(term, one.get("matchExpressions") or ())) == sorted(
        map(term, other.get("matchExpressions") or ())
    )


def term(expression: Json) -> tuple[str, str, tuple[str, ...]]:
    """A term in a form that compares by what it means."""
    return expression["key"], expression["operator"], tuple(sorted(expression.get("values") or ()))


def differences(stored: Json, wanted: Json) -> Iterator[tuple[str, str]]:
    """Where the stored entries differ from those that are wanted: the entry's name, and what differs, in words.

    `wanted` is the fitted configuration, so that what may differ does not.
    """
    found = {entry["name"]: entry for entry in stored.get("webhooks") or ()}
    for entry in wanted["webhooks"]:
        name = entry["name"]
        if name not in found:
            yield name, "the entry is missing"
            continue
        for field in FIELDS:
            is_now, should = found[name].get(field), entry.get(field)
            if is_now == should:
                continue
            if field == CONDITIONS:
                yield name, changed_conditions(is_now or (), should or ())
            else:
                yield name, f"{field} is {brief(field, is_now)}, not {brief(field, should)}"
    names = {entry["name"] for entry in wanted["webhooks"]}
    yield from ((name, "the entry is not catflap's") for name in found if name not in names)


def changed_conditions(is_now: Sequence[Json], should: Sequence[Json]) -> str:
    """Which match conditions are foreign, missing or say something else, by name."""
    now, wanted = ({one["name"]: one["expression"] for one in several} for several in (is_now, should))
    kinds = {
        "foreign": [name for name in now if name not in wanted],
        "missing": [name for name in wanted if name not in now],
        "changed": [name for name in now if name in wanted and now[name] != wanted[name]],
    }
    said = [
        f"{kind}: {', '.join(names[:MOST_NAMED])}{'…' * (len(names) > MOST_NAMED)}"
        for kind, names in kinds.items()
        if names
    ]
    return f"{CONDITIONS} are {'; '.join(said) or 'in another order'}"


def brief(field: str, value: Any) -> str:
    """A value in a message: short ones as they are, of longer ones what tells them apart; secrets and expressions are left out."""
    if value is None:
        return "absent"
    if field == "rules":
        return counted(len(value), "rule")
    if field == "namespaceSelector":
        return " and ".join(one["key"] for one in value.get("matchExpressions") or ()) or "none"
    if field == CLIENT_CONFIG:
        where = value.get("service") or {}
        target = f"{where.get('namespace')}/{where.get('name')}:{where.get('port')}" if where else host(value)
        return f"{target} with {'a' if value.get('caBundle') else 'no'} CA"
    return repr(value)


def host(client_config: Mapping[str, Any]) -> str:
    """A URL without its path, the end of which is a secret."""
    return "/".join(str(client_config.get("url", "")).split("/")[:3])


def last_writer(stored: Json) -> str:
    """Who wrote a configuration last besides catflap, and when, by its managedFields; empty where nobody did."""
    others = [one for one in stored["metadata"].get("managedFields") or () if one.get("manager") != FIELD_MANAGER]
    latest = max(others, key=lambda one: one.get("time") or "", default=None)
    return f"{latest.get('manager')} at {latest.get('time')}" if latest else ""


def only_moved(stored: Json, target: Json) -> bool:
    """Whether the stored entries differ from those of the target in where they are asked alone."""
    return placeless(stored) == placeless(target) and stored.get("webhooks") != target["webhooks"]


def placeless(configuration: Json) -> Mapping[str, Json]:
    """Each entry of a configuration, by its name, without where it is asked."""
    return {
        entry["name"]: {key: value for key, value in entry.items() if key != CLIENT_CONFIG}
        for entry in configuration.get("webhooks") or ()
    }


def keeping_client_config(target: Json, stored: Json) -> Json:
    """A configuration with the entries asked where they are asked now, and without those that are not there yet."""
    now = {entry["name"]: entry[CLIENT_CONFIG] for entry in stored.get("webhooks") or ()}
    kept = [{**entry, CLIENT_CONFIG: now[entry["name"]]} for entry in target["webhooks"] if entry["name"] in now]
    return {**target, "webhooks": kept}
