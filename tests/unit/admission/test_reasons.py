"""Each reason code of a decision, by a request that has it."""

import json
from typing import Any, Final

import pytest
from msgspec.structs import replace

from tests.decisions import older
from tests.reasons import assert_consistent, codes
from tests.reviews import GOOD, Json, deployment, encoded, namespace, pod, review
from tests.unit.samples import NODE, OWNER, REPLICASET_CONTROLLER, asked, policy
from webhook.admission.decide import decide
from webhook.admission.mutate import mutate
from webhook.model.decision import Decision
from webhook.model.reason import ReasonCode, Verdict
from webhook.model.request import Request
from webhook.model.rule import Violation
from webhook.model.steps import OFFLINE_RESULTS, OwnerLookup, PolicyValidation, Results, ValidationResult, complete
from webhook.review.decode import decode

OWN: Final = "guards"
FILE: Final = """
breakGlass: {groups: [emergency]}
exempt: {users: [robot], groups: [installers], serviceAccounts: [ci/deployer]}
namespaces: {environment: {oneOf: [production]}, labelledBy: [platform]}
policyFile: {deletedBy: [platform]}
rules: {no-host-network: warn}
"""
WAIVING: Final = "exceptions: [{rule: require-role, namespace: shop, owner: a, reason: b, until: 9999-12-31}]"
GARBAGE_COLLECTOR: Final = "system:serviceaccount:kube-system:generic-garbage-collector"
NAMESPACE_CONTROLLER: Final = "system:serviceaccount:kube-system:namespace-controller"
ENVIRONMENT: Final = {"environment": "production"}
ROLLOUT: Final[Json] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "web"},
    "spec": {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}
WORKFLOW: Final[Json] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "web"},
    "spec": {},
}


def by(name: str = "jane", *groups: str) -> Json:
    """Who asks."""
    return {"userInfo": {"username": name, "groups": list(groups)}}


def network_policy(
    operation: str = "DELETE", group: str = "networking.k8s.io", *, ours: bool = True, **more: Any
) -> Request:
    """A request about a network policy."""
    version = "v1" if group == "networking.k8s.io" else "v3" if group == "projectcalico.org" else "v1"
    name = "catflap-default-deny" if ours else "theirs"
    manifest = {"apiVersion": f"{group}/{version}", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": {}}
    sent = review(pod(), operation=operation, **more)
    sent["request"] |= {
        "kind": {"group": group, "version": version, "kind": "NetworkPolicy"},
        "resource": {"group": group, "version": version, "resource": "networkpolicies"},
        "name": name,
        "object": None if operation == "DELETE" else manifest,
        "oldObject": None if operation == "CREATE" else manifest,
    }
    return decode(json.dumps(sent).encode())


def binding(labels: dict[str, str]) -> Request:
    """A request that binds a Pod, and would write labels to it."""
    sent = review(pod())
    sent["request"] |= {
        "kind": {"group": "", "version": "v1", "kind": "Binding"},
        "subResource": "binding",
        "object": {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "web", "labels": labels},
            "target": {"kind": "Node", "name": "n"},
        },
    }
    return decode(json.dumps(sent).encode())


def configmap(text: str = "mode: warn", *, before: str | None = None, where: str = OWN, **more: Any) -> Request:
    """A request about a ConfigMap with the policy file's name."""
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "catflap-policy"}, "data": {"policy.yaml": one}}
        for one in (text, before)
        if one is not None
    ]
    old = objects[1] if before is not None else None
    return decode(encoded(objects[0], before=old, namespace=where, **more))


def deletion(**more: Any) -> Request:
    """A request that deletes the policy file."""
    file = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "catflap-policy"}, "data": {}}
    return decode(encoded(None, before=file, namespace=OWN, name="catflap-policy", operation="DELETE", **more))


def too_large(request: Request) -> Request:
    """The same where the objects are not read."""
    return replace(request, unread="it is too large", workload=None, namespace=None, policy_file=None)


def restarted(manifest: Json) -> Json:
    """An object as `kubectl rollout restart` leaves it."""
    template = manifest["spec"]["template"]
    annotated = {**template["metadata"], "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-25T12:00:00Z"}}
    return {**manifest, "spec": {**manifest["spec"], "template": {**template, "metadata": annotated}}}


MADE: Final = asked(pod(ownerReferences=[OWNER]), userInfo=REPLICASET_CONTROLLER)
RESTARTED: Final = asked(restarted(deployment(uid="42")), before=deployment(uid="42"))
MIRROR: Final = asked(pod(annotations={"kubernetes.io/config.mirror": "x"}), userInfo=NODE)
DECIDED: Final[list[tuple[ReasonCode, Request]]] = [
    (ReasonCode.NO_VIOLATION, asked(pod(GOOD))),
    (ReasonCode.NO_VIOLATION, asked(namespace())),
    (ReasonCode.NO_VIOLATION, binding({"topology.kubernetes.io/zone": "a"})),
    (ReasonCode.RULE_VIOLATED, asked(pod())),
    (ReasonCode.RULE_VIOLATED, too_large(asked(pod()))),
    (ReasonCode.NAMESPACE_EXEMPT, asked(pod(), namespace="kube-system")),
    (ReasonCode.NAMESPACE_EXEMPT, too_large(asked(pod(), namespace="kube-system"))),
    (ReasonCode.OWN_NAMESPACE, asked(pod(), namespace=OWN)),
    (ReasonCode.OWN_NAMESPACE, too_large(asked(pod(), namespace=OWN))),
    (ReasonCode.EXEMPT_USER, asked(pod(), **by("robot"))),
    (ReasonCode.EXEMPT_GROUP, asked(pod(), **by("ann", "installers"))),
    (ReasonCode.EXEMPT_SERVICE_ACCOUNT, asked(pod(), **by("system:serviceaccount:ci:deployer"))),
    (ReasonCode.BREAK_GLASS, asked(pod(), **by("ann", "emergency"))),
    (ReasonCode.BREAK_GLASS, network_policy(**by("ann", "emergency"))),
    (ReasonCode.BREAK_GLASS, asked(namespace(labels=ENVIRONMENT), **by("ann", "emergency"))),
    (ReasonCode.BREAK_GLASS, deletion(**by("ann", "emergency"))),
    (ReasonCode.AUTHORIZED_GROUP, asked(namespace(labels=ENVIRONMENT), **by("ann", "platform"))),
    (ReasonCode.AUTHORIZED_GROUP, deletion(**by("ann", "platform"))),
    (ReasonCode.NAMESPACE_PROTECTED, asked(namespace(labels=ENVIRONMENT))),
    (ReasonCode.NAMESPACE_PROTECTED, asked(namespace(labels={"environment": "x"}), **by("ann", "platform"))),
    (ReasonCode.OWN_ACCOUNT, network_policy(**by(f"system:serviceaccount:{OWN}:catflap-controller"))),
    (ReasonCode.NAMESPACE_TERMINATING, network_policy(**by(NAMESPACE_CONTROLLER))),
    (ReasonCode.NAMESPACE_TERMINATING, deletion(**by(NAMESPACE_CONTROLLER))),
    (ReasonCode.GARBAGE_COLLECTED, network_policy(**by(GARBAGE_COLLECTOR))),
    (
        ReasonCode.CALICO_STORAGE,
        network_policy("CREATE", "crd.projectcalico.org", **by("system:serviceaccount:calico-system:calico-apiserver")),
    ),
    (ReasonCode.MIRROR_POD, MIRROR),
    (ReasonCode.OLDER_OWNER, MADE),
    (ReasonCode.OLDER_WORKLOAD, RESTARTED),
    (ReasonCode.NO_RULE_APPLIES, asked(pod(), subResource="eviction")),
    (ReasonCode.NO_RULE_APPLIES, too_large(asked(pod(), subResource="eviction"))),
    (ReasonCode.OPERATION_NOT_JUDGED, asked(None, operation="DELETE")),
    (ReasonCode.TEMPLATE_REFERENCED, asked(ROLLOUT)),
    (ReasonCode.POD_LABELS_UNKNOWN, asked(WORKFLOW)),
    (ReasonCode.FOREIGN_POLICY_DELETED, network_policy(ours=False)),
    (ReasonCode.POLICY_PROTECTED, network_policy()),
    (ReasonCode.NOT_POLICY_FILE, configmap(where="shop")),
    (ReasonCode.NOT_POLICY_FILE, too_large(configmap(where="shop"))),
    (ReasonCode.POLICY_FILE_UNCHANGED, configmap(before="mode: warn")),
    (ReasonCode.POLICY_FILE_VALID, configmap()),
    (ReasonCode.POLICY_FILE_PROTECTED, deletion()),
    (ReasonCode.BINDING_LABELS_REFUSED, binding({"role": "data"})),
    (ReasonCode.PROTECTED_OBJECT_NOT_READ, too_large(asked(namespace()))),
    (ReasonCode.PROTECTED_OBJECT_NOT_READ, too_large(configmap())),
]
UNDER: Final[list[tuple[ReasonCode, Request, str]]] = [
    (ReasonCode.VIOLATION_NOT_ENFORCED, asked(pod()), "mode: warn"),
    (ReasonCode.VIOLATION_NOT_ENFORCED, asked(pod()), "mode: audit"),
    (ReasonCode.VIOLATION_NOT_ENFORCED, binding({"role": "data"}), "mode: warn"),
    (ReasonCode.NO_VIOLATION, asked(pod()), "mode: off"),
    (ReasonCode.EXCEPTION_APPLIED, asked(pod({"app": "web"})), WAIVING),
    (ReasonCode.EXCEPTION_APPLIED, asked(pod()), f"{WAIVING}\nrules: {{require-app: warn}}"),
    (ReasonCode.RULE_VIOLATED, asked(pod()), WAIVING),
]
AMENDED: Final[list[tuple[ReasonCode, Request]]] = [
    (ReasonCode.LABELS_ADDED, asked(namespace())),
    (ReasonCode.LABELS_ADDED, asked(pod({"app.kubernetes.io/name": "web"}))),
    (ReasonCode.NO_LABELS_TO_ADD, asked(pod(GOOD))),
    (ReasonCode.OPERATION_NOT_MUTATED, asked(pod(GOOD), before=pod())),
    (ReasonCode.OBJECT_NOT_READ, too_large(asked(namespace()))),
    (ReasonCode.NAMESPACE_EXEMPT, asked(pod(), namespace="kube-system")),
    (ReasonCode.NO_RULE_APPLIES, asked(pod(), subResource="eviction")),
]
BAD_FILE: Final = Violation("policy-file", "mode", "no such mode")


def decided(request: Request, text: str = FILE, *, bad: tuple[Violation, ...] = ()) -> Decision:
    """The decision once each question is answered: an owner is older, and a policy file has these faults."""
    owners = older(request) if request.document is not None and request.workload is not None else ()
    results: Results = {**OFFLINE_RESULTS, OwnerLookup: owners, PolicyValidation: ValidationResult(bad)}
    return complete(decide(request, policy(text), own_namespace=OWN), results)


@pytest.mark.parametrize(("code", "request_"), DECIDED)
def test_a_request_has_this_code(code: ReasonCode, request_: Request) -> None:
    """Under one policy file."""
    found = decided(request_)
    assert found.why.code is code
    assert_consistent(found)


@pytest.mark.parametrize(("code", "request_", "text"), UNDER)
def test_a_policy_file_gives_this_code(code: ReasonCode, request_: Request, text: str) -> None:
    """By modes and exceptions."""
    found = decided(request_, text)
    assert found.why.code is code
    assert_consistent(found)


@pytest.mark.parametrize(("code", "request_"), AMENDED)
def test_the_mutating_phase_has_this_code(code: ReasonCode, request_: Request) -> None:
    """It never refuses."""
    found = mutate(request_, policy(FILE), own_namespace=OWN)
    assert found.why.code is code
    assert bool(found.labels) == (code is ReasonCode.LABELS_ADDED)
    assert_consistent(found)


def test_a_bad_policy_file_has_its_code() -> None:
    """And its faults."""
    found = decided(configmap("mode: loud"), bad=(BAD_FILE,))
    assert (found.why.code, found.denied) == (ReasonCode.POLICY_FILE_INVALID, (BAD_FILE,))


def test_the_matrix_has_each_code_of_a_decision() -> None:
    """Whoever adds one adds a request that has it; what cannot be found out is the server's, and in its own matrix."""
    seen = {ReasonCode.POLICY_FILE_INVALID, *(code for code, *_ in (*DECIDED, *UNDER, *AMENDED))}
    assert seen == {code for verdict in Verdict for code in codes(verdict) if verdict is not Verdict.UNAVAILABLE}
