"""The webhook configurations that fit a policy: which requests come to us, and what happens when we do not answer.

Pods and what makes them fail closed; all else fails open. Match conditions keep away what no rule could speak about, so
that nodes, leases, status updates and scaling never depend on us.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from msgspec import Struct

from webhook.guard.protect import POLICY_NAME, own_accounts
from webhook.model.kinds import LABELLING_SUBRESOURCE, NETWORK_POLICIES, POD, POD_MAKERS
from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL, NAMESPACE_NAME, WEBHOOK_CONFIGURATION
from webhook.model.policy import ALWAYS_EXEMPT, AppLabel, GuardPolicy
from webhook.model.request import CLEANERS

API_VERSION = "admissionregistration.k8s.io/v1"
# Answers take microseconds, or the two seconds that the API server may be asked; the rest is the network's.
TIMEOUT_SECONDS = 5
HTTPS = 443
VALIDATE = "/validate"
MUTATE = "/mutate"

Json = dict[str, Any]

LABELS = "object.?metadata.?labels.orValue({})"
LABELS_BEFORE = "oldObject.?metadata.?labels.orValue({})"


class Endpoint(Struct, frozen=True):
    """Where the API server finds us: by `url`, or by `service` and `port` in `namespace`, our own either way."""

    ca_bundle: str
    namespace: str
    url: str = ""
    service: str = ""
    port: int = HTTPS

    def client_config(self, path: str) -> Json:
        """`clientConfig` of one entry."""
        if self.url:
            return {"caBundle": self.ca_bundle, "url": f"{self.url}{path}"}
        service = {"namespace": self.namespace, "name": self.service, "path": path, "port": self.port}
        return {"caBundle": self.ca_bundle, "service": service}


def registration(policy: GuardPolicy, endpoint: Endpoint) -> tuple[Json, ...]:
    """The validating and the mutating configuration."""
    exempt = sorted(ALWAYS_EXEMPT.union(policy.namespaces.exempt, [endpoint.namespace]))
    validating = [
        entry("pods", endpoint, VALIDATE, exempt, fails="Fail", rules=pod_rules("CREATE", "UPDATE"))
        | {"matchConditions": [condition("labels-changed", on_update(f"{LABELS} != {LABELS_BEFORE}"))]},
        entry("workloads", endpoint, VALIDATE, exempt, fails="Fail", rules=workload_rules())
        | {"matchConditions": [condition("template-changed", on_update(template_changed()))]},
        entry("pod-status", endpoint, VALIDATE, exempt, fails="Ignore", rules=[status_rule()])
        | {
            "matchConditions": [
                condition("labels-changed", f"{LABELS} != {LABELS_BEFORE}"),
                condition("no-node", "!request.userInfo.username.startsWith('system:node:')"),
            ]
        },
        entry("policies", endpoint, VALIDATE, exempt, fails="Fail", rules=policy_rules())
        | {"matchConditions": [condition("ours", ours()), condition("caller", not_cleaner(endpoint.namespace))]},
    ]
    mutating = [
        entry("namespaces", endpoint, MUTATE, exempt, fails="Ignore", rules=[rule("", ["namespaces"], ["CREATE"])])
        | {"reinvocationPolicy": "Never"}
    ]
    if policy.workloads.fill_from_aliases and (alone := alias_alone(policy)):
        mutating.append(
            entry("pods", endpoint, MUTATE, exempt, fails="Ignore", rules=pod_rules("CREATE"))
            | {"matchConditions": [condition("alias-alone", alone)], "reinvocationPolicy": "Never"}
        )
    return configuration("Validating", validating), configuration("Mutating", mutating)


def configuration(phase: str, webhooks: list[Json]) -> Json:
    """One webhook configuration."""
    return {
        "apiVersion": API_VERSION,
        "kind": f"{phase}WebhookConfiguration",
        "metadata": {"name": WEBHOOK_CONFIGURATION, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
        "webhooks": webhooks,
    }


def entry(name: str, endpoint: Endpoint, path: str, exempt: list[str], *, fails: str, rules: list[Json]) -> Json:
    """One entry, with every field that the API server would default, so that nothing differs from what is stored."""
    return {
        "name": f"{name}.catflap.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": endpoint.client_config(path),
        "failurePolicy": fails,
        "matchPolicy": "Equivalent",
        "namespaceSelector": {
            # By name: the API server sets this label itself, and no user can change it.
            "matchExpressions": [{"key": NAMESPACE_NAME, "operator": "NotIn", "values": exempt}]
        },
        "objectSelector": {},
        "rules": rules,
        # The gate may close a namespace; in a dry run it only looks.
        "sideEffects": "NoneOnDryRun" if path == VALIDATE else "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }


def rule(group: str, resources: list[str], operations: list[str]) -> Json:
    """One rule; namespaces are the only resource of ours that has no namespace."""
    scope = "Cluster" if resources == ["namespaces"] else "Namespaced"
    versions = ["v1"]
    return {
        "apiGroups": [group],
        "apiVersions": versions,
        "operations": operations,
        "resources": resources,
        "scope": scope,
    }


def pod_rules(*operations: str) -> list[Json]:
    """Pods themselves; none of their subresources."""
    return [rule(POD.group, [POD.resource], list(operations))]


def status_rule() -> Json:
    """The status of Pods, through which labels can be changed; kubelets write it all the time, and are left out."""
    return rule(POD.group, [f"{POD.resource}/{LABELLING_SUBRESOURCE}"], ["UPDATE"])


def workload_rules() -> list[Json]:
    """Everything else that makes Pods, a rule an API group."""
    makers = [maker for maker in POD_MAKERS if maker is not POD]
    return [
        rule(group, [maker.resource for maker in members], ["CREATE", "UPDATE"])
        for group, members in groupby(makers, key=lambda maker: maker.group)
    ]


def policy_rules() -> list[Json]:
    """Network policies of every group that stores them."""
    return [
        {**rule(group, [resource], ["CREATE", "UPDATE", "DELETE"]), "apiVersions": [version]}
        for (group, resource), version in sorted(NETWORK_POLICIES.items())
    ]


def ours() -> str:
    """Whether a policy bears our name or our label, before or after."""
    name = ".?metadata.?name.orValue('')"
    label = f".?metadata.?labels.orValue({{}})[?'{MANAGED_BY_LABEL}'].orValue('')"
    return " || ".join(
        f"({one} != null && ({one}{name}.matches('{POLICY_NAME}') || {one}{label} == '{MANAGED_BY}'))"
        for one in ("object", "oldObject")
    )


def not_cleaner(own_namespace: str) -> str:
    """Whether somebody else calls than us, and than what empties a namespace: that must go on without us."""
    callers = ", ".join(f"'{name}'" for name in (*CLEANERS, *own_accounts(own_namespace)))
    return f"!(request.userInfo.username in [{callers}])"


def condition(name: str, expression: str) -> Mapping[str, str]:
    """One match condition."""
    return {"name": name, "expression": expression}


def on_update(expression: str) -> str:
    """A condition that only an UPDATE has to meet."""
    return f"request.operation != 'UPDATE' || {expression}"


def template_changed() -> str:
    """Whether the pod template differs from what stood; each kind keeps its own elsewhere."""
    by_template: dict[str, list[str]] = {}
    for maker in POD_MAKERS:
        if maker.template:
            by_template.setdefault(maker.template, []).append(maker.resource)
    cases = sorted(by_template.items(), key=lambda case: len(case[1]))
    expression = compared(cases[-1][0])
    for template, resources in cases[:-1]:
        named = " || ".join(f"request.resource.resource == '{resource}'" for resource in resources)
        expression = f"({named} ? {compared(template)} : {expression})"
    return expression


def compared(template: str) -> str:
    """The comparison of a template with its earlier self, for objects that may lack any step to it."""
    path = "".join(f".?{step}" for step in template.split("."))
    return f"object{path} != oldObject{path}"


def alias_alone(policy: GuardPolicy) -> str:
    """Whether a Pod has an alias without the plain label, of its application or of its role; empty without aliases."""
    return " || ".join(
        f"({stands_alone(label)})" for label in (policy.workloads.app, policy.workloads.role) if label.aliases
    )


def stands_alone(label: AppLabel) -> str:
    """Whether an alias of one label stands alone."""
    aliases = ", ".join(f"'{alias}'" for alias in label.aliases)
    return f"!('{label.label}' in {LABELS}) && [{aliases}].exists(alias, alias in {LABELS})"
