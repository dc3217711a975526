"""Who, or what, changes an object on its way to storage or after it: by managedFields, and by what mutates such requests."""

from collections.abc import Iterable, Iterator
from typing import Final

from webhook.kube.api import Api, ApiError, Json
from webhook.model.kinds import PolicyKind
from webhook.model.names import FIELD_MANAGER

ADMISSION: Final = "/apis/admissionregistration.k8s.io"
# Where the API server keeps what may mutate a request, with the part of it that has its rules.
CONFIGURATIONS: Final = f"{ADMISSION}/v1/mutatingwebhookconfigurations"
POLICIES: Final = tuple(f"{ADMISSION}/{version}/mutatingadmissionpolicies" for version in ("v1", "v1beta1", "v1alpha1"))
MOST_NAMED: Final = 5
NOBODY: Final = "nothing that catflap can see; ask who administers admission in this cluster"


def suspects(api: Api, kind: PolicyKind, found: Json) -> str:
    """What may have made a policy another one than was written, in words; never raises.

    The API server ascribes what admission changes to the writer of the request, so managedFields shows only later writers.
    """
    named = [*writers(found)]
    unseen = []
    for look in (webhooks, policies):
        try:
            named += look(api, kind)
        except ApiError as error:
            unseen.append(f"not looked at: {error}")
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return "; ".join([", ".join(named[:MOST_NAMED]) + more if named else NOBODY, *unseen])


def writers(found: Json) -> Iterator[str]:
    """The field managers, besides our own, of any part of a policy's spec."""
    entries = [
        entry for entry in found["metadata"].get("managedFields") or () if "f:spec" in (entry.get("fieldsV1") or {})
    ]
    names = {str(entry["manager"]) for entry in entries if entry.get("manager") not in {None, FIELD_MANAGER}}
    yield from (f"field manager {name}" for name in sorted(names))


def webhooks(api: Api, kind: PolicyKind) -> list[str]:
    """The mutating webhooks that are asked about such policies.  Raises ApiError."""
    return [
        f"mutating webhook {entry['name']} (MutatingWebhookConfiguration {one['metadata']['name']})"
        for one in (api.get(CONFIGURATIONS) or {}).get("items") or ()
        for entry in one.get("webhooks") or ()
        if matches(entry.get("rules") or (), kind)
    ]


def policies(api: Api, kind: PolicyKind) -> list[str]:
    """The mutating admission policies that are about such policies, in whichever version they are served.  Raises ApiError."""
    for path in POLICIES:
        found = api.get(path)
        if found is not None:
            return [
                f"MutatingAdmissionPolicy {one['metadata']['name']}"
                for one in found.get("items") or ()
                if matches(((one.get("spec") or {}).get("matchConstraints") or {}).get("resourceRules") or (), kind)
            ]
    return []


def matches(rules: Iterable[Json], kind: PolicyKind) -> bool:
    """Whether one of some rules is about a resource."""
    return any(
        {"*", kind.group} & {*rule.get("apiGroups", ())}
        and {"*", "*/*", kind.resource} & {*rule.get("resources", ())}
        and {"*", "CREATE", "UPDATE"} & {*rule.get("operations", ())}
        for rule in rules
    )
