"""The mutation that sets labels from their aliases never adds a violation."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.decisions import settled
from tests.laws.strategies import LAW, label_keys, label_values, labels_under, policies
from tests.reviews import pod
from tests.unit.review.json_patch import apply
from tests.unit.samples import asked, workload
from webhook.admission.mutate import labels_from_aliases, mutate
from webhook.model.decision import Decision
from webhook.model.policy import GuardPolicy
from webhook.model.workload import LabelLocation
from webhook.review.encode import encode_mutation


@LAW
@given(st.data(), policies())
def test_what_is_filled_has_nothing_left_to_fill(data: st.DataObject, policy: GuardPolicy) -> None:
    """The API server may call a webhook twice."""
    given_labels = data.draw(labels_under(policy))
    filled = {**given_labels, **labels_from_aliases(LabelLocation("metadata", given_labels), policy)}
    assert labels_from_aliases(LabelLocation("metadata", filled), policy) == {}


@LAW
@given(st.data(), policies())
def test_only_what_is_missing_is_filled_and_only_with_the_users_own_values(
    data: st.DataObject, policy: GuardPolicy
) -> None:
    """No label is overwritten, and no value is invented."""
    given_labels = data.draw(labels_under(policy))
    filled = labels_from_aliases(LabelLocation("metadata", given_labels), policy)
    assert not filled.keys() & given_labels.keys()
    assert set(filled.values()) <= set(given_labels.values()) - {""}


@LAW
@given(st.data(), policies())
def test_filling_never_turns_an_admission_into_a_refusal(data: st.DataObject, policy: GuardPolicy) -> None:
    """The mutated object has no new violation."""
    given_labels = data.draw(labels_under(policy))
    request = asked(pod(given_labels))
    plain = settled(request, policy)
    filled = settled(asked(pod({**given_labels, **mutate(request, policy).labels})), policy)
    assert isinstance(plain, Decision)
    assert isinstance(filled, Decision)
    assert filled.allowed or not plain.allowed
    assert {(fault.rule, fault.path) for fault in filled.denied} <= {(fault.rule, fault.path) for fault in plain.denied}


@LAW
@given(st.dictionaries(label_keys, label_values, max_size=4) | st.none(), policies(), st.data())
def test_the_patched_pod_is_the_one_that_was_decided_on(
    others: dict[str, str] | None, policy: GuardPolicy, data: st.DataObject
) -> None:
    """The patch applies to the original object, and sets exactly these labels."""
    given_labels = None if others is None else {**others, **data.draw(labels_under(policy))}
    source: Any = pod()
    source["metadata"]["labels"] = given_labels
    request = asked(source)
    amended = mutate(request, policy)
    response = json.loads(encode_mutation(request, amended))["response"]
    patched = apply(source, json.loads(base64.b64decode(response["patch"]))) if "patch" in response else source
    assert (patched["metadata"]["labels"] or {}) == {**(given_labels or {}), **amended.labels}
    assert {**patched, "metadata": {**patched["metadata"], "labels": given_labels}} == source


@LAW
@given(st.data(), policies())
def test_a_controllers_template_is_never_written_to(data: st.DataObject, policy: GuardPolicy) -> None:
    """Selectors depend on these labels."""
    found = workload(data.draw(labels_under(policy)))
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"metadata": {"labels": dict(found.places[0].labels)}}},
    }
    assert mutate(asked(deployment), policy).labels == {}
