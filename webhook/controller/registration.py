"""The webhook configurations that fit a policy: which requests come to us, and what happens when we do not answer.

Pods, what makes them, our own policies and the labels that the guard hangs on fail closed; all else fails open. Match conditions keep away what no rule could speak about, so
that nodes, leases, status updates and scaling never depend on us.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import groupby
from typing import Any, Final, NamedTuple

from msgspec import Struct

from webhook.controller.conditions import (
    LABELS,
    LABELS_BEFORE,
    POLICY_CHANGED,
    alias_alone,
    elsewhere,
    on_update,
    protected_labels,
    workload_changed,
)
from webhook.guard.policy_protection import OWN_NAME_PATTERN
from webhook.kube.registrations import API_VERSION
from webhook.model.cel import literal
from webhook.model.identity import Identities, chart_accounts
from webhook.model.kinds import (
    CONFIGMAPS,
    LABELLING_SUBRESOURCES,
    NAMESPACES,
    POD,
    POD_MAKERS,
    POLICY_KINDS,
    PolicyKind,
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
from webhook.rules import RULES

# Answers take microseconds, or the two seconds that the API server may be asked; the rest is the network's.
TIMEOUT_SECONDS = 5
HTTPS = 443
VALIDATE = "/validate"
MUTATE = "/mutate"

SPACED, WIDE, ANY = "Namespaced", "Cluster", "*"
WORKLOADS = "workloads"
PODS = (POD.group, POD.resource)

Json = dict[str, Any]

# By the group as well: anybody whom RBAC lets impersonate, or whose identity provider is careless, may have such a name.
NO_NODE: Final = "!(request.userInfo.username.startsWith('system:node:') && 'system:nodes' in request.userInfo.groups)"

EXEMPT_PREFIX: Final = "exempt-prefix"  # the condition that comes and goes with the file

# What people change; not the status, nor what the API server counts. A PodTemplate has its template where others have a spec.
ANYTHING_CHANGED = " || ".join(
    f"{one} != {one.replace('object', 'oldObject')}"
    for one in ("object.?spec", "object.?template", LABELS, "object.?metadata.?annotations.orValue({})")
)


class Endpoint(Struct, frozen=True):
    """Where the API server finds us: by `url`, or by `service` and `port` in `namespace`, our own either way.

    `token` is the secret last part of each path, by which the server knows that the API server asks; empty for none.
    """

    ca_bundle: str
    namespace: str
    url: str = ""
    service: str = ""
    port: int = HTTPS
    token: str = ""

    def client_config(self, phase: str) -> Json:
        """`clientConfig` of one entry; `phase` is the path of its phase."""
        path = f"{phase}/{self.token}" if self.token else phase
        if self.url:
            return {"caBundle": self.ca_bundle, "url": f"{self.url}{path}"}
        service = {"namespace": self.namespace, "name": self.service, "path": path, "port": self.port}
        return {"caBundle": self.ca_bundle, "service": service}


class Where(StrEnum):
    """In which namespaces an entry is asked."""

    JUDGED = "all but the exempt ones and our own"
    ALL = "all"
    OWN = "our own"


class Asked(NamedTuple):
    """One entry: which requests come to which path, and what happens where nobody answers.

    `when` has the match conditions by name; all of them must hold.
    """

    name: str
    path: str
    fails: str
    rules: list[Json]
    when: Mapping[str, str]
    where: Where = Where.JUDGED


def registration(policy: GuardPolicy, endpoint: Endpoint, own_accounts: Identities | None = None) -> tuple[Json, ...]:
    """The validating and the mutating configuration.

    What `own_accounts` write comes to no entry that protects it; without any these are the chart's accounts.
    """
    ours = chart_accounts(endpoint.namespace) if own_accounts is None else own_accounts
    exempt = sorted({*policy.namespaces.exempted, endpoint.namespace})
    validating = [
        entry(asked, endpoint, exempt) for asked in (*judging(policy), *guarding(policy, endpoint.namespace, ours))
    ]
    written_to = [entry(asked, endpoint, exempt) | {"reinvocationPolicy": "Never"} for asked in mutating(policy)]
    return configuration("Validating", validating), configuration("Mutating", written_to)


def judging(policy: GuardPolicy) -> Iterator[Asked]:
    """What the rules about Pods are asked for; custom ones may read anything, so they are asked about more changes."""
    changed = f"{LABELS} != {LABELS_BEFORE}"
    to_pods = on_update(
        ANYTHING_CHANGED if any(rule.applies(POD.group, POD.resource) for rule in policy.custom) else changed
    )
    yield Asked("pods", VALIDATE, "Fail", pod_rules("CREATE", "UPDATE"), {"labels-changed": to_pods})
    beyond = any({*rule.resources} != {POD.resource} for rule in policy.custom)
    remade = workload_changed(policy)  # an extra kind may keep its template where ANYTHING_CHANGED does not look
    when = {"template-changed": on_update(f"{ANYTHING_CHANGED} || {remade}" if beyond else remade)}
    yield Asked(WORKLOADS, VALIDATE, "Fail", workload_rules(policy), when)
    # kube-scheduler's own bindings carry at most a node's topology (PodTopologyLabels), and must not wait for us.
    labelling = {"labels": f"{LABELS}.exists(key, !key.startsWith('{TOPOLOGY}'))"}
    yield Asked("bindings", VALIDATE, "Fail", [rule("", ["bindings", "pods/binding"], ["CREATE"])], labelling)
    # Kubelets write the status all the time.
    by_people = {"labels-changed": changed, "no-node": NO_NODE}
    yield Asked("pod-status", VALIDATE, "Fail", [labelling_rule(PODS, scope=SPACED)], by_people)


def guarding(policy: GuardPolicy, own_namespace: str, own_accounts: Identities) -> Iterator[Asked]:
    """What could open a closed namespace: its labels, our policies, everybody else's, and the policy file."""
    labelled = {"guarded-labels": protected_labels(policy, own_namespace), "caller": not_cleaner(own_accounts)}
    # An exempt namespace would count as one of production's if anybody could label it so.
    yield Asked("namespaces", VALIDATE, "Fail", namespace_rules(), labelled, Where.ALL)
    by_others = {"ours": ours(), "caller": not_cleaner(own_accounts)}
    yield Asked("policies", VALIDATE, "Fail", policy_rules(POLICY_KINDS, ["CREATE", "UPDATE", "DELETE"]), by_others)
    acting = policy_rules([kind for kind in POLICY_KINDS if not kind.staged], ["CREATE", "UPDATE"])
    of_others = {"changed": on_update(POLICY_CHANGED), "not-ours": f"!({ours()})"}
    yield Asked("open-policies", VALIDATE, on_failure(PolicyObject, policy), acting, of_others)
    # A DELETE has no object; a deletecollection is reviewed object by object.
    own = {"policy-file": f"(object == null ? oldObject : object).metadata.name == '{POLICY_CONFIGMAP}'"}
    file = rule(CONFIGMAPS[0], [CONFIGMAPS[1]], ["CREATE", "UPDATE", "DELETE"])
    yield Asked("policy-file", VALIDATE, "Ignore", [file], own, Where.OWN)


def on_failure(about: type, policy: GuardPolicy) -> str:
    """The failurePolicy of an entry for the rules about one type of object: Fail where one of them enforces in any namespace."""
    overrides = (None, *policy.namespaces.overrides)
    modes = {one.mode(policy, override) for one in RULES.values() if one.about is about for override in overrides}
    return "Fail" if Mode.ENFORCE in modes else "Ignore"


def mutating(policy: GuardPolicy) -> Iterator[Asked]:
    """What is written to: new namespaces, and Pods with an alias alone."""
    yield Asked("namespaces", MUTATE, "Ignore", namespace_rules()[:1], {})
    if policy.workloads.fill_from_aliases and (alone := alias_alone(policy)):
        yield Asked("pods", MUTATE, "Ignore", pod_rules("CREATE"), {"alias-alone": alone})


def configuration(phase: str, webhooks: list[Json]) -> Json:
    """One webhook configuration."""
    return {
        "apiVersion": API_VERSION,
        "kind": f"{phase}WebhookConfiguration",
        "metadata": {"name": WEBHOOK_CONFIGURATION, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
        "webhooks": webhooks,
    }


def entry(asked: Asked, endpoint: Endpoint, exempt: list[str]) -> Json:
    """One entry, with every field that the API server would default, so that nothing differs from what is stored."""
    names = [one for one in exempt if not one.endswith("*")]
    prefixes = [one for one in exempt if one.endswith("*")]
    further = {EXEMPT_PREFIX: elsewhere(prefixes)} if prefixes and asked.where is Where.JUDGED else {}
    conditions = [{"name": name, "expression": said} for name, said in {**asked.when, **further}.items()]
    return {
        "name": f"{asked.name}{ENTRY_SUFFIX}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": endpoint.client_config(asked.path),
        "failurePolicy": asked.fails,
        "matchPolicy": "Equivalent",
        "namespaceSelector": selector(asked.where, endpoint, names),
        "objectSelector": {},
        "rules": asked.rules,
        # The gate may close a namespace; in a dry run it only looks.
        "sideEffects": "NoneOnDryRun" if asked.path == VALIDATE else "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
        **({"matchConditions": conditions} if conditions else {}),
    }


def selector(where: Where, endpoint: Endpoint, exempt: list[str]) -> Json:
    """`namespaceSelector` of one entry, by name: the API server sets this label itself, and no user can change it."""
    if where is Where.ALL:
        return {}
    term = ("In", [endpoint.namespace]) if where is Where.OWN else ("NotIn", exempt)
    return {"matchExpressions": [{"key": NAMESPACE_NAME, "operator": term[0], "values": term[1]}]}


def rule(group: str, resources: list[str], operations: list[str], *, version: str = "v1", scope: str = SPACED) -> Json:
    """One rule."""
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": operations,
        "resources": resources,
        "scope": scope,
    }


def pod_rules(*operations: str) -> list[Json]:
    """Pods themselves; none of their subresources."""
    return [rule(POD.group, [POD.resource], list(operations))]


def labelling_rule(resource: tuple[str, str], *, scope: str) -> Json:
    """The subresources through which labels can be changed."""
    group, plural = resource
    return rule(group, [f"{plural}/{way}" for way in LABELLING_SUBRESOURCES[resource]], ["UPDATE"], scope=scope)


def workload_rules(policy: GuardPolicy) -> list[Json]:
    """Everything else that makes Pods, a rule an API group; then each kind that the policy file adds.

    A custom resource is asked about in whichever version: where a CRD converts nothing, the API server takes no version
    for the equivalent of another.
    """
    operations = ["CREATE", "UPDATE"]
    makers = [maker for maker in POD_MAKERS if maker is not POD]
    built_in = [
        rule(group, [maker.resource for maker in members], operations, version=ANY if custom else "v1")
        for (group, custom), members in groupby(makers, key=lambda maker: (maker.group, maker.custom))
    ]
    extra = policy.workloads.extra_kinds
    return built_in + [rule(one.group, [one.resource], operations, version=ANY, scope=ANY) for one in extra]


def policy_rules(kinds: Iterable[PolicyKind], operations: list[str]) -> list[Json]:
    """Network policies, a rule an API group and scope."""
    return [
        rule(group, [kind.resource for kind in members], operations, version=version, scope=SPACED if spaced else WIDE)
        for (group, version, spaced), members in groupby(sorted(kinds, key=api), key=api)
    ]


def api(kind: PolicyKind) -> tuple[str, str, bool]:
    """What the resources of one rule have in common."""
    return kind.group, kind.version, kind.namespaced


def namespace_rules() -> list[Json]:
    """Namespaces themselves, at CREATE and at UPDATE, and every other way in for their labels."""
    group, plural = NAMESPACES
    ways = labelling_rule(NAMESPACES, scope=WIDE)
    return [*(rule(group, [plural], [operation], scope=WIDE) for operation in ("CREATE", "UPDATE")), ways]


def ours() -> str:
    """Whether a policy bears our name or our label, before or after."""
    name = ".?metadata.?name.orValue('')"
    label = f".?metadata.?labels.orValue({{}})[?'{MANAGED_BY_LABEL}'].orValue('')"
    return " || ".join(
        f"({one} != null && ({one}{name}.matches('{OWN_NAME_PATTERN}') || {one}{label} == '{MANAGED_BY}'))"
        for one in ("object", "oldObject")
    )


def not_cleaner(own_accounts: Identities) -> str:
    """Whether the caller is neither catflap nor what empties a namespace: both must go on without an answer of ours."""
    return f"!(request.userInfo.username in {literal([*OBJECT_DELETERS, *own_accounts.users])})"
