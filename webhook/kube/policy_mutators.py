"""Find what may have changed a policy: field managers, mutating webhooks and MutatingAdmissionPolicies."""

from collections.abc import Iterable, Iterator
from typing import Final

from webhook.kube.api import Api, ApiError, Json
from webhook.model.kinds import PolicyKind
from webhook.model.names import FIELD_MANAGER

ADMISSION_GROUP_PATH: Final = "/apis/admissionregistration.k8s.io"

MUTATING_WEBHOOKS_PATH: Final = f"{ADMISSION_GROUP_PATH}/v1/mutatingwebhookconfigurations"
ADMISSION_POLICY_PATHS: Final = tuple(
    f"{ADMISSION_GROUP_PATH}/{version}/mutatingadmissionpolicies" for version in ("v1", "v1beta1", "v1alpha1")
)
MOST_NAMED: Final = 5
NONE_FOUND: Final = "unknown; ask the administrators of admission in this cluster"


def describe_mutators(api: Api, kind: PolicyKind, found: Json) -> str:
    """Return in words what may have changed a policy during or after its write; never raises.

    The API server attributes changes by admission to the writer of the request, so managedFields shows only later writers.
    """
    named = [*other_field_managers(found)]
    unseen = []
    for look in (mutating_webhooks, mutating_admission_policies):
        try:
            named += look(api, kind)
        except ApiError as error:
            unseen.append(f"could not be listed: {error}")
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return "; ".join([", ".join(named[:MOST_NAMED]) + more if named else NONE_FOUND, *unseen])


def other_field_managers(found: Json) -> Iterator[str]:
    """Yield the field managers other than catflap's that own any part of a policy's spec."""
    entries = [
        entry for entry in found["metadata"].get("managedFields") or () if "f:spec" in (entry.get("fieldsV1") or {})
    ]
    names = {str(entry["manager"]) for entry in entries if entry.get("manager") not in {None, FIELD_MANAGER}}
    yield from (f"field manager {name}" for name in sorted(names))


def mutating_webhooks(api: Api, kind: PolicyKind) -> list[str]:
    """Return the mutating webhooks whose rules match policies of a kind.  Raises ApiError."""
    return [
        f"mutating webhook {entry['name']} (MutatingWebhookConfiguration {one['metadata']['name']})"
        for one in (api.get(MUTATING_WEBHOOKS_PATH) or {}).get("items") or ()
        for entry in one.get("webhooks") or ()
        if matches_resource(entry.get("rules") or (), kind)
    ]


def mutating_admission_policies(api: Api, kind: PolicyKind) -> list[str]:
    """Return the MutatingAdmissionPolicies that match policies of a kind, in the first version that is served.  Raises ApiError."""
    for path in ADMISSION_POLICY_PATHS:
        found = api.get(path)
        if found is not None:
            return [
                f"MutatingAdmissionPolicy {one['metadata']['name']}"
                for one in found.get("items") or ()
                if matches_resource(
                    ((one.get("spec") or {}).get("matchConstraints") or {}).get("resourceRules") or (), kind
                )
            ]
    return []


def matches_resource(rules: Iterable[Json], kind: PolicyKind) -> bool:
    """Return whether one of the rules matches writes of a resource."""
    return any(
        {"*", kind.group} & {*rule.get("apiGroups", ())}
        and {"*", "*/*", kind.resource} & {*rule.get("resources", ())}
        and {"*", "CREATE", "UPDATE"} & {*rule.get("operations", ())}
        for rule in rules
    )
