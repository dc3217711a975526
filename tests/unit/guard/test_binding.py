"""What a binding may write onto its Pod."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.reviews import pod, review
from tests.unit.samples import policy
from webhook.guard.decide import decide
from webhook.model.decision import Decision, Verdict
from webhook.review.decode import decode

FILE = "workloads: {require: [{label: team, oneOf: [a]}]}"
WAYS = {"pods": "binding", "bindings": ""}


def decided(
    labels: Mapping[str, str] | None, *, resource: str = "pods", namespace: str = "shop", **request: Any
) -> Decision:
    """The decision on a binding with these labels."""
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
    found = decide(decode(json.dumps(sent).encode()), policy(FILE), own_namespace="guards")
    assert isinstance(found, Decision)
    return found


@pytest.mark.parametrize("resource", WAYS)
@pytest.mark.parametrize("key", ["role", "app", "k8s-app", "team", "pcns.environment", "pcsa.projectcalico.org/name"])
def test_no_label_that_counts(resource: str, key: str) -> None:
    """By either way; the Pod was judged by what it had."""
    found = decided({key: "data"}, resource=resource)
    assert found.verdict is Verdict.DENIED
    assert [fault.rule for fault in found.denied] == ["bound-labels"]
    assert found.message.startswith("Binding shop/web has 1 fault:\n- bound-labels: metadata.labels")
    assert f"a binding does not set {key!r} of its Pod" in found.message


@pytest.mark.parametrize("labels", [None, {}, {"topology.kubernetes.io/zone": "1"}, {"example.com/rack": "7"}])
def test_all_else_passes(labels: Mapping[str, str] | None) -> None:
    """Scheduling is nobody's business."""
    assert decided(labels) == Decision(Verdict.ALLOWED)


@pytest.mark.parametrize("namespace", ["kube-system", "guards"])
def test_where_nothing_is_judged_nothing_is_bound(namespace: str) -> None:
    """As with Pods themselves."""
    assert decided({"role": "data"}, namespace=namespace).verdict is Verdict.EXEMPT
