"""Builds the webhook configurations for a policy: which requests catflap receives, and what happens if it does not answer.

Entries for Pods, for kinds that create Pods, for catflap's own policies and for protected labels fail closed. All
other entries fail open. Match conditions exclude requests that no rule can judge, so that nodes, leases, status
updates and scaling never depend on catflap.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from msgspec import Struct

from webhook.admission.policy_protection import OWN_NAME_PATTERN
from webhook.controller.match_conditions import (
    LABELS,
    OLD_LABELS,
    POLICY_CHANGED,
    guarded_labels_changed,
    has_only_alias,
    on_update,
    outside_prefixes,
    workload_changed,
)
from webhook.controller.webhook_rules import (
    SPACED,
    labelling_subresource_rule,
    namespace_rules,
    pod_rules,
    policy_rules,
    rule,
    workload_rules,
)
from webhook.kube.webhook_configurations import API_VERSION
from webhook.model.cel import literal
from webhook.model.identity import Identities, chart_accounts
from webhook.model.kinds import (
    CONFIGMAPS,
    POD,
    POLICY_KINDS,
)
from webhook.model.labels import TOPOLOGY
from webhook.model.modes import Mode
from webhook.model.names import (
    ENTRY_SUFFIX,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAMESPACE_NAME,
    POLICY_CONFIGMAP,
    WEBHOOK_CONFIGURATION,
)
from webhook.model.policy import GuardPolicy
from webhook.model.request import OBJECT_DELETERS, PolicyObject
from webhook.model.timeouts import WEBHOOK_TIMEOUT_SECONDS
from webhook.rules import RULES

HTTPS = 443
VALIDATE = "/validate"
MUTATE = "/mutate"

WORKLOADS = "workloads"
PODS = (POD.group, POD.resource)

Json = dict[str, Any]

# The group is checked as well: a careless identity provider, or a right to impersonate, can give a user such a name.
CALLER_IS_NO_NODE: Final = (
    "!(request.userInfo.username.startsWith('system:node:') && 'system:nodes' in request.userInfo.groups)"
)

EXEMPT_PREFIX: Final = "exempt-prefix"  # the condition that depends on the policy file

# The fields that users change, without the status and the API server's counters. A PodTemplate has `template` instead
# of `spec`.
ANYTHING_CHANGED = " || ".join(
    f"{one} != {one.replace('object', 'oldObject')}"
    for one in ("object.?spec", "object.?template", LABELS, "object.?metadata.?annotations.orValue({})")
)


class Endpoint(Struct, frozen=True):
    """The address of the servers: a `url`, or a `service` and `port` in `namespace`. `namespace` is catflap's own in both cases.

    `token` is the secret last part of each path. It proves to the server that the API server sends the request. It is
    empty if no proof is required.
    """

    ca_bundle: str
    namespace: str
    url: str = ""
    service: str = ""
    port: int = HTTPS
    token: str = ""

    def client_config(self, phase: str) -> Json:
        """Return `clientConfig` of one entry; `phase` is the path of its phase."""
        path = f"{phase}/{self.token}" if self.token else phase
        if self.url:
            return {"caBundle": self.ca_bundle, "url": f"{self.url}{path}"}
        service = {"namespace": self.namespace, "name": self.service, "path": path, "port": self.port}
        return {"caBundle": self.ca_bundle, "service": service}


class EntryScope(StrEnum):
    """The namespaces for which an entry receives requests."""

    JUDGED = "all but the exempt ones and our own"
    ALL = "all"
    OWN = "our own"


class WebhookEntry(NamedTuple):
    """One entry: the requests that it matches, their path, and its failure policy.

    `when` maps names of match conditions to expressions. All of them must hold.
    """

    name: str
    path: str
    fails: str
    rules: list[Json]
    when: Mapping[str, str]
    where: EntryScope = EntryScope.JUDGED


def webhook_configurations(
    policy: GuardPolicy, endpoint: Endpoint, own_accounts: Identities | None = None
) -> tuple[Json, ...]:
    """Return the validating and the mutating webhook configuration.

    Requests of `own_accounts` match no entry that protects catflap's objects. By default these are the accounts of
    the chart.
    """
    accounts = chart_accounts(endpoint.namespace) if own_accounts is None else own_accounts
    exempt = sorted({*policy.namespaces.exempted, endpoint.namespace})
    validating = [
        render_entry(asked, endpoint, exempt)
        for asked in (*judging_entries(policy), *protecting_entries(policy, endpoint.namespace, accounts))
    ]
    written_to = [
        render_entry(asked, endpoint, exempt) | {"reinvocationPolicy": "Never"} for asked in mutating_entries(policy)
    ]
    return configuration("Validating", validating), configuration("Mutating", written_to)


def judging_entries(policy: GuardPolicy) -> Iterator[WebhookEntry]:
    """Return the entries for rules about Pods. A custom rule may read any field, so these entries then match more changes."""
    changed = f"{LABELS} != {OLD_LABELS}"
    to_pods = on_update(
        ANYTHING_CHANGED if any(rule.applies(POD.group, POD.resource) for rule in policy.custom) else changed
    )
    yield WebhookEntry("pods", VALIDATE, "Fail", pod_rules("CREATE", "UPDATE"), {"labels-changed": to_pods})
    beyond = any({*rule.resources} != {POD.resource} for rule in policy.custom)
    remade = workload_changed(policy)  # ANYTHING_CHANGED may not cover the template of an extra kind
    when = {"template-changed": on_update(f"{ANYTHING_CHANGED} || {remade}" if beyond else remade)}
    yield WebhookEntry(WORKLOADS, VALIDATE, "Fail", workload_rules(policy), when)
    # kube-scheduler's own bindings carry at most a node's topology (PodTopologyLabels), and must not wait for
    # catflap.
    labelling = {"labels": f"{LABELS}.exists(key, !key.startsWith('{TOPOLOGY}'))"}
    yield WebhookEntry("bindings", VALIDATE, "Fail", [rule("", ["bindings", "pods/binding"], ["CREATE"])], labelling)
    # Kubelets write the status continually.
    by_people = {"labels-changed": changed, "no-node": CALLER_IS_NO_NODE}
    yield WebhookEntry("pod-status", VALIDATE, "Fail", [labelling_subresource_rule(PODS, scope=SPACED)], by_people)


def protecting_entries(policy: GuardPolicy, own_namespace: str, own_accounts: Identities) -> Iterator[WebhookEntry]:
    """Return the entries for what could open an isolated namespace: its labels, all network policies, and the policy file."""
    labelled = {
        "guarded-labels": guarded_labels_changed(policy, own_namespace),
        "caller": caller_is_reviewed(own_accounts),
    }
    # Otherwise any user could label an exempt namespace as one of production.
    yield WebhookEntry("namespaces", VALIDATE, "Fail", namespace_rules(), labelled, EntryScope.ALL)
    by_others = {"ours": is_own_policy(), "caller": caller_is_reviewed(own_accounts)}
    yield WebhookEntry(
        "policies", VALIDATE, "Fail", policy_rules(POLICY_KINDS, ["CREATE", "UPDATE", "DELETE"]), by_others
    )
    acting = policy_rules([kind for kind in POLICY_KINDS if not kind.staged], ["CREATE", "UPDATE"])
    of_others = {"changed": on_update(POLICY_CHANGED), "not-ours": f"!({is_own_policy()})"}
    yield WebhookEntry("open-policies", VALIDATE, failure_policy(PolicyObject, policy), acting, of_others)
    # A DELETE has no object. The API server sends one review for each object of a deletecollection.
    own = {"policy-file": f"(object == null ? oldObject : object).metadata.name == '{POLICY_CONFIGMAP}'"}
    file = rule(CONFIGMAPS[0], [CONFIGMAPS[1]], ["CREATE", "UPDATE", "DELETE"])
    yield WebhookEntry("policy-file", VALIDATE, "Ignore", [file], own, EntryScope.OWN)


def failure_policy(about: type, policy: GuardPolicy) -> str:
    """Return the failurePolicy of an entry for rules about one type of object: Fail if any of them enforces in any namespace."""
    overrides = (None, *policy.namespaces.overrides)
    modes = {one.mode(policy, override) for one in RULES.values() if one.about is about for override in overrides}
    return "Fail" if Mode.ENFORCE in modes else "Ignore"


def mutating_entries(policy: GuardPolicy) -> Iterator[WebhookEntry]:
    """Return the entries that mutate: for new namespaces, and for Pods that have only an alias of a label."""
    yield WebhookEntry("namespaces", MUTATE, "Ignore", namespace_rules()[:1], {})
    if policy.workloads.fill_from_aliases and (alone := has_only_alias(policy)):
        yield WebhookEntry("pods", MUTATE, "Ignore", pod_rules("CREATE"), {"alias-alone": alone})


def configuration(phase: str, webhooks: list[Json]) -> Json:
    """Return one webhook configuration."""
    return {
        "apiVersion": API_VERSION,
        "kind": f"{phase}WebhookConfiguration",
        "metadata": {"name": WEBHOOK_CONFIGURATION, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
        "webhooks": webhooks,
    }


def render_entry(asked: WebhookEntry, endpoint: Endpoint, exempt: list[str]) -> Json:
    """Return one entry with every field that the API server defaults, so that it equals the stored entry."""
    names = [one for one in exempt if not one.endswith("*")]
    prefixes = [one for one in exempt if one.endswith("*")]
    further = {EXEMPT_PREFIX: outside_prefixes(prefixes)} if prefixes and asked.where is EntryScope.JUDGED else {}
    conditions = [{"name": name, "expression": said} for name, said in {**asked.when, **further}.items()]
    return {
        "name": f"{asked.name}{ENTRY_SUFFIX}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": endpoint.client_config(asked.path),
        "failurePolicy": asked.fails,
        "matchPolicy": "Equivalent",
        "namespaceSelector": namespace_selector(asked.where, endpoint, names),
        "objectSelector": {},
        "rules": asked.rules,
        # The gate may write the default-deny; in a dry run it only reads.
        "sideEffects": "NoneOnDryRun" if asked.path == VALIDATE else "None",
        "timeoutSeconds": WEBHOOK_TIMEOUT_SECONDS,
        **({"matchConditions": conditions} if conditions else {}),
    }


def namespace_selector(where: EntryScope, endpoint: Endpoint, exempt: list[str]) -> Json:
    """Return `namespaceSelector` of one entry. It selects by name: the API server sets this label, and no user can change it."""
    if where is EntryScope.ALL:
        return {}
    term = ("In", [endpoint.namespace]) if where is EntryScope.OWN else ("NotIn", exempt)
    return {"matchExpressions": [{"key": NAMESPACE_NAME, "operator": term[0], "values": term[1]}]}


def is_own_policy() -> str:
    """Return the CEL expression for: the policy has catflap's name or label, before or after the request."""
    name = ".?metadata.?name.orValue('')"
    label = f".?metadata.?labels.orValue({{}})[?'{MANAGED_BY_LABEL}'].orValue('')"
    return " || ".join(
        f"({one} != null && ({one}{name}.matches('{OWN_NAME_PATTERN}') || {one}{label} == '{MANAGED_BY}'))"
        for one in ("object", "oldObject")
    )


def caller_is_reviewed(own_accounts: Identities) -> str:
    """Return the CEL expression for: the caller is neither catflap nor a controller that empties namespaces.

    Both must be able to work while catflap does not answer.
    """
    return f"!(request.userInfo.username in {literal([*OBJECT_DELETERS, *own_accounts.users])})"
