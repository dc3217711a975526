"""Compares a stored webhook configuration with the one of this release, and merges the two."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from webhook.model.counting import counted
from webhook.model.names import FIELD_MANAGER, MANAGED_BY_LABEL

Json = dict[str, Any]

# The terms that Azure's admissions enforcer adds to every entry, and adds again if they are removed (AKS, "Can I use
# admission controller webhooks").
AZURE_TERMS: Final[tuple[Json, ...]] = (
    {"key": "control-plane", "operator": "NotIn", "values": ["true"]},
    {"key": "control-plane", "operator": "DoesNotExist"},
    {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]},
)
# The fields of an entry in admissionregistration.k8s.io/v1. Fields that a later API server adds stay as they are
# stored.
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


def merge_configuration(stored: Json, wanted: Json) -> Json:
    """Return the configuration to store: the wanted entries under the stored metadata.

    Labels, annotations and finalizers of others stay (for owners see `webhook.controller.owner_references`), and the
    terms that Azure adds to a namespaceSelector. Entries of others are removed, as catflap does not know which
    requests they match.
    """
    found = {entry["name"]: entry for entry in stored.get("webhooks") or ()}
    azure = next(filter(None, (azure_terms(entry) for entry in found.values())), [])
    entries = [merge_entry(found.get(entry["name"]), entry, azure) for entry in wanted["webhooks"]]
    return {**stored, "metadata": merge_metadata(stored["metadata"], wanted["metadata"]), "webhooks": entries}


def merge_metadata(stored: Json, wanted: Json) -> Json:
    """Return the stored metadata with catflap's labels, annotations and owners.

    The managed-by label of another manager stays, as that manager would set it again. Without wanted owners, the
    stored ones stay.
    """
    labels = {**(stored.get("labels") or {}), **wanted.get("labels", {})}
    manager = (stored.get("labels") or {}).get(MANAGED_BY_LABEL)
    annotations = {**(stored.get("annotations") or {}), **wanted.get("annotations", {})}
    found = {**stored, "labels": labels | ({MANAGED_BY_LABEL: manager} if manager else {})}
    if (owners := wanted.get("ownerReferences")) is not None:
        found.pop("ownerReferences", None)
        found |= {"ownerReferences": owners} if owners else {}
    return found | ({"annotations": annotations} if annotations else {})


def merge_entry(stored: Json | None, wanted: Json, azure: Sequence[Json]) -> Json:
    """Return one merged entry; a new one gets the terms `azure`, like the other entries."""
    if stored is None:
        return {**wanted, "namespaceSelector": with_terms(wanted["namespaceSelector"], azure)}
    unknown = {key: value for key, value in stored.items() if key not in FIELDS}
    selector = with_terms(wanted["namespaceSelector"], azure_terms(stored))
    if selectors_equal(stored.get("namespaceSelector") or {}, selector):
        selector = stored.get("namespaceSelector") or {}
    return {**unknown, **wanted, "namespaceSelector": selector}


def azure_terms(entry: Json) -> list[Json]:
    """Return the terms of an entry's namespaceSelector that Azure adds."""
    terms = (entry.get("namespaceSelector") or {}).get("matchExpressions") or ()
    return [normalized_term for normalized_term in terms if normalized_term in AZURE_TERMS]


def with_terms(selector: Json, terms: Sequence[Json]) -> Json:
    """Return a selector with additional terms."""
    if not terms:
        return selector
    return {**selector, "matchExpressions": [*selector.get("matchExpressions", ()), *terms]}


def selectors_equal(one: Json, other: Json) -> bool:
    """Return whether two selectors are equivalent, whatever the order of their terms and values."""
    return one.get("matchLabels") in ({}, None) and sorted(
        map(normalized_term, one.get("matchExpressions") or ())
    ) == sorted(map(normalized_term, other.get("matchExpressions") or ()))


def normalized_term(expression: Json) -> tuple[str, str, tuple[str, ...]]:
    """Return a term in a form that compares by meaning."""
    return expression["key"], expression["operator"], tuple(sorted(expression.get("values") or ()))


def entry_differences(stored: Json, wanted: Json) -> Iterator[tuple[str, str]]:
    """Yield the differences between stored and wanted entries: the entry's name, and a description.

    `wanted` is the merged configuration, so that permitted deviations are not reported.
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
                yield name, describe_condition_changes(is_now or (), should or ())
            else:
                yield name, f"{field} is {format_value(field, is_now)}, not {format_value(field, should)}"
    names = {entry["name"] for entry in wanted["webhooks"]}
    yield from ((name, "the entry does not belong to catflap") for name in found if name not in names)


def describe_condition_changes(is_now: Sequence[Json], should: Sequence[Json]) -> str:
    """Return which match conditions are foreign, missing or changed, by name."""
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
    return f"{CONDITIONS} are {'; '.join(said) or 'in a different order'}"


def format_value(field: str, value: Any) -> str:
    """Return a value for a message: short values whole, long ones abbreviated, without secrets and expressions."""
    if value is None:
        return "absent"
    if field == "rules":
        return counted(len(value), "rule")
    if field == "namespaceSelector":
        return " and ".join(one["key"] for one in value.get("matchExpressions") or ()) or "none"
    if field == CLIENT_CONFIG:
        where = value.get("service") or {}
        target = (
            f"{where.get('namespace')}/{where.get('name')}:{where.get('port')}" if where else url_without_path(value)
        )
        return f"{target} with {'a' if value.get('caBundle') else 'no'} CA"
    return repr(value)


def url_without_path(client_config: Mapping[str, Any]) -> str:
    """Return a URL without its path, which ends in a secret."""
    return "/".join(str(client_config.get("url", "")).split("/")[:3])


def last_writer(stored: Json) -> str:
    """Return who last wrote a configuration, apart from catflap, and when, from managedFields; empty if there was no other writer."""
    others = [one for one in stored["metadata"].get("managedFields") or () if one.get("manager") != FIELD_MANAGER]
    latest = max(others, key=lambda one: one.get("time") or "", default=None)
    return f"{latest.get('manager')} at {latest.get('time')}" if latest else ""


def only_client_config_differs(stored: Json, target: Json) -> bool:
    """Return whether the entries differ, and in their addresses only."""
    return stored.get("webhooks") != target["webhooks"] and without_client_config(stored) == without_client_config(
        target
    )


def without_client_config(configuration: Json) -> Mapping[str, Json]:
    """Return the entries of a configuration by name, without their addresses."""
    return {
        entry["name"]: {key: value for key, value in entry.items() if key != CLIENT_CONFIG}
        for entry in configuration.get("webhooks") or ()
    }


def keep_client_config(target: Json, stored: Json) -> Json:
    """Return a configuration with the stored address of each entry, and without entries that are not stored yet."""
    now = {entry["name"]: entry[CLIENT_CONFIG] for entry in stored.get("webhooks") or ()}
    kept = [{**entry, CLIENT_CONFIG: now[entry["name"]]} for entry in target["webhooks"] if entry["name"] in now]
    return {**target, "webhooks": kept}
