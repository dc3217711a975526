"""The fields that an expression may read include all that it reads."""

from typing import Any

import pytest

from webhook.cel.field_reads import read_paths, value_at


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("object.spec.replicas < 5", {("spec", "replicas")}),
        ("object.?spec.?replicas.orValue(1) < 5", {("spec", "replicas")}),
        (
            "object.spec.containers.all(c, c.image != object.metadata.name)",
            {("spec", "containers"), ("metadata", "name")},
        ),
        ("object.metadata.annotations['a'] == ''", {("metadata", "annotations")}),
        ("object .\n spec . a == 1", {("spec", "a")}),
        ("has(object.spec.a)", {("spec", "a")}),
        ("object['spec'].a == 1", {()}),
        ("object.`spec`.a == 1", {()}),
        ("object.size() == 1", {()}),
        ("oldObject.spec.a == 1 && object == null", {()}),
        ("'object.spec' == '' && object.a == 1 // object.b", {("a",)}),
    ],
)
def test_the_fields_are_those_that_are_named(expression: str, found: set[tuple[str, ...]]) -> None:
    """The result depends on the text; anything that is not clearly a field counts as the whole variable."""
    assert read_paths(expression, "object") == found


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": {"b": 1}}, (2, 1)),
        ({"a": {"c": 1}}, (1, None)),
        ({"a": "text"}, (1, "text")),
        ({"b": 1}, (0, None)),
        (None, (0, None)),
    ],
)
def test_a_path_leads_as_far_as_there_are_fields(value: Any, where: tuple[int, Any]) -> None:
    """A null field differs from a missing one."""
    assert value_at(value, ("a", "b")) == where
    assert value_at({"a": {"b": None}}, ("a", "b")) == (2, None)
