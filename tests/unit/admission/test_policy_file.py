"""The policy file is judged where it is applied."""

from typing import Any, Final

import pytest

from tests.decisions import answered, explained
from tests.reviews import encoded
from tests.unit.samples import policy
from webhook.model.decision import Decision, Verdict
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import User
from webhook.model.rule import Violation
from webhook.model.steps import PolicyImpactLookup, PolicyValidation, Results, Step, ValidationResult
from webhook.review.decode import decode
from webhook.review.envelope import BadReview

OWN: Final = "guards"
NAME: Final = "catflap-policy"
BAD: Final = Violation(rule="policy-file", path="mode", message="no such mode (line 3, column 1)")
NOTHING: Final[Results] = {}
SHAPELESS: Final = Violation(rule="policy-file", path="", message="not YAML")


def configmap(text: str | None, name: str = NAME, **more: Any) -> dict[str, Any]:
    """Return a ConfigMap with a policy file, or without one."""
    data = {} if text is None else {"data": {"policy.yaml": text}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **data, **more}


def decided(
    manifest: dict[str, Any], results: Results = NOTHING, *, namespace: str = OWN, **options: Any
) -> Decision | Step[Any]:
    """Return the decision on a ConfigMap."""
    found = decode(encoded(manifest, namespace=namespace, **options))
    return explained(found, policy(), results, own_namespace=OWN)


@pytest.mark.parametrize("before", [None, configmap("mode: warn"), configmap(None)], ids=["new", "changed", "filled"])
def test_a_new_text_is_asked_about(before: dict[str, Any] | None) -> None:
    """By who reads policy files."""
    assert decided(configmap("mode: audit"), before=before) == PolicyValidation("mode: audit")


@pytest.mark.parametrize("manifest", [configmap(None), configmap(None, data=None), configmap(None, data={"a": "b"})])
def test_no_text_is_no_policy(manifest: dict[str, Any]) -> None:
    """It is judged like an empty file."""
    assert decided(manifest) == PolicyValidation("")


def test_of_a_sound_file_is_asked_what_it_would_change() -> None:
    """By who sees the cluster."""
    assert decided(configmap("mode: audit"), {PolicyValidation: ValidationResult()}) == PolicyImpactLookup(
        "mode: audit", User("jane", ("system:authenticated",))
    )


@pytest.mark.parametrize("foreseen", [(), ("2 running workloads would be rejected: Deployment shop/web, and 1 more",)])
def test_a_sound_file_passes_whatever_is_foreseen(foreseen: tuple[str, ...]) -> None:
    """There are only warnings, those about keys of earlier releases first."""
    results: Results = {PolicyValidation: ValidationResult(warnings=("twin: renamed",)), PolicyImpactLookup: foreseen}
    found = decided(configmap("mode: audit"), results)
    assert found == Decision(Reason(ReasonCode.POLICY_FILE_VALID), notices=("twin: renamed", *foreseen))


def test_a_bad_one_is_refused_with_every_fault() -> None:
    """Each with its path, and its line within the file."""
    found = decided(configmap("mode: loud"), {PolicyValidation: ValidationResult((BAD, SHAPELESS))})
    assert isinstance(found, Decision)
    assert (found.verdict, found.denied) == (Verdict.DENIED, (BAD, SHAPELESS))
    assert found.message == (
        "ConfigMap guards/catflap-policy has 2 violations:\n"
        "- policy-file: mode: no such mode (line 3, column 1)\n"
        "- policy-file: not YAML"
    )


@pytest.mark.parametrize(
    ("manifest", "options"),
    [
        pytest.param(configmap("mode: loud"), {"namespace": "shop"}, id="in another namespace"),
        pytest.param(configmap("mode: loud", name="other"), {}, id="of another name"),
        pytest.param(configmap("mode: loud"), {"before": configmap("mode: loud")}, id="as it was, bad or not"),
    ],
)
def test_what_is_not_asked_about(manifest: dict[str, Any], options: dict[str, Any]) -> None:
    """It passes, on record."""
    found = decided(manifest, **options)
    assert isinstance(found, Decision)
    assert found.allowed


def test_the_file_and_no_other_key_is_read() -> None:
    """Whatever else people keep there."""
    found = decode(encoded(configmap("mode: warn", binaryData={"a": "AA=="}), namespace=OWN))
    assert (found.policy_file, found.policy_file_before) == ("mode: warn", None)


@pytest.mark.parametrize("data", [5, ["policy.yaml"], {"policy.yaml": 5}, {"policy.yaml": None}])
def test_data_of_another_shape_is_a_bad_review(data: Any) -> None:
    """The API server sends none such."""
    with pytest.raises(BadReview, match=r"request\.object\.data"):
        decode(encoded(configmap(None, data=data), namespace=OWN))


USERS: Final = {
    "an editor": ("jane", ["system:authenticated"], Verdict.DENIED),
    "an administrator": ("admin", ["system:masters"], Verdict.EXEMPT),
    "somebody in an emergency": ("jane", ["catflap:break-glass"], Verdict.EXEMPT),
    "our server": ("system:serviceaccount:guards:catflap", [], Verdict.DENIED),
    "our controller": ("system:serviceaccount:guards:catflap-controller", [], Verdict.DENIED),
    "the namespace controller": ("system:serviceaccount:kube-system:namespace-controller", [], Verdict.EXEMPT),
    "the garbage collector": ("system:serviceaccount:kube-system:generic-garbage-collector", [], Verdict.DENIED),
    "an exempt user": ("robot", [], Verdict.DENIED),
    "a group of a similar name": ("jane", ["system:masters2"], Verdict.DENIED),
}


def deleted(name: str = NAME, *, text: str = "", namespace: str = OWN, **request: Any) -> Decision:
    """Return the decision on a deletion."""
    options = {"operation": "DELETE", "namespace": namespace, "name": name, "object": None, **request}
    return answered(decode(encoded(configmap("mode: warn", name), **options)), policy(text), own_namespace=OWN)


@pytest.mark.parametrize("who", USERS)
def test_who_may_delete_the_policy_file(who: str) -> None:
    """Those whom it names; without it no server that starts later is ready."""
    user, groups, verdict = USERS[who]
    found = deleted(text="exempt: {users: [robot]}", userInfo={"username": user, "groups": groups})
    assert found.verdict is verdict
    if verdict is Verdict.DENIED:
        assert (
            "only members of system:masters or catflap:break-glass may delete it (policyFile.deletedBy)"
            in found.message
        )
    else:
        assert found.reason


def test_the_file_says_who_may() -> None:
    """Instead of cluster administrators."""
    text = "policyFile: {deletedBy: [platform]}"
    assert deleted(text=text, userInfo={"username": "a", "groups": ["platform"]}).reason == "member of platform"
    assert deleted(text=text, userInfo={"username": "a", "groups": ["system:masters"]}).verdict is Verdict.DENIED
    no_group = "policyFile: {deletedBy: []}\nbreakGlass: {groups: []}"
    assert "only members of no group may delete it" in deleted(text=no_group).message


@pytest.mark.parametrize("text", ["mode: off", "namespaces: {overrides: [{names: [guards], mode: off}]}"])
def test_no_mode_opens_it(text: str) -> None:
    """Neither in other namespaces nor in that of catflap."""
    assert deleted(text=text).verdict is Verdict.DENIED


@pytest.mark.parametrize("options", [{"namespace": "shop"}, {"name": "other"}], ids=["elsewhere", "another one"])
def test_other_configmaps_are_not_checked(options: Any) -> None:
    """One of that name in another namespace, and any other one in catflap's."""
    assert deleted(**options).verdict is not Verdict.DENIED
