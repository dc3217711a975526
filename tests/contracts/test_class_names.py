"""Names of classes: each names one thing in the whole package."""

import ast
from collections import defaultdict
from typing import Final

from tests.contracts.source import classes, modules

# The record types of the audit log. Their names are published in docs/audit.schema.json, and they are never values of
# the program: msgspec derives the schema from them, and `webhook.audit.record` returns them as plain dictionaries.
RECORD_TYPES: Final = "webhook.audit.schema"


def is_record_type(name: str, node: ast.ClassDef) -> bool:
    """Return whether a class describes a record or a part of one on the wire."""
    return name.startswith(f"{RECORD_TYPES}.") and "TypedDict" in map(ast.unparse, node.bases)


def test_no_two_classes_have_the_same_name() -> None:
    """A reader who sees a name in an import, a log line or a traceback knows which class it is."""
    places = defaultdict(list)
    for module in modules():
        for name, node in classes(module):
            if not is_record_type(name, node):
                places[node.name].append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_record_types_are_the_only_exception() -> None:
    """The rule excludes classes of one module, and each of them describes a part of a record."""
    excluded = {name for module in modules() for name, node in classes(module) if is_record_type(name, node)}
    assert excluded
    assert {name.rpartition(".")[0] for name in excluded} == {RECORD_TYPES}
