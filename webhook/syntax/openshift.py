"""Build the objects that `oc process` makes from an OpenShift Template with the parameters' default values."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

# Older manifests write the group's first version without the group (openshift/api, template/v1).
API_VERSIONS: Final = frozenset({"template.openshift.io/v1", "v1"})
# openshift/library-go, pkg/template/templateprocessing: ${NAME} is text, ${{NAME}} is a whole value of any type.
TEXT: Final = re.compile(r"\$\{([a-zA-Z0-9_]+?)\}")
WHOLE_VALUE: Final = re.compile(r"\$\{\{([a-zA-Z0-9_]+)\}\}")


def is_template(document: Any) -> bool:
    """Return whether a document is an OpenShift Template with its objects."""
    return (
        isinstance(document, dict)
        and document.get("kind") == "Template"
        and document.get("apiVersion") in API_VERSIONS
        and isinstance(document.get("objects"), list)
    )


def objects_of(template: Mapping[str, Any]) -> Iterator[Any]:
    """Yield each object of a Template; a parameter without a default value stays as it is written.

    The Template's own labels are added to each object (`oc process`), and not to pod templates.
    """
    values = dict(parameters(template))
    labels = template.get("labels")
    for one in template["objects"]:
        found = substitute(one, values)
        yield (
            add_labels(found, substitute(labels, values))
            if isinstance(labels, dict) and isinstance(found, dict)
            else found
        )


def parameters(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each parameter with a default value."""
    found = template.get("parameters")
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("value"), str):
            yield one["name"], one["value"]


def substitute(value: Any, values: Mapping[str, str]) -> Any:
    """Return a value with its known parameters replaced."""
    if isinstance(value, str):
        if "${" not in value:
            return value
        if (whole := WHOLE_VALUE.fullmatch(value)) and whole[1] in values:
            return parse_value(values[whole[1]])
        return TEXT.sub(lambda found: values.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {substitute(key, values): substitute(one, values) for key, one in value.items()}
    return [substitute(one, values) for one in value] if isinstance(value, list) else value


def parse_value(text: str) -> Any:
    """Return the JSON value that a text contains; the text itself if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def add_labels(found: dict[str, Any], labels: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with additional labels."""
    metadata = found.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    existing = metadata.get("labels")
    return {**found, "metadata": {**metadata, "labels": {**(existing if isinstance(existing, dict) else {}), **labels}}}
