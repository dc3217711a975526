"""Descriptions of what may have changed a policy."""

from typing import Any, Final

import pytest

from webhook.kube.api import Api, ApiError, Json
from webhook.kube.policy_mutators import NONE_FOUND, describe_mutators
from webhook.model.kinds import POLICIES_BY_KIND

PLAIN: Final = POLICIES_BY_KIND["networking.k8s.io", "NetworkPolicy"]
WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
POLICIES: Final = "/apis/admissionregistration.k8s.io/{}/mutatingadmissionpolicies"


class Cluster(Api):
    """An API server with these lists."""

    def __init__(self, lists: dict[str, Json | ApiError]) -> None:
        self._lists = lists

    def get(self, path: str, **query: str) -> Json | None:
        """Return one list."""
        assert query == {}
        found = self._lists.get(path)
        if isinstance(found, ApiError):
            raise found
        return found


def rule(group: str = "networking.k8s.io", resource: str = "networkpolicies", operation: str = "CREATE") -> Json:
    """Return the rules of a mutating webhook or policy."""
    return {"apiGroups": [group], "apiVersions": ["*"], "resources": [resource], "operations": [operation]}


def webhook(*rules: Json) -> Json:
    """Return a list with one webhook."""
    return {"items": [{"metadata": {"name": "mesh"}, "webhooks": [{"name": "inject.mesh.io", "rules": list(rules)}]}]}


def admission(*rules: Json) -> Json:
    """Return a list with one policy."""
    return {"items": [{"metadata": {"name": "opener"}, "spec": {"matchConstraints": {"resourceRules": list(rules)}}}]}


def found(*managers: Any) -> Json:
    """Return a policy with these field managers."""
    return {"metadata": {"managedFields": list(managers)}}


SPEC: Final[Json] = {"f:spec": {"f:ingress": {}}}


@pytest.mark.parametrize(
    ("lists", "policy", "said"),
    [
        pytest.param({}, found(), NONE_FOUND, id="nothing"),
        pytest.param({}, found({"manager": "catflap", "fieldsV1": SPEC}), NONE_FOUND, id="we alone"),
        pytest.param(
            {}, found({"manager": "kubectl", "fieldsV1": {"f:metadata": {}}}), NONE_FOUND, id="a label of others"
        ),
        pytest.param({}, found({"manager": "argocd", "fieldsV1": SPEC}), "field manager argocd", id="a later writer"),
        pytest.param(
            {WEBHOOKS: webhook(rule())},
            found(),
            "mutating webhook inject.mesh.io (MutatingWebhookConfiguration mesh)",
            id="a webhook",
        ),
        pytest.param(
            {WEBHOOKS: webhook(rule("*", "*", "*"))}, found(), "mutating webhook inject.mesh.io", id="of everything"
        ),
        pytest.param({WEBHOOKS: webhook(rule("", "pods"))}, found(), NONE_FOUND, id="a webhook about Pods"),
        pytest.param(
            {WEBHOOKS: webhook(rule(operation="DELETE"))}, found(), NONE_FOUND, id="a webhook about deletions"
        ),
        pytest.param({WEBHOOKS: {"items": [{"metadata": {"name": "empty"}}]}}, found(), NONE_FOUND, id="an empty one"),
        *(
            pytest.param({POLICIES.format(one): admission(rule())}, found(), "MutatingAdmissionPolicy opener", id=one)
            for one in ("v1", "v1beta1", "v1alpha1")
        ),
        pytest.param(
            {WEBHOOKS: ApiError(403, "no right")}, found(), "could not be listed: no right", id="no right to look"
        ),
    ],
)
def test_what_may_have_changed_a_policy_is_named(lists: dict[str, Any], policy: Json, said: str) -> None:
    """The text has all readable candidates."""
    assert said in describe_mutators(Cluster(lists), PLAIN, policy)


def test_a_long_list_is_cut() -> None:
    """The text becomes part of an Event."""
    many = found(*({"manager": f"m{number}", "fieldsV1": SPEC} for number in range(100)))
    text = describe_mutators(Cluster({}), PLAIN, many)
    assert "and 95 more" in text
    assert len(text) < 200
