"""Paths of policies, and the comparison of stored policies with manifests."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.samples import policy
from webhook.kube.policies import matches_manifest, path
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (PolicyEngine.KUBERNETES, "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/catflap-default-deny"),
        (PolicyEngine.CALICO, "/apis/projectcalico.org/v3/namespaces/shop/networkpolicies/catflap-default-deny"),
    ],
)
def test_a_policy_lives_at_its_groups_path(engine: PolicyEngine, expected: str) -> None:
    """Both groups have a resource of the same name."""
    assert path(render_namespace(policy(), RenderTarget("shop", "1", "2"), engine)[0]) == expected


def stored(engine: PolicyEngine) -> tuple[dict[str, Any], Any]:
    """Return a stored policy with the API server's additions, and its manifest."""
    manifest = render_namespace(policy(), RenderTarget("shop", "1", "2"), engine)[1]
    found = copy.deepcopy(dict(manifest))
    found["metadata"].update(uid="9", resourceVersion="5", generation=1, managedFields=[])
    return found, manifest


@pytest.mark.parametrize("engine", PolicyEngine)
@pytest.mark.parametrize(
    "add",
    [
        pytest.param(lambda _: None, id="nothing"),
        pytest.param(lambda it: it["metadata"]["labels"].update(team="a"), id="a label of another user"),
        pytest.param(lambda it: it["metadata"]["annotations"].update(note="a"), id="an annotation of another user"),
        pytest.param(lambda it: it["metadata"].update(finalizers=["a"]), id="a finalizer"),
    ],
)
def test_what_others_add_beside_the_spec_is_no_difference(
    engine: PolicyEngine, add: Callable[[dict[str, Any]], object]
) -> None:
    """These changes isolate and open nothing."""
    found, manifest = stored(engine)
    add(found)
    assert matches_manifest(found, manifest)


@pytest.mark.parametrize("engine", PolicyEngine)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda it: it["spec"]["egress"].append({}), id="a rule more"),
        pytest.param(lambda it: it["spec"]["egress"].pop(), id="a rule less"),
        pytest.param(lambda it: it["spec"].update(ingress=[{}]), id="a direction opened"),
        pytest.param(lambda it: it["spec"].update(order=1), id="a field that we do not write"),
        pytest.param(lambda it: it.pop("spec"), id="no spec"),
        pytest.param(lambda it: it["metadata"]["labels"].clear(), id="our labels gone"),
        pytest.param(lambda it: it["metadata"].pop("labels"), id="no labels at all"),
        pytest.param(lambda it: it["metadata"].update(labels=None), id="null labels"),
    ],
)
def test_a_difference_in_spec_or_catflap_labels_counts(
    engine: PolicyEngine, change: Callable[[dict[str, Any]], object]
) -> None:
    """The comparison covers the whole spec, field by field; a digest could be forged."""
    found, manifest = stored(engine)
    change(found)
    assert not matches_manifest(found, manifest)
