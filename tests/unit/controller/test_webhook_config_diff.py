"""Tests which parts of a stored webhook configuration stay, and which are restored to this release's."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import pytest

from tests.unit.samples import policy
from webhook.controller.webhook_config_diff import (
    AZURE_TERMS,
    FIELDS,
    entry_differences,
    last_writer,
    merge_configuration,
)
from webhook.controller.webhook_configurations import Endpoint, webhook_configurations

Json = dict[str, Any]

BY_SERVICE: Final = Endpoint(ca_bundle="Q0E=", namespace="guards", service="catflap", port=8443)
BEFORE: Final = "namespaces: {exempt: [monitoring]}"
AFTER: Final = "namespaces: {exempt: [logging], environment: {oneOf: [production, test]}}"
TEXTS: Final = (
    "",
    BEFORE,
    AFTER,
    "workloads: {fillFromAliases: false}",
    "workloads: {extraKinds: [{group: example.com, resource: widgets, kind: Widget, template: spec.podTemplate}]}",
    "workloads: {scope: both, existingWorkloads: judge}",
    "rules: {no-open-policy: enforce}",
)


def stored(text: str = "") -> tuple[Json, ...]:
    """Return both configurations as the API server stores them, with metadata of the API server and of others."""
    found = deepcopy(webhook_configurations(policy(text), BY_SERVICE))
    for one in found:
        one["metadata"] |= {"uid": "1", "resourceVersion": "7", "annotations": {"example.com/owner": "platform"}}
    return found


def wanted(text: str = "") -> tuple[Json, ...]:
    """Return both configurations of this release."""
    return webhook_configurations(policy(text), BY_SERVICE)


@pytest.mark.parametrize("before", TEXTS)
@pytest.mark.parametrize("after", TEXTS)
def test_under_every_policy_file_it_becomes_a_new_registration(before: str, after: str) -> None:
    """The stored metadata stays, and a configuration that matches is not written."""
    for found, should in zip(stored(before), wanted(after), strict=True):
        assert merge_configuration(found, should)["webhooks"] == should["webhooks"]
        assert merge_configuration(found, should)["metadata"] == found["metadata"]
    for found, should in zip(stored(after), wanted(after), strict=True):
        assert merge_configuration(found, should) == found
        assert list(entry_differences(found, found)) == []


def weaken(field: str, value: Any) -> Callable[[Json], None]:
    """Set one field of every entry."""

    def change(found: Json) -> None:
        for entry in found["webhooks"]:
            entry[field] = value

    return change


def drop(found: Json) -> None:
    """Remove the first entry."""
    del found["webhooks"][0]


def spare_by_label(found: Json) -> None:
    """Let every entry exclude objects that have a label."""
    for entry in found["webhooks"]:
        entry["namespaceSelector"].setdefault("matchExpressions", []).append(
            {"key": "free", "operator": "DoesNotExist"}
        )


def only_labelled(found: Json) -> None:
    """Let every entry match only objects that have a label."""
    for entry in found["webhooks"]:
        entry["namespaceSelector"]["matchLabels"] = {"guarded": "yes"}


def spare_azure_alike(found: Json) -> None:
    """Add a term with the key of one of Azure's that excludes more."""
    for entry in found["webhooks"]:
        term = {"key": "control-plane", "operator": "NotIn", "values": ["true", "yes"]}
        entry["namespaceSelector"].setdefault("matchExpressions", []).append(term)


def spare_by_name(found: Json) -> None:
    """Let every entry exclude one more namespace."""
    for entry in found["webhooks"]:
        for term in entry["namespaceSelector"].get("matchExpressions", ()):
            term["values"] = [*term["values"], "evil"]


def never(found: Json) -> None:
    """Add a condition that no request meets."""
    for entry in found["webhooks"]:
        entry.setdefault("matchConditions", []).append({"name": "never", "expression": "false"})


def no_ca(found: Json) -> None:
    """Remove the CA bundle."""
    for entry in found["webhooks"]:
        entry["clientConfig"]["caBundle"] = ""


def other_path(found: Json) -> None:
    """Send requests to another address."""
    for entry in found["webhooks"]:
        entry["clientConfig"]["service"]["path"] = "/healthz"


def theirs(found: Json) -> None:
    """Add a foreign entry."""
    found["webhooks"].append({"name": "theirs.example.com", "clientConfig": {"url": "https://there"}})


WEAKENED: Final = {
    "failurePolicy": weaken("failurePolicy", "Ignored"),
    "timeout": weaken("timeoutSeconds", 1),
    "match-policy": weaken("matchPolicy", "Exact"),
    "object-selector": weaken("objectSelector", {"matchLabels": {"a": "b"}}),
    "rules": weaken("rules", []),
    "versions": weaken("admissionReviewVersions", ["v1beta1"]),
    "side-effects": weaken("sideEffects", "Some"),
    "label-spared": spare_by_label,
    "label-asked": only_labelled,
    "azure-alike": spare_azure_alike,
    "name-spared": spare_by_name,
    "condition": never,
    "no-ca": no_ca,
    "other-path": other_path,
    "missing": drop,
    "foreign": theirs,
    "all-gone": lambda found: found["webhooks"].clear(),
    "none": lambda found: found.update(webhooks=None),
}


@pytest.mark.parametrize("change", WEAKENED.values(), ids=WEAKENED)
def test_what_weakens_coverage_is_put_back_and_reported(change: Callable[[Json], None]) -> None:
    """These are each field of each entry, a missing entry, and a foreign one."""
    for found, should in zip(stored(), wanted(), strict=True):
        change(found)
        target = merge_configuration(found, should)
        assert target["webhooks"] == should["webhooks"]
        told = list(entry_differences(found, target))
        assert told
        assert all(name and what and "Q0E=" not in what for name, what in told)


def test_every_field_of_an_entry_is_compared() -> None:
    """The written fields are the compared fields."""
    assert {key for one in wanted() for entry in one["webhooks"] for key in entry} - {"name"} <= set(FIELDS)


def test_what_a_later_api_server_adds_stays() -> None:
    """The field would be set again, and its meaning is unknown."""
    for found, should in zip(stored(), wanted(), strict=True):
        for entry in found["webhooks"]:
            entry["laterField"] = "Default"
        assert merge_configuration(found, should) == found


@pytest.mark.parametrize("front", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("terms", [AZURE_TERMS[:1], (AZURE_TERMS[0], AZURE_TERMS[2]), AZURE_TERMS[1:2]])
def test_azures_terms_stay_wherever_they_stand(terms: tuple[Json, ...], front: bool) -> None:
    """Azure's enforcer adds them repeatedly; a new entry gets them at once."""
    for found, should in zip(stored(), wanted(), strict=True):
        for entry in found["webhooks"]:
            own = entry["namespaceSelector"].get("matchExpressions", [])
            entry["namespaceSelector"]["matchExpressions"] = [*terms, *own] if front else [*own, *terms]
        assert merge_configuration(found, should) == found
        gone = found["webhooks"].pop()
        came = merge_configuration(found, should)["webhooks"][-1]
        assert came["name"] == gone["name"]
        assert [one for one in came["namespaceSelector"]["matchExpressions"] if one in AZURE_TERMS] == list(terms)


def test_foreign_labels_annotations_and_owners_stay() -> None:
    """helm, Argo CD and cert-manager set them; the managed-by label of another manager would also be set again."""
    found, should = stored()[0], wanted()[0]
    found["metadata"] |= {
        "labels": {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "guards"},
        "annotations": {"helm.sh/resource-policy": "keep"},
        "finalizers": ["example.com/wait"],
    }
    should = {**should, "metadata": {**should["metadata"], "annotations": {"catflap.dev/release": "1"}}}
    target = merge_configuration(found, should)
    assert target["metadata"]["labels"] == found["metadata"]["labels"]
    assert target["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep", "catflap.dev/release": "1"}
    assert target["metadata"]["finalizers"] == ["example.com/wait"]


def test_the_last_writer_is_named() -> None:
    """ManagedFields name the writers; catflap itself is left out."""
    found = stored()[0]
    assert last_writer(found) == ""
    times = {"catflap": "2026-01-03", "kubectl-edit": "2026-01-02", "helm": "2026-01-01"}
    found["metadata"]["managedFields"] = [{"manager": name, "time": time} for name, time in times.items()]
    assert last_writer(found) == "kubectl-edit at 2026-01-02"
