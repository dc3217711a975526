"""The verdict depends only on the values, and existing objects can be changed."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.decisions import settled
from tests.laws.strategies import LAW, labels, labels_under, manifests, policies
from tests.reasons import assert_consistent
from tests.reviews import Json
from tests.unit.samples import asked, workload
from webhook.admission.judge import judge
from webhook.admission.mutate import mutate
from webhook.model.decision import Decision
from webhook.model.policy import GuardPolicy


@LAW
@given(st.data(), policies(), st.randoms(use_true_random=False))
def test_the_verdict_does_not_hang_on_order(data: st.DataObject, policy: GuardPolicy, random: Any) -> None:
    """Neither the order of labels nor a second decision changes the verdict."""
    given_labels = data.draw(labels_under(policy))
    shuffled = list(given_labels.items())
    random.shuffle(shuffled)
    first = judge(workload(given_labels), policy)
    assert judge(workload(dict(shuffled)), policy) == first == judge(workload(given_labels), policy)


@LAW
@given(st.data(), policies(), st.dictionaries(st.from_regex(r"[a-z]+\.unrelated/[a-z]+", fullmatch=True), st.text()))
def test_labels_that_no_rule_is_about_change_nothing(
    data: st.DataObject, policy: GuardPolicy, unrelated: dict[str, str]
) -> None:
    """Neither the verdict nor the message changes."""
    given_labels = data.draw(labels_under(policy))
    assert judge(workload({**unrelated, **given_labels}), policy) == judge(workload(given_labels), policy)


@LAW
@given(manifests, policies())
def test_an_update_without_change_is_never_refused(manifest: Json, policy: GuardPolicy) -> None:
    """This holds for every violation of the object."""
    assert allowed(manifest, manifest, policy)


@LAW
@given(manifests, policies(), st.sampled_from(["finalizers", "annotations", "resourceVersion", "deletionTimestamp"]))
def test_an_update_beside_labels_and_template_is_never_refused(manifest: Json, policy: GuardPolicy, what: str) -> None:
    """Every object can be scaled, finalized and deleted."""
    changed = copy.deepcopy(manifest)
    changed["metadata"][what] = {"note": "changed"} if what == "annotations" else None
    changed["status"] = {"observedGeneration": 7}
    if changed["kind"] != "Pod":
        changed.setdefault("spec", {})["replicas"] = 7
    assert allowed(changed, manifest, policy)


@LAW
@given(manifests, labels, policies())
def test_what_may_be_created_may_be_changed_to(manifest: Json, own: dict[str, str], policy: GuardPolicy) -> None:
    """An UPDATE has no stricter rules than a CREATE."""
    request = asked(manifest)
    assert request.workload is not None
    if not judge(request.workload, policy):
        before = copy.deepcopy(manifest)
        before["metadata"]["labels"] = own
        assert allowed(manifest, before, policy)


@LAW
@given(manifests, manifests, st.booleans(), policies())
def test_a_decision_contains_what_its_reason_code_says(
    manifest: Json, before: Json, is_update: bool, policy: GuardPolicy
) -> None:
    """Every decision has a code. A rejection has violations, and a decision without violations has a code that says so."""
    same_kind = is_update and before["kind"] == manifest["kind"]
    request = asked(manifest, before=before if same_kind else None)
    for found in (settled(request, policy), mutate(request, policy)):
        assert isinstance(found, Decision)
        assert_consistent(found)


def allowed(manifest: Json, before: Json, policy: GuardPolicy) -> bool:
    """Return whether an update passes without a lookup of owners."""
    decided = settled(asked(manifest, before=before), policy)
    assert isinstance(decided, Decision)
    return decided.allowed
