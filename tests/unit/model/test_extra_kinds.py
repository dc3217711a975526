"""The kinds that an admin adds: what is taken, and what is refused in which words."""

import json

import pytest

from tests.unit.samples import HEAD, policy
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.model.kinds import PodMaker

WIDGET = {"group": "example.com", "resource": "widgets", "kind": "Widget", "template": "spec.podTemplate"}


def listed(*changes: dict[str, str]) -> str:
    """Return a file with one extra kind for each set of changes to a good one."""
    return f"workloads: {json.dumps({'extraKinds': [{**WIDGET, **change} for change in changes]})}"


def faults(text: str) -> list[str]:
    """Return what is wrong with a file of these lines."""
    with pytest.raises(BadPolicy) as bad:
        parse(HEAD + text)
    return [str(fault) for fault in bad.value.faults]


def test_an_extra_kind_is_found_by_resource_and_by_name() -> None:
    """Reviews name resources, manifests name kinds."""
    maker = PodMaker("example.com", "widgets", "Widget", "spec.podTemplate", custom=True)
    workloads = policy(listed({})).workloads
    assert workloads.extra_by_resource == {("example.com", "widgets"): maker}
    assert workloads.extra_by_kind == {("example.com", "Widget"): maker}


def test_a_file_without_extra_kinds_has_none() -> None:
    """What is built in needs no line."""
    assert policy().workloads.extra_by_resource == policy().workloads.extra_by_kind == {}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"group": "sparkoperator.k8s.io"}, id="a group below k8s.io that the API server does not serve"),
        pytest.param({"group": "jobset.x-k8s.io"}, id="a group of a special interest group's"),
        pytest.param({"group": "apps.kruise.io"}, id="another kind of a vendor that is built in"),
        pytest.param({"resource": "cronjobs", "kind": "CronJob"}, id="a name of Kubernetes' own in a group of its own"),
        pytest.param({"template": "template"}, id="a path of one step"),
        pytest.param({"template": "spec.pod_template.v2"}, id="each mark that a field may have"),
    ],
)
def test_what_may_be_a_kind_is_taken(change: dict[str, str]) -> None:
    """With the values as they are written."""
    [one] = policy(listed(change)).workloads.extra_kinds
    assert one.model_dump() == {**WIDGET, **change}


OWN = "is a group of Kubernetes, whose kinds are built in; remove this item"
NO_GROUP = "is not a valid API group: write the part of apiVersion before the slash, such as example.com"
NO_PLURAL = "is not a valid resource: write the plural that `kubectl api-resources` prints, such as widgets"
NO_KIND = "is not a valid kind: write the kind as in manifests, such as Widget"
NO_PATH = "is not a valid field path: write field names with dots and without lists, such as spec.template"


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        pytest.param("group", "", OWN, id="the core group"),
        pytest.param("group", "apps", OWN, id="a group without a dot"),
        pytest.param("group", "coordination.k8s.io", OWN, id="the group of leases"),
        pytest.param("group", "*", NO_GROUP, id="every group"),
        pytest.param("group", "*.example.com", NO_GROUP, id="every group below one"),
        pytest.param(
            "group", "example.com/v1", f"{NO_GROUP}; did you mean 'example.com'?", id="a group with its version"
        ),
        pytest.param("group", "Example.com", NO_GROUP, id="a group in capitals"),
        pytest.param("group", "a." * 126 + "bc", NO_GROUP, id="a group too long"),
        pytest.param("resource", "", NO_PLURAL, id="no resource"),
        pytest.param("resource", "*", NO_PLURAL, id="every resource"),
        pytest.param("resource", "widgets/scale", NO_PLURAL, id="a subresource"),
        pytest.param("resource", "Widgets", f"{NO_PLURAL}; did you mean 'widgets'?", id="a resource in capitals"),
        pytest.param("resource", "3widgets", NO_PLURAL, id="a digit at the beginning"),
        pytest.param("kind", "", NO_KIND, id="no kind"),
        pytest.param("kind", "widget", f"{NO_KIND}; did you mean 'Widget'?", id="a kind in small letters"),
        pytest.param("kind", "My-Widget", NO_KIND, id="a kind with a hyphen"),
        pytest.param("template", "", NO_PATH, id="no path"),
        pytest.param(
            "template", ".spec.template", f"{NO_PATH}; did you mean 'spec.template'?", id="a dot at the beginning"
        ),
        pytest.param("template", "spec..template", NO_PATH, id="an empty step"),
        pytest.param("template", "spec.workers[0].template", NO_PATH, id="an item of a list"),
        pytest.param("template", "spec.workers[*].template", NO_PATH, id="every item of a list"),
        pytest.param("template", "spec/template", NO_PATH, id="slashes"),
        pytest.param("template", "spec.pod-template", NO_PATH, id="a hyphen, which CEL takes for a minus"),
        pytest.param("template", "spec.in.template", NO_PATH, id="a word of CEL"),
        pytest.param("template", "spec.template\n", NO_PATH, id="a line end"),
        pytest.param(
            "template",
            "metadata.template",
            "is not the path of a pod template: metadata cannot contain one",
            id="a path into the object's own metadata",
        ),
        pytest.param(
            "template",
            "spec.template.metadata",
            "is too long: the path of the pod template ends before its metadata",
            id="the path of the metadata",
        ),
        pytest.param(
            "template",
            "spec.template.metadata.labels",
            "is too long: the path of the pod template ends before its metadata",
            id="the path of the labels",
        ),
    ],
)
def test_what_can_be_no_kind_is_refused_with_its_path(field: str, text: str, says: str) -> None:
    """And with what would be right."""
    assert faults(listed({}, {field: text})) == [f"workloads.extraKinds[1].{field}: {text!r} {says}"]


@pytest.mark.parametrize("field", WIDGET)
def test_every_part_of_an_extra_kind_has_to_be_there(field: str) -> None:
    """Reviews would not need the kind, but `catflap check` would pass over its manifests without a word."""
    rest = ", ".join(f"{key}: {value}" for key, value in WIDGET.items() if key != field)
    path = f"workloads.extraKinds[0].{field}"
    [fault] = faults(f"workloads: {{extraKinds: [{{{rest}}}]}}")
    assert fault.startswith(f"{path}: this key is missing: ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(
            {"group": "argoproj.io", "resource": "rollouts", "kind": "Rollout"},
            "rollouts.argoproj.io is a built-in kind; remove this item",
            id="one that is built in",
        ),
        pytest.param(
            {"group": "keda.sh", "resource": "jobs", "kind": "ScaledJob"},
            "jobs.keda.sh is a built-in kind; remove this item",
            id="a kind that is built in by another plural",
        ),
        pytest.param(
            {"group": "projectcalico.org", "resource": "tiers", "kind": "Tier"},
            "tiers.projectcalico.org is a network policy, from which no Pods are created; remove this item",
            id="a network policy",
        ),
        pytest.param(
            {}, "widgets.example.com, or its kind Widget, is a duplicate; remove one of the two", id="the same again"
        ),
        pytest.param(
            {"kind": "Gadget", "template": "spec.template"},
            "widgets.example.com, or its kind Gadget, is a duplicate; remove one of the two",
            id="a resource with another kind and path",
        ),
        pytest.param(
            {"resource": "gadgets"},
            "gadgets.example.com, or its kind Widget, is a duplicate; remove one of the two",
            id="a kind of another resource",
        ),
    ],
)
def test_a_built_in_kind_is_refused_with_its_path(change: dict[str, str], says: str) -> None:
    """Otherwise it would be unclear which of two paths counts."""
    assert faults(listed({}, change)) == [f"workloads.extraKinds[1]: {says}"]


def test_more_kinds_than_one_expression_holds_are_refused() -> None:
    """The API server would refuse the registration, which users do not apply by hand."""
    changes = [{"resource": f"widgets{number}", "kind": f"Widget{number}"} for number in range(101)]
    says = "101 items; at most 100 are allowed"
    assert len(policy(listed(*changes[1:])).workloads.extra_kinds) == 100
    assert faults(listed(*changes)) == [f"workloads.extraKinds: {says}"]
