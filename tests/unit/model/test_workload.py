"""Locations of labels, and their names in messages."""

import pytest

from tests.unit.samples import workload
from webhook.model.workload import LabelLocation, label_field


@pytest.mark.parametrize(
    ("key", "field"),
    [
        pytest.param("role", ".role", id="a word"),
        pytest.param("k8s-app", ".k8s-app", id="a hyphen is fine in a field path"),
        pytest.param("app.kubernetes.io/name", "['app.kubernetes.io/name']", id="slash and dots would start new steps"),
        pytest.param("a.b", "['a.b']", id="a dot alone"),
        pytest.param("1st", "['1st']", id="a digit first"),
        pytest.param("snake_case", ".snake_case", id="an underscore"),
    ],
)
def test_a_label_key_becomes_the_tail_of_a_field_path(key: str, field: str) -> None:
    """As kubectl and jsonpath write it."""
    assert label_field(key) == field
    assert LabelLocation("spec.template.metadata", {}).at(key) == f"spec.template.metadata.labels{field}"


@pytest.mark.parametrize(
    ("namespace", "reference"),
    [pytest.param("shop", "Pod shop/web", id="in a namespace"), pytest.param("", "Pod web", id="in none")],
)
def test_a_workload_is_named_by_kind_namespace_and_name(namespace: str, reference: str) -> None:
    """As kubectl's users read it."""
    assert workload(namespace=namespace).reference == reference


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("web", "web", id="a name"),
        pytest.param("web-*", "web", id="a generated name, before the server made it up"),
        pytest.param("web.v2", "web.v2", id="dots are fine in a value"),
        pytest.param("a" * 63, "a" * 63, id="as long as a value may be"),
        pytest.param("a" * 64, None, id="longer than a value may be"),
        pytest.param("", None, id="no name at all"),
        pytest.param("-*", None, id="nothing is left of it"),
        pytest.param("a b", None, id="a name that the API server will refuse, seen offline"),
        pytest.param('a"b', None, id="a quote, which would break the patch"),
    ],
)
def test_a_name_is_offered_as_a_label_value_where_it_would_do(name: str, value: str | None) -> None:
    """The remedy of a missing application label can be pasted unchanged."""
    assert workload(name=name).label_from_name == value
