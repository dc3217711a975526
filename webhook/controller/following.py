"""The registration follows the policy file: what of the file decides which requests come to us is edited with it.

Only that is touched, in configurations that stand. Who answers, how long is waited for it and what else an installer
wrote stays as it is; which entries of the validating phase there are is the release's, not the file's; and what was
deleted stays deleted, for that is how catflap is turned off (docs/decisions/0013).
"""

from collections.abc import Mapping
from typing import Any, Final

from webhook.config.parse import Loaded
from webhook.controller.patience import Patience
from webhook.controller.recording import Recording
from webhook.controller.registration import EXEMPT_PREFIX, HTTPS, MUTATE, VALIDATE, WORKLOADS, Endpoint, registration
from webhook.controller.watching import Watching
from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.kube.registrations import API_VERSION, PHASES, collection, path
from webhook.kube.watch import Watch
from webhook.metrics import REGISTRATION
from webhook.model.names import ENTRY_SUFFIX, NAMESPACE_NAME, WEBHOOK_CONFIGURATION
from webhook.model.policy import GuardPolicy

COMES_AND_GOES: Final = "MutatingWebhookConfiguration"  # its entry for Pods is there as long as there are aliases


class Registered(Watching):
    """Our webhook configurations as they stand, kept by watches and edited when the policy file asks for other ones."""

    name = REGISTRATION
    pending = "the registration does not fit the policy file yet"

    def __init__(self, api: Api, *, recording: Recording, own_namespace: str) -> None:
        self._api = api
        self._recording = recording
        self._own_namespace = own_namespace
        query = {"fieldSelector": f"metadata.name={WEBHOOK_CONFIGURATION}"}
        self._patience = {phase: Patience() for phase in PHASES}
        super().__init__({phase: Watch(api, collection(phase), query=query) for phase in PHASES})

    def follow(self, loaded: Loaded) -> float:
        """See that what stands is asked about as the policy file says.  Raises ApiError, AuditLogUnwritable.

        The seconds after which to look again, where somebody keeps undoing what was written; 0 where nobody does.
        """
        self._recording.flush()
        wait = 0.0
        for phase, watch in self._watches.items():
            self._patience[phase].under(loaded.digest)
            found = watch.get(WEBHOOK_CONFIGURATION)
            if found is None:
                continue
            # The items of a list do not name their kind.
            stored = {**found, "apiVersion": API_VERSION, "kind": f"{phase.capitalize()}WebhookConfiguration"}
            wanted = fitted(stored, loaded.policy, self._own_namespace)
            if wanted == stored:
                continue
            if patience := self._patience[phase].left():
                wait = max(wait, patience)
            elif self._write(phase, wanted):
                self._patience[phase].used()
                reason = "rewritten: the policy file asks for other requests"
                self._recording.record(wanted, policy_digest=loaded.digest, reason=reason, verb="update")
        return wait

    def _write(self, phase: str, wanted: Json) -> bool:
        """Whether it was written; where another replica was faster, the watch brings what that wrote."""
        try:
            self._api.replace(path(phase), wanted)
        except ApiError as error:
            if error.status == CONFLICT:
                return False
            raise
        return True


def fitted(stored: Json, policy: GuardPolicy, own_namespace: str) -> Json:
    """A webhook configuration as it stands, made to ask about what the policy file says."""
    entries = stored.get("webhooks") or []
    model = next((entry for entry in entries if entry["name"].endswith(ENTRY_SUFFIX)), None)
    if model is None:
        return stored
    endpoint = endpoint_of(model["clientConfig"], own_namespace)
    [wanted] = (one["webhooks"] for one in registration(policy, endpoint) if one["kind"] == stored["kind"])
    by_name = {entry["name"]: entry for entry in wanted}
    kept = [fitted_entry(entry, by_name[entry["name"]]) if entry["name"] in by_name else entry for entry in entries]
    if stored["kind"] == COMES_AND_GOES:
        kept = [entry for entry in kept if entry["name"] in by_name or not entry["name"].endswith(ENTRY_SUFFIX)]
        missing = by_name.keys() - {entry["name"] for entry in kept}
        kept += [entry | {"namespaceSelector": selector(model, entry)} for entry in wanted if entry["name"] in missing]
    return {**stored, "webhooks": kept}


def endpoint_of(client_config: Mapping[str, Any], own_namespace: str) -> Endpoint:
    """Where the API server finds us, by an entry that stands."""
    bundle = client_config.get("caBundle", "")
    if "url" in client_config:
        url = client_config["url"].removesuffix(VALIDATE).removesuffix(MUTATE)
        return Endpoint(ca_bundle=bundle, namespace=own_namespace, url=url)
    service = client_config["service"]
    port = service.get("port", HTTPS)
    return Endpoint(ca_bundle=bundle, namespace=service["namespace"], service=service["name"], port=port)


def fitted_entry(stored: Json, wanted: Json) -> Json:
    """One entry: the namespaces that it leaves out by name, those of its conditions that are ours, and extra kinds."""
    fitted = {**stored, "namespaceSelector": selector(stored, wanted)}
    if stored["name"] == f"{WORKLOADS}{ENTRY_SUFFIX}":
        fitted["rules"] = wanted["rules"]
    ours = {one["name"]: one for one in wanted.get("matchConditions", ())}
    stand = [one for one in stored.get("matchConditions") or () if one["name"] != EXEMPT_PREFIX or one["name"] in ours]
    kept = [ours.get(one["name"], one) for one in stand]
    if EXEMPT_PREFIX in ours and ours[EXEMPT_PREFIX] not in kept:
        kept.append(ours[EXEMPT_PREFIX])
    fitted.pop("matchConditions", None)
    return fitted | ({"matchConditions": kept} if kept else {})


def selector(stored: Json, wanted: Json) -> Json:
    """Which namespaces an entry is about: by name as it is wanted, by other labels as it stands.

    Azure's admissions enforcer adds terms of its own, and would again (docs: AKS, "Can I use admission controller webhooks").
    """
    found = stored.get("namespaceSelector") or {}
    others = [term for term in found.get("matchExpressions") or () if term["key"] != NAMESPACE_NAME]
    terms = [*wanted["namespaceSelector"].get("matchExpressions", ()), *others]
    rest = {key: value for key, value in found.items() if key != "matchExpressions"}
    return {**rest, "matchExpressions": terms} if terms else rest
