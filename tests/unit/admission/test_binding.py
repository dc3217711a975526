"""Labels that a binding may set on its Pod."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.decisions import answered
from tests.reviews import pod, review
from tests.unit.samples import policy
from webhook.model.decision import Decision, Verdict
from webhook.model.reason import Reason, ReasonCode
from webhook.review.decode import decode

FILE = "workloads: {require: [{label: team, oneOf: [a]}]}"
WAYS = {"pods": "binding", "bindings": ""}


def decided(
    labels: Mapping[str, str] | None,
    *,
    resource: str = "pods",
    namespace: str = "shop",
    modes: str = "",
    **request: Any,
) -> Decision:
    """Return the decision on a binding with these labels."""
    sent = review(pod(), namespace=namespace)
    metadata = {"name": "web", **({} if labels is None else {"labels": dict(labels)})}
    sent["request"] |= {
        "kind": {"group": "", "version": "v1", "kind": "Binding"},
        "resource": {"group": "", "version": "v1", "resource": resource},
        "subResource": WAYS[resource],
        "object": {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": metadata,
            "target": {"kind": "Node", "name": "n"},
        },
        **request,
    }
    return answered(decode(json.dumps(sent).encode()), policy(f"{FILE}\n{modes}"), own_namespace="guards")


@pytest.mark.parametrize("resource", WAYS)
@pytest.mark.parametrize("key", ["role", "app", "k8s-app", "team", "pcns.environment", "pcsa.projectcalico.org/name"])
def test_no_label_that_counts(resource: str, key: str) -> None:
    """With each kind of binding, because the Pod was admitted with its own labels."""
    found = decided({key: "data"}, resource=resource)
    assert found.verdict is Verdict.DENIED
    assert [fault.rule for fault in found.denied] == ["bound-labels"]
    assert found.message.startswith("Binding shop/web has 1 violation:\n- bound-labels: metadata.labels")
    assert f"a binding cannot set the label {key!r} of its Pod" in found.message


@pytest.mark.parametrize("labels", [None, {}, {"topology.kubernetes.io/zone": "1"}, {"example.com/rack": "7"}])
def test_all_else_passes(labels: Mapping[str, str] | None) -> None:
    """Catflap does not check scheduling."""
    assert decided(labels) == Decision(Reason(ReasonCode.NO_VIOLATION))


@pytest.mark.parametrize("namespace", ["kube-system", "guards"])
def test_where_nothing_is_judged_nothing_is_bound(namespace: str) -> None:
    """As with Pods themselves."""
    assert decided({"role": "data"}, namespace=namespace).verdict is Verdict.EXEMPT


OVERRIDES = "namespaces: {overrides: [{names: [a], mode: warn}, {names: [b], rules: {role-claim: enforce}}]}"


@pytest.mark.parametrize(
    ("key", "modes", "told"),
    [
        ("role", "mode: warn", "warned"),
        ("role", "mode: audit", "audited"),
        ("role", "mode: off", ""),
        ("role", "mode: off\nrules: {keep-role: warn}", "warned"),
        ("team", "mode: off\nrules: {no-open-policy: enforce}", ""),
        ("role", "rules: {keep-role: warn}", "denied"),
        ("role", f"mode: off\n{OVERRIDES}", "denied"),
        ("pcns.a", "mode: off", ""),
        ("example.com/rack", "mode: warn", ""),
    ],
)
def test_a_label_counts_as_strictly_as_the_rules_about_pods(key: str, modes: str, told: str) -> None:
    """By the strictest of their modes, because the label could bypass each of them."""
    found = decided({key: "data"}, modes=modes)
    assert [name for name in ("denied", "warned", "audited") if getattr(found, name)] == ([told] if told else [])
    assert found.allowed is (told != "denied")


def test_the_first_labels_are_listed_and_the_others_counted() -> None:
    """A binding may have as many as a request has room for, each as long."""
    found = decided({f"pcns.{number:06}{'x' * 1_000}": "v" for number in range(1_000)})
    assert [one.count for one in found.denied] == [1] * 10 + [990]
    assert all(len(one.path) <= 500 and len(one.message) <= 1_000 for one in found.denied)
    assert "has 1000 violations" in found.message
