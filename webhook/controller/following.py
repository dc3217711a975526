"""The registration follows the policy file: what of the file decides which requests come to us is edited with it.

Only that is touched, in configurations that stand. Who answers, how long is waited for it and what else an installer
wrote stays as it is; which entries of the validating phase there are is the release's, not the file's; and what was
deleted stays deleted, for that is how catflap is turned off (docs/decisions/0013).
"""

import re
from collections.abc import Callable, Mapping
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

PHASE_PATH: Final = re.compile(
    f"(?:{VALIDATE}|{MUTATE})(?:/([^/]+))?$"
)  # where the path of a phase begins, and its token
COMES_AND_GOES: Final = "MutatingWebhookConfiguration"  # its entry for Pods is there as long as there are aliases


class Registered(Watching):
    """Our webhook configurations as they stand, kept by watches and edited when the policy file asks for other ones."""

    name = REGISTRATION
    pending = "the registration does not fit the policy file yet"

    def __init__(
        self,
        api: Api,
        *,
        recording: Recording,
        own_namespace: str,
        endpoint: Callable[[], Endpoint] | None = None,
    ) -> None:
        """`endpoint` says at each pass where the API server finds us; without it, that stays as it is registered."""
        self._api = api
        self._endpoint = endpoint
        self._wake: Callable[[], None] = lambda: None
        self._recording = recording
        self._own_namespace = own_namespace
        query = {"fieldSelector": f"metadata.name={WEBHOOK_CONFIGURATION}"}
        self._patience = {phase: Patience() for phase in PHASES}
        super().__init__({phase: Watch(api, collection(phase), query=query) for phase in PHASES})

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin to watch; `on_change` is called when something is to be looked at."""
        self._wake = on_change
        super().start(on_change)

    def wake(self) -> None:
        """Look again soon: the endpoint has another path or another CA now."""
        self._wake()

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
            endpoint = self._endpoint() if self._endpoint else None
            wanted = fitted(stored, loaded.policy, self._own_namespace, endpoint)
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


def fitted(stored: Json, policy: GuardPolicy, own_namespace: str, endpoint: Endpoint | None = None) -> Json:
    """A webhook configuration as it stands, made to ask about what the policy file says, at an endpoint if there is one."""
    entries = stored.get("webhooks") or []
    model = next((entry for entry in entries if entry["name"].endswith(ENTRY_SUFFIX)), None)
    if model is None:
        return stored
    where = endpoint or endpoint_of(model["clientConfig"], own_namespace)
    [wanted] = (one["webhooks"] for one in registration(policy, where) if one["kind"] == stored["kind"])
    by_name = {entry["name"]: entry for entry in wanted}
    kept = [fitted_entry(entry, by_name[entry["name"]]) if entry["name"] in by_name else entry for entry in entries]
    if stored["kind"] == COMES_AND_GOES:
        kept = [entry for entry in kept if entry["name"] in by_name or not entry["name"].endswith(ENTRY_SUFFIX)]
        missing = by_name.keys() - {entry["name"] for entry in kept}
        kept += [entry | {"namespaceSelector": selector(model, entry)} for entry in wanted if entry["name"] in missing]
    if endpoint is not None:
        kept = [
            {**one, "clientConfig": by_name[one["name"]]["clientConfig"]} if one["name"] in by_name else one
            for one in kept
        ]
    return {**stored, "webhooks": kept}


def endpoint_of(client_config: Mapping[str, Any], own_namespace: str) -> Endpoint:
    """Where the API server finds us, by an entry that stands."""
    bundle = client_config.get("caBundle", "")
    if "url" in client_config:
        url, token = split_path(client_config["url"])
        return Endpoint(ca_bundle=bundle, namespace=own_namespace, url=url, token=token)
    service = client_config["service"]
    token = split_path(service.get("path", ""))[1]
    return Endpoint(
        ca_bundle=bundle,
        namespace=service["namespace"],
        service=service["name"],
        port=service.get("port", HTTPS),
        token=token,
    )


def split_path(where: str) -> tuple[str, str]:
    """What precedes the path of a phase in an address, and the token that follows it; empty where there is none."""
    before, *token = PHASE_PATH.split(where)
    return before, "".join(one or "" for one in token[:1])


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
