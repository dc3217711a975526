"""Who may touch catflap's own network policies."""

import json
from typing import Any

import pytest

from tests.reviews import review
from tests.unit.samples import policy
from webhook.admission.decide import decide
from webhook.model.decision import Decision, Verdict
from webhook.model.steps import complete
from webhook.review.decode import decode
from webhook.review.envelope import BadReview

MANAGED = {"app.kubernetes.io/managed-by": "catflap"}
GROUPS = {"networking.k8s.io": "v1", "projectcalico.org": "v3", "crd.projectcalico.org": "v1"}


def body(
    operation: str = "DELETE",
    *,
    name: str = "catflap-default-deny",
    labels: dict[str, str] | None = None,
    before: dict[str, str] | None = None,
    group: str = "networking.k8s.io",
    **request: Any,
) -> bytes:
    """Return a review of a network policy."""
    version = GROUPS[group]

    def manifest(found: dict[str, str] | None) -> dict[str, Any]:
        metadata = {"name": name, "labels": found or {}}
        return {"apiVersion": f"{group}/{version}", "kind": "NetworkPolicy", "metadata": metadata, "spec": {}}

    sent = review({"kind": "Pod", "metadata": {}}, operation=operation)
    sent["request"] |= {
        "kind": {"group": group, "version": version, "kind": "NetworkPolicy"},
        "resource": {"group": group, "version": version, "resource": "networkpolicies"},
        "name": name,
        "object": None if operation == "DELETE" else manifest(labels),
        "oldObject": None if operation == "CREATE" else manifest(before),
        **request,
    }
    return json.dumps(sent).encode()


def decided(text: str = "", **options: Any) -> Decision:
    """Return the decision, with catflap in the namespace `guards`."""
    return complete(decide(decode(body(**options)), policy(text), own_namespace="guards"))


@pytest.mark.parametrize(
    "name",
    [
        "knp.default.catflap-default-deny",
        "knp.catflap-default-deny",
        "default.catflap-default-deny",
        "ossg.default.catflap-default-deny",
        "staged.knp.default.catflap-default-deny",
        "default.default.catflap-default-deny",
    ],
)
def test_a_name_that_calico_reads_as_ours_is_ours(name: str) -> None:
    """With each prefix under which Calico stores its objects."""
    found = decided(operation="CREATE", group="crd.projectcalico.org", name=name)
    assert (found.verdict, found.denied[0].rule) == (Verdict.DENIED, "guard-policies")


@pytest.mark.parametrize("name", ["knp.default.mine", "platform.catflap-default-deny", "x-catflap-a", "knpcatflap-a"])
def test_a_name_that_calico_does_not_read_as_ours_is_not(name: str) -> None:
    """A policy of another tier has a key of its own."""
    assert decided(operation="CREATE", group="crd.projectcalico.org", name=name).verdict is not Verdict.DENIED


@pytest.mark.parametrize(
    ("group", "kept", "denied"),
    [
        ("crd.projectcalico.org", {"name": "catflap-default-deny"}, True),
        ("crd.projectcalico.org", {"name": "catflap-default-deny", "spec": "broken"}, True),
        ("crd.projectcalico.org", {"labels": MANAGED}, True),
        ("crd.projectcalico.org", {"name": "mine"}, False),
        ("projectcalico.org", {"name": "catflap-default-deny"}, False),
    ],
)
def test_a_name_that_calico_keeps_in_an_annotation_counts(group: str, kept: dict[str, Any], denied: bool) -> None:
    """Where Calico reads it, and although the policy itself cannot be read."""
    metadata = {"name": "mine", "annotations": {"projectcalico.org/metadata": json.dumps(kept)}}
    manifest = {
        "apiVersion": f"{group}/{GROUPS[group]}",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {"types": ["Inbound"]},
    }
    request = decode(body(operation="CREATE", group=group, name="mine", object=manifest))
    found = complete(decide(request, policy(), own_namespace="guards"))
    assert ([one.rule for one in found.denied] == ["guard-policies"]) is denied


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
def test_other_users_may_not_change_policies_with_a_name_of_catflap(group: str, operation: str) -> None:
    """In every group that stores network policies."""
    name = "default.catflap-allow-dns" if group == "crd.projectcalico.org" else "catflap-allow-dns"
    found = decided(operation=operation, group=group, name=name)
    assert found.verdict is Verdict.DENIED
    assert found.denied[0].rule == "guard-policies"
    assert f"NetworkPolicy shop/{name} belongs to catflap" in found.message


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        pytest.param({"operation": "CREATE", "labels": MANAGED}, Verdict.DENIED, id="made under our label"),
        pytest.param({"operation": "UPDATE", "labels": MANAGED}, Verdict.DENIED, id="brought under our label"),
        pytest.param({"operation": "DELETE", "before": MANAGED}, Verdict.UNJUDGED, id="a stray one, deleted"),
        pytest.param(
            {"operation": "UPDATE", "labels": MANAGED, "before": MANAGED}, Verdict.ALLOWED, id="a stray one, edited"
        ),
        pytest.param({"operation": "UPDATE", "labels": {"a": "b"}}, Verdict.ALLOWED, id="a user's own"),
        pytest.param({"operation": "DELETE", "name": "not-catflap-x"}, Verdict.UNJUDGED, id="our name in another"),
    ],
)
def test_the_label_is_not_to_be_borrowed(options: dict[str, Any], verdict: Verdict) -> None:
    """What bears it already, under another name, can be got rid of."""
    assert decided(**{"name": "theirs", **options}).verdict is verdict


USERS = {
    "our server": ("system:serviceaccount:guards:catflap", [], Verdict.EXEMPT),
    "our controller": ("system:serviceaccount:guards:catflap-controller", [], Verdict.EXEMPT),
    "our name in another namespace": ("system:serviceaccount:shop:catflap", [], Verdict.DENIED),
    "the namespace controller": ("system:serviceaccount:kube-system:namespace-controller", [], Verdict.EXEMPT),
    "the garbage collector": ("system:serviceaccount:kube-system:generic-garbage-collector", [], Verdict.EXEMPT),
    "both in one": ("system:kube-controller-manager", [], Verdict.EXEMPT),
    "another controller": ("system:serviceaccount:kube-system:job-controller", [], Verdict.DENIED),
    "a vendor's controller in kube-system": (
        "system:serviceaccount:kube-system:snapshot-controller",
        [],
        Verdict.DENIED,
    ),
    "an editor": ("jane", ["system:authenticated"], Verdict.DENIED),
    "an administrator": ("admin", ["system:masters"], Verdict.DENIED),
    "somebody in an emergency": ("jane", ["catflap:break-glass"], Verdict.EXEMPT),
}


@pytest.mark.parametrize("who", USERS)
def test_who_may_delete(who: str) -> None:
    """By the user that the API server names."""
    name, groups, verdict = USERS[who]
    assert decided(userInfo={"username": name, "groups": groups}).verdict is verdict


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_cleaners_only_clean(operation: str) -> None:
    """They have no business in writing."""
    user = {"username": "system:serviceaccount:kube-system:namespace-controller"}
    assert decided(operation=operation, userInfo=user).verdict is Verdict.DENIED


@pytest.mark.parametrize(("group", "verdict"), [("crd.projectcalico.org", "exempt"), ("projectcalico.org", "denied")])
def test_calicos_server_writes_its_own_storage(group: str, verdict: str) -> None:
    """What a user asked of it was judged where the user asked."""
    user = {"username": "system:serviceaccount:calico-apiserver:calico-apiserver"}
    assert decided(operation="UPDATE", group=group, userInfo=user).verdict == verdict


def test_another_group_may_be_named_for_emergencies() -> None:
    """The default one then counts no longer, and the refusal names who may."""
    text = "breakGlass: {groups: [sre]}"
    assert decided(text, userInfo={"username": "jane", "groups": ["sre"]}).reason == "break-glass: member of sre"
    refused = decided(text, userInfo={"username": "jane", "groups": ["catflap:break-glass"]})
    assert "members of sre may" in refused.message


@pytest.mark.parametrize("group", GROUPS)
def test_a_namespace_that_is_being_deleted_is_no_exception(group: str) -> None:
    """Its Pods may run for long; what Kubernetes empties it with passes by its account, and nothing is asked."""
    name = "default.catflap-default-deny" if group == "crd.projectcalico.org" else "catflap-default-deny"
    assert decided(group=group, name=name).verdict is Verdict.DENIED
    cleaner = {"username": "system:serviceaccount:kube-system:namespace-controller"}
    assert decided(group=group, name=name, userInfo=cleaner).verdict is Verdict.EXEMPT


def test_mode_does_not_open_the_guard() -> None:
    """It governs rules only."""
    assert decided("mode: off").verdict is Verdict.DENIED


def test_policies_in_exempt_namespaces_are_not_checked() -> None:
    """Whatever its policies are called."""
    assert decided(namespace="kube-system").verdict is Verdict.EXEMPT


def test_a_review_without_any_object_is_bad() -> None:
    """Nothing says what it is about."""
    with pytest.raises(BadReview, match="must contain an object"):
        decode(body(oldObject=None))
