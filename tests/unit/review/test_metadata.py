"""Check labels and annotations that the API server refuses: their paths, and messages that correct them."""

from typing import Any

import pytest

from webhook.review.manifests import read
from webhook.review.metadata import is_label_key
from webhook.syntax.documents import BadManifestError, LocatedObject, located_objects

DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n"
POLICY = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open}\nspec:\n"


def complaints(text: str) -> list[str]:
    """Return the faults of the one object in a text, as `check` prints them."""
    [found] = located_objects(text)
    assert isinstance(found, LocatedObject)
    with pytest.raises(BadManifestError) as bad:
        read(found.value, default_namespace="shop")
    return [f"{place.line}:{place.column}: {message}" for place, message in bad.value.each(found) if place]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("no", ('no is read as the boolean false, because kubectl uses YAML 1.1, and a label must be text; write it in '
               'quotes: "no"')),
        ("Y", ('Y is read as the boolean true, because kubectl uses YAML 1.1, and a label must be text; write it in '
              'quotes: "Y"')),
        ("true", 'true is a boolean, and a label must be text; write it in quotes: "true"'),
        ("1", '1 is a number, and a label must be text; write it in quotes: "1"'),
        ("1.10", '1.10 is read as the number 1.1, and a label must be text; write it in quotes: "1.10"'),
        ("1_000", '1_000 is read as the number 1000, and a label must be text; write it in quotes: "1_000"'),
        ("0o17", '0o17 is read as the number 15, and a label must be text; write it in quotes: "0o17"'),
        ("08912345", ('08912345 is read as the number 8912345, and a label must be text; write it in quotes: '
                     '"08912345"')),
        ("18446744073709551615", ('18446744073709551615 is a number, and a label must be text; write it in quotes: '
                                 '"18446744073709551615"')),
        ("[a]", "this is a list, and a label must be text"),
        ("{a: b}", "this is a mapping, and a label must be text"),
        ('!!int "1"', '1 is a number, and a label must be text; write it in quotes: "1"'),
    ],
)  # fmt: skip
def test_label_that_is_no_text_is_quoted_as_written(written: str, says: str) -> None:
    """The message has the type that YAML reads, and the right spelling."""
    text = f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels:\n    app: {written}\n"
    assert complaints(text) == [f"6:10: Pod web: metadata.labels.app: {says}"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param(f"{DEPLOYMENT}  template: {{metadata: {{labels: {{a: 1}}}}}}\n", "spec.template.metadata.labels.a", id="a template"),
        pytest.param(f"{DEPLOYMENT}  template: {{metadata: {{annotations: {{a/b: 1}}}}}}\n", "spec.template.metadata.annotations['a/b']", id="an annotation"),
        pytest.param(f"{DEPLOYMENT}  selector: {{matchLabels: {{a: 1}}}}\n", "spec.selector.matchLabels.a", id="a selector"),
        pytest.param(f"{POLICY}  podSelector: {{matchLabels: {{a: 1}}}}\n", "spec.podSelector.matchLabels.a", id="a policy's Pods"),
        pytest.param(
            f"{POLICY}  ingress: [{{}}, {{from: [{{namespaceSelector: {{matchLabels: {{a: 1}}}}}}]}}]\n",
            "spec.ingress[1].from[0].namespaceSelector.matchLabels.a", id="a policy's peers",
        ),
        pytest.param("apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: 1}}\n", "metadata.labels.a", id="any kind"),
        pytest.param("apiVersion: x.io/v1\nkind: Thing\nmetadata: {name: web, labels: {a: 1}}\n", "metadata.labels.a", id="a custom one"),
    ],
)  # fmt: skip
def test_wrong_types_are_found_where_the_api_server_decodes(text: str, path: str) -> None:
    """Each fault has its field path."""
    [said] = complaints(text)
    assert f": {path}: 1 is a number, and a" in said


def test_all_faults_of_an_object_are_reported() -> None:
    """Each fault has its own place."""
    text = f"{DEPLOYMENT}  selector:\n    matchLabels: {{a: 1}}\n  template:\n    metadata:\n      labels: {{a: 1, b: on}}\n"
    assert [said.partition(": ")[0] for said in complaints(text)] == ["9:19", "9:25", "6:22"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("my shop", "'my shop' is not a valid label value; a label has at most 63 characters: "),
        ("a/b", ("'a/b' is not a valid label "
                "value")), ("a@b", ("'a@b' is not a valid label "
                                   "value")), ("-a", ("'-a' is not a valid label "
                                                     "value")), ("a.", "'a.' is not a valid label value"),
        ("\u00e9", ("'\u00e9' is not a valid label "
                   "value")), ("a" * 64, "has 64 characters; a label has at most 63 characters"),
        ("{{ .Chart.Name }}", "it looks like part of a Helm template; render the chart first: helm template"),
        ("${APP}", ("it looks like part of a text with variables for envsubst; replace the variables first: "
                   "envsubst < FILE")),
        ("$(APP)", "it looks like part of a text with a variable of kustomize; build it first: kubectl kustomize FOLDER"),
        ("{% x %}", "it looks like part of a Jinja template"), ("<%= x %>", "it looks like part of an ERB template"),
        ("{{ x }}", "it looks like part of a template with {{ … }}"),
    ],
)  # fmt: skip
def test_invalid_label_is_reported_with_the_allowed_form(value: str, says: str) -> None:
    """If possible, the message has the command that makes a label of the text."""
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": value}},
    }
    [fault] = read(document, default_namespace="shop").refused
    assert fault.place == "metadata.labels.app"
    assert says in fault.words()


@pytest.mark.parametrize("value", ["", "a", "A-b_c.d", "1", "a" * 63])
def test_valid_label_has_no_fault(value: str) -> None:
    """An empty text is a label too."""
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": value}},
    }
    assert read(document, default_namespace="shop").refused == ()


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("app", True), ("a/b", True), ("example.com/a_b.c", True), ("a" * 63, True), (f"{'a' * 253}/b", True), ("", False), ("/b", False),
        ("a/", False), ("a/b/c", False), ("A.com/b", False), ("a b", False), ("a" * 64, False), (f"{'a' * 254}/b", False), ("-a", False),
    ],
)  # fmt: skip
def test_a_key_has_a_name_and_perhaps_a_prefix(key: str, *, is_one: bool) -> None:
    """The grammar is Kubernetes' own."""
    assert is_label_key(key) is is_one


@pytest.mark.parametrize(
    ("kind", "value", "refused"),
    [
        ("Workflow", "{{workflow.name}}", False),
        ("Workflow", "run-{{ inputs.parameters.id }}", False),
        ("CronWorkflow", "{{=workflow.name}}", False),
        ("Workflow", "{{ .Values.name }}", True),
        ("Workflow", "a b", True),
        ("Rollout", "{{workflow.name}}", True),
    ],
)
def test_argos_variables_are_no_fault_where_argo_replaces_them(kind: str, value: str, *, refused: bool) -> None:
    """The API server checks no label in such an object, and the Pods have other labels."""
    inside = {"podMetadata": {"labels": {"app": value}}}
    spec = {
        "Workflow": inside,
        "CronWorkflow": {"workflowSpec": inside},
        "Rollout": {"template": {"metadata": {"labels": {"app": value}}}},
    }[kind]
    document = {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": "one"}, "spec": spec}
    assert bool(read(document, default_namespace="shop").refused) is refused


def test_the_key_of_a_label_with_a_variable_is_checked() -> None:
    """Argo replaces variables in values and leaves an invalid key in place."""
    spec = {"podMetadata": {"labels": {"a b": "{{workflow.name}}"}}}
    document = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "one"}, "spec": spec}
    assert [one.place for one in read(document, default_namespace="shop").refused] == ["spec.podMetadata.labels['a b']"]
