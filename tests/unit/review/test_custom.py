"""Check that every path to the pod templates of custom resources works, and that reading never fails."""

import json
from typing import Any

import pytest
from msgspec import Raw

from webhook.model.kinds import BY_KIND, PodMaker
from webhook.model.workload import LabelLocation
from webhook.review.custom import places_in
from webhook.review.objects import decode_workload, templates_differ

WIDGET = PodMaker("example.com", "widgets", "Widget", "spec.podTemplate", custom=True)
CRON = BY_KIND["apps.kruise.io", "AdvancedCronJob"]
UNITED = BY_KIND["apps.kruise.io", "UnitedDeployment"]
ROLLOUT = BY_KIND["argoproj.io", "Rollout"]
WORKFLOW = BY_KIND["argoproj.io", "Workflow"]
CRON_WORKFLOW = BY_KIND["argoproj.io", "CronWorkflow"]
REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}

Json = dict[str, Any]


def labelled(**labels: Any) -> Json:
    """Return a pod template with these labels."""
    return {"metadata": {"labels": labels}}


def under(path: str, value: Any) -> Json:
    """Return an object with a value at a dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("maker", [CRON, UNITED], ids=["AdvancedCronJob", "UnitedDeployment"])
def test_a_template_is_found_by_each_of_its_paths(maker: PodMaker) -> None:
    """The other paths do not exist in the object and cause no fault."""
    for path in maker.templates:
        assert places_in(maker, under(path, labelled(app="a"))) == (LabelLocation(f"{path}.metadata", {"app": "a"}),)


def test_every_template_that_is_there_is_judged() -> None:
    """The vendor refuses two templates, but catflap does not rely on that."""
    template = {kind: {"spec": {"template": labelled(app=kind)}} for kind in ("broadcastJobTemplate", "jobTemplate")}
    found = places_in(CRON, {"spec": {"template": template}})
    assert [place.labels["app"] for place in found] == ["jobTemplate", "broadcastJobTemplate"]


@pytest.mark.parametrize("maker", [CRON, UNITED, ROLLOUT, WIDGET], ids=lambda maker: maker.kind)
@pytest.mark.parametrize("found", [{}, {"spec": None}, {"spec": {"template": None}}, {"spec": []}, {"spec": "a"}])
def test_where_no_template_is_the_first_lacks_its_labels(maker: PodMaker, found: Json) -> None:
    """This applies to any other value at the path."""
    assert places_in(maker, found) == (LabelLocation(f"{maker.template}.metadata", {}),)


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
    assert places_in(ROLLOUT, {"spec": spec}) == ()


@pytest.mark.parametrize("metadata", [{"labels": {"tier": "web"}}, {"annotations": {"a": "b"}}])
def test_a_rollouts_template_counts_beside_a_reference(metadata: Json) -> None:
    """The rule is that of Argo Rollouts for an empty template."""
    found = {"spec": {"workloadRef": REFERENCE, "template": {"metadata": metadata}}}
    assert places_in(ROLLOUT, found) == (LabelLocation("spec.template.metadata", metadata.get("labels", {})),)


@pytest.mark.parametrize("reference", [None, ...], ids=["null", "absent"])
def test_a_rollout_that_refers_to_nothing_lacks_its_labels(reference: object) -> None:
    """A null reference counts as no reference."""
    spec = {} if reference is ... else {"workloadRef": reference}
    assert places_in(ROLLOUT, {"spec": spec}) == (LabelLocation("spec.template.metadata", {}),)


@pytest.mark.parametrize("labels", [None, [], "app", 1, {"app": 1}, {"app": None}, {"app": ["web"]}, {"app": {}}])
def test_what_is_no_label_says_nothing(labels: Any) -> None:
    """An API server checks a custom resource only as its CRD defines; the refusal is still about labels."""
    [place] = places_in(WIDGET, under("spec.podTemplate", {"metadata": {"labels": labels}}))
    assert place.lack("app")


def test_labels_that_yaml_took_for_something_else_are_kept() -> None:
    """The API server reads a key that is a number in a manifest as text."""
    [place] = places_in(WIDGET, under("spec.podTemplate", {"metadata": {"labels": {1: "a"}}}))
    assert place.labels == {"1": "a"}


@pytest.mark.parametrize(("word", "asked"), [(True, True), (False, False), (None, False), ("true", False), (1, False)])
def test_the_nodes_network_is_asked_for_by_a_truth(word: object, asked: object) -> None:
    """Kubernetes accepts only a boolean."""
    [place] = places_in(WIDGET, under("spec.podTemplate", {"spec": {"hostNetwork": word}}))
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
    assert places_in(maker, under(maker.template, spec)) == (
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
def test_nothing_is_said_of_a_workflow_whose_pods_get_labels_elsewhere(maker: PodMaker, spec: Json) -> None:
    """The reviews of its Pods judge these labels."""
    assert places_in(maker, under(maker.template, spec)) == ()


@pytest.mark.parametrize(("value", "written"), [(1, "1"), (1.5, "1.5"), (True, "true"), (10**20, str(10**20))])
def test_a_label_that_is_a_number_is_not_an_empty_one(value: Any, written: str) -> None:
    """The label needs quotes; the remedy shows the quoted value."""
    (place,) = places_in(ROLLOUT, under("spec.template", labelled(app=value)))
    assert place.labels == {"app": ""}
    assert place.not_text == {"app": written}
    assert f'instead of text; write it in quotes: "{written}"' in place.lack("app")


def differ(maker: PodMaker, new: bytes, old: bytes) -> bool:
    """Return whether the pod templates of two objects differ."""
    return templates_differ(maker, decode_workload(maker, Raw(new)), decode_workload(maker, Raw(old)))


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
