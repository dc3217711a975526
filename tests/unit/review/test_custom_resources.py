"""Check that every path to the pod templates of custom resources works, and that reading never fails."""

import json
from typing import Any

import pytest

from tests.unit.samples import differ
from webhook.model.kinds import BY_KIND, PodMaker
from webhook.model.workload import LabelLocation
from webhook.review.custom_resources import pod_templates

WIDGET = PodMaker("example.com", "widgets", "Widget", "spec.podTemplate", custom=True)
CRON = BY_KIND["apps.kruise.io", "AdvancedCronJob"]
UNITED = BY_KIND["apps.kruise.io", "UnitedDeployment"]
ROLLOUT = BY_KIND["argoproj.io", "Rollout"]
WORKFLOW = BY_KIND["argoproj.io", "Workflow"]
CRON_WORKFLOW = BY_KIND["argoproj.io", "CronWorkflow"]
REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}

Json = dict[str, Any]


def label_template(**labels: Any) -> Json:
    """Return a pod template with these labels."""
    return {"metadata": {"labels": labels}}


def at_path(path: str, value: Any) -> Json:
    """Return an object with a value at a dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("maker", [CRON, UNITED], ids=["AdvancedCronJob", "UnitedDeployment"])
def test_a_template_is_found_by_each_of_its_paths(maker: PodMaker) -> None:
    """The other paths do not exist in the object and cause no fault."""
    for path in maker.templates:
        assert pod_templates(maker, at_path(path, label_template(app="a"))) == (
            LabelLocation(f"{path}.metadata", {"app": "a"}),
        )


def test_every_template_that_is_there_is_judged() -> None:
    """The vendor refuses two templates, but catflap does not rely on that."""
    template = {
        kind: {"spec": {"template": label_template(app=kind)}} for kind in ("broadcastJobTemplate", "jobTemplate")
    }
    found = pod_templates(CRON, {"spec": {"template": template}})
    assert [place.labels["app"] for place in found] == ["jobTemplate", "broadcastJobTemplate"]


@pytest.mark.parametrize("maker", [CRON, UNITED, ROLLOUT, WIDGET], ids=lambda maker: maker.kind)
@pytest.mark.parametrize("found", [{}, {"spec": None}, {"spec": {"template": None}}, {"spec": []}, {"spec": "a"}])
def test_object_without_a_template_has_no_labels_at_the_first_path(maker: PodMaker, found: Json) -> None:
    """This applies to any other value at the path."""
    assert pod_templates(maker, found) == (LabelLocation(f"{maker.template}.metadata", {}),)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"workloadRef": REFERENCE}, id="no template"),
        pytest.param({"workloadRef": REFERENCE, "template": None}, id="a null template"),
        pytest.param({"workloadRef": REFERENCE, "template": {}}, id="an empty template"),
        pytest.param(
            {
                "workloadRef": REFERENCE,
                "template": {"metadata": {"creationTimestamp": None}, "spec": {"containers": None}},
            },
            id="what Go makes of an empty template",
        ),
        pytest.param({"workloadRef": {}}, id="an empty reference"),
    ],
)
def test_a_rollout_of_another_object_has_no_place(spec: Json) -> None:
    """A review of the other object judges its Pods."""
    assert pod_templates(ROLLOUT, {"spec": spec}) == ()


@pytest.mark.parametrize("metadata", [{"labels": {"tier": "web"}}, {"annotations": {"a": "b"}}])
def test_template_next_to_a_reference_counts(metadata: Json) -> None:
    """The rule is that of Argo Rollouts for an empty template."""
    found = {"spec": {"workloadRef": REFERENCE, "template": {"metadata": metadata}}}
    assert pod_templates(ROLLOUT, found) == (LabelLocation("spec.template.metadata", metadata.get("labels", {})),)


@pytest.mark.parametrize("reference", [None, ...], ids=["null", "absent"])
def test_a_rollout_that_refers_to_nothing_lacks_its_labels(reference: object) -> None:
    """A null reference counts as no reference."""
    spec = {} if reference is ... else {"workloadRef": reference}
    assert pod_templates(ROLLOUT, {"spec": spec}) == (LabelLocation("spec.template.metadata", {}),)


@pytest.mark.parametrize("labels", [None, [], "app", 1, {"app": 1}, {"app": None}, {"app": ["web"]}, {"app": {}}])
def test_invalid_labels_count_as_missing(labels: Any) -> None:
    """An API server checks a custom resource only as its CRD defines; the refusal is still about labels."""
    [place] = pod_templates(WIDGET, at_path("spec.podTemplate", {"metadata": {"labels": labels}}))
    assert place.lack("app")


def test_labels_of_other_types_are_kept() -> None:
    """The API server reads a key that is a number in a manifest as text."""
    [place] = pod_templates(WIDGET, at_path("spec.podTemplate", {"metadata": {"labels": {1: "a"}}}))
    assert place.labels == {"1": "a"}


@pytest.mark.parametrize(("word", "asked"), [(True, True), (False, False), (None, False), ("true", False), (1, False)])
def test_host_network_is_a_boolean(word: object, asked: object) -> None:
    """Kubernetes accepts only a boolean."""
    [place] = pod_templates(WIDGET, at_path("spec.podTemplate", {"spec": {"hostNetwork": word}}))
    assert place.host_network is asked


@pytest.mark.parametrize("maker", [WORKFLOW, CRON_WORKFLOW], ids=["Workflow", "CronWorkflow"])
def test_a_workflow_is_judged_by_the_metadata_of_all_its_pods(maker: PodMaker) -> None:
    """A Pod's own fields are next to the metadata."""
    spec = {
        "podMetadata": {"labels": {"app": "a"}},
        "hostNetwork": True,
        "serviceAccountName": "runner",
        "templates": [{}],
    }
    path = f"{maker.template}.podMetadata"
    assert pod_templates(maker, at_path(maker.template, spec)) == (
        LabelLocation(path, {"app": "a"}, host_network=True, account="runner"),
    )


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"templates": [{"container": {}}]}, id="it has none"),
        pytest.param({"podMetadata": None}, id="it is null"),
        pytest.param(
            {"podMetadata": {"labels": {"app": "a"}}, "templates": [{"metadata": {"labels": {"role": "b"}}}]},
            id="a template adds some",
        ),
        pytest.param({"podMetadata": {}, "templateDefaults": {"metadata": {}}}, id="the defaults of templates do"),
        pytest.param({"podMetadata": {}, "workflowTemplateRef": {"name": "shared"}}, id="another object adds some"),
    ],
)
@pytest.mark.parametrize("maker", [WORKFLOW, CRON_WORKFLOW], ids=["Workflow", "CronWorkflow"])
def test_workflow_with_labels_from_elsewhere_has_no_violation(maker: PodMaker, spec: Json) -> None:
    """The reviews of its Pods judge these labels."""
    assert pod_templates(maker, at_path(maker.template, spec)) == ()


@pytest.mark.parametrize(("value", "written"), [(1, "1"), (1.5, "1.5"), (True, "true"), (10**20, str(10**20))])
def test_number_as_a_label_is_not_empty(value: Any, written: str) -> None:
    """The label needs quotes; the remedy shows the quoted value."""
    (place,) = pod_templates(ROLLOUT, at_path("spec.template", label_template(app=value)))
    assert place.labels == {"app": ""}
    assert place.not_text == {"app": written}
    assert f'instead of text; write it in quotes: "{written}"' in place.lack("app")


def test_a_workflow_is_stopped_whatever_its_pods_carry() -> None:
    """`argo stop`, `suspend` and `terminate` write fields of its spec outside of pod templates."""
    before: Json = {"podMetadata": {"labels": {}}, "templates": []}
    beside: list[Json] = [{"shutdown": "Stop"}, {"suspend": True}, {"templates": [{}]}]
    of_pods: list[Json] = [
        {"podMetadata": {"labels": {"app": "a"}}},
        {"hostNetwork": True},
        {"serviceAccountName": "a"},
    ]
    for more in beside:
        assert not differ(WORKFLOW, as_json({**before, **more}), as_json(before))
    for more in of_pods:
        assert differ(WORKFLOW, as_json({**before, **more}), as_json(before))


def as_json(spec: Json) -> bytes:
    """Return a Workflow with a spec, as the API server writes it."""
    return json.dumps({"spec": spec}).encode()
