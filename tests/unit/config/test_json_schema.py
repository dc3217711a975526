"""Test the JSON Schema of the policy file beside what the documentation tests check."""

import pytest
from jsonschema import Draft202012Validator

from webhook.config.json_schema import schema


@pytest.mark.parametrize(
    "content",
    [
        {"workloads": {"role": {"oneOf": ["a", "a"]}}},
        {"workloads": {"app": {"aliases": ["a", "a"]}}},
        {"network": {"presets": ["istio", "istio"]}},
        {"exempt": {"users": ["a", "a"]}},
        {"roles": {"data": {"claim": {"namespaces": ["a", "a"]}}}},
    ],
)
def test_a_list_with_a_value_twice_is_marked_in_editors(content: dict[str, object]) -> None:
    """The server rejects it."""
    head = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy"}
    faults = list(Draft202012Validator(schema()).iter_errors(head | content))
    assert [fault.validator for fault in faults] == ["uniqueItems"]
