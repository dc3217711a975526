"""Describe the policy file: a JSON Schema for editors, and a policy with every key for people."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import AfterValidatorFunctionSchema

from webhook.config.renamed_keys import REMOVED, RENAMED, Path
from webhook.model.fields import RULE_ID, distinct
from webhook.model.policy import GuardPolicy
from webhook.rules import RULES

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"  # the draft that pydantic writes

Json = dict[str, Any]


class PolicySchema(GenerateJsonSchema):
    """Writes the schema of the policy file, including that a list may not contain a value twice."""

    def function_after_schema(self, schema: AfterValidatorFunctionSchema) -> JsonSchemaValue:
        """Return the schema of a value that a function checks."""
        found = super().function_after_schema(schema)
        return {**found, "uniqueItems": True} if schema["function"]["function"] is distinct else found


def schema() -> Json:
    """Return the JSON Schema of the policy file with all built-in rules, and with the keys of earlier releases."""
    model = GuardPolicy.model_json_schema(by_alias=True, schema_generator=PolicySchema)
    add_former_keys(model, model["$defs"])
    return {"$schema": DRAFT, **by_rule(model)}


def add_former_keys(policy: Json, definitions: Json) -> None:
    """Add the keys of earlier releases to the policy's schema, as deprecated ones."""
    for path, name in RENAMED.items():
        properties = properties_at(path[:-1], policy, definitions)
        same = {key: value for key, value in properties[name].items() if key not in {"default", "title"}}
        properties[path[-1]] = {**same, "description": f"former name of {name}", "deprecated": True}
    for path, reason in REMOVED.items():
        properties_at(path[:-1], policy, definitions)[path[-1]] = {
            "description": f"without effect: {reason}",
            "deprecated": True,
        }


def properties_at(path: Path, policy: Json, definitions: Json) -> Json:
    """Return the properties of the mapping at a path, in the policy's schema."""
    node = policy
    for key in path:
        node = definition(node["properties"][key], definitions)
    found: Json = node["properties"]
    return found


def by_rule(policy: Mapping[str, Any]) -> Json:
    """Return the policy's schema with each rule's id as a key of `rules`.

    No other keys are allowed if there are no custom rules.
    """
    rules = policy["properties"]["rules"]
    known = {"properties": dict.fromkeys(RULES, rules["additionalProperties"]), "additionalProperties": False}
    opened = {**rules, "properties": known["properties"], "propertyNames": {"pattern": f"^{RULE_ID.pattern}$"}}
    return {
        **policy,
        "properties": {**policy["properties"], "rules": opened},
        "if": {"properties": {"custom": {"maxItems": 0}}},
        "then": {"properties": {"rules": known}},
    }


def spelled_out(policy: GuardPolicy, *, indent: str = "") -> str:
    """Return a policy as YAML, with a comment above each key and with nested mappings written out."""
    model = GuardPolicy.model_json_schema(by_alias=True)
    values = policy.model_dump(mode="json", by_alias=True)
    return "".join(f"{line}\n" for line in described(values, model, model["$defs"], indent=indent))


def described(values: Json, node: Json, definitions: Json, *, indent: str) -> Iterator[str]:
    """Yield the lines of one mapping; nested models take several lines, every other value takes one line."""
    for key, value in values.items():
        field = node["properties"][key]
        inner = definition(field, definitions)
        yield f"{indent}# {sentence(field['description'])}"
        if "properties" in inner:
            yield f"{indent}{key}:"
            yield from described(value, inner, definitions, indent=f"{indent}  ")
        else:
            yield f"{indent}{key}: {inline(value)}"


def definition(field: Mapping[str, Any], definitions: Json) -> Json:
    """Return the definition that a field refers to; empty if it refers to none."""
    found: Json = definitions.get(field.get("$ref", "").rpartition("/")[2], {})
    return found


def inline(value: Any) -> str:
    """Return a value as one line of YAML."""
    if value == "":
        return '""'
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def sentence(text: str) -> str:
    """Return a description as a sentence for a comment."""
    return f"{text[0].upper()}{text[1:]}."
