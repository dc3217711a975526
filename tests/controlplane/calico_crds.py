"""Calico's custom resource definitions (CRDs), generated from its Go types: the real schema of `projectcalico.org/v3`.

Calico generates its own with a patched generator, because three of its types are declared as structs but written in manifests as
a number or a string.  The published generator is used, and these three are corrected afterwards.
"""

from pathlib import Path
from typing import Any, Final

import yaml

GENERATE: Final = ("crd:allowDangerousTypes=true", "paths=github.com/projectcalico/api/pkg/apis/projectcalico/v3")

# The fields of numorstring.Port, and of numorstring.Uint8OrString and Protocol, as the generator sees them.  Both types marshal
# themselves to a number or a string, so that no manifest ever has these fields.
PORT_FIELDS: Final = frozenset({"minPort", "maxPort", "portName"})
NUMBER_FIELDS: Final = frozenset({"type", "numVal", "strVal"})
MARKS: Final = ("minPort", "numVal")


class StrangeSchema(Exception):  # noqa: N818 -- reads as what it is
    """The generator's output is not what the mending expects."""


def mend_folder(raw: Path, mended: Path) -> None:
    """Write each generated CRD of `raw` into `mended`, with the three types as manifests write them."""
    sources = sorted(raw.glob("*.yaml"))
    if not sources:
        raise StrangeSchema(f"no CRDs in {raw}")
    for source in sources:
        text = yaml.safe_dump(mended_schema(yaml.safe_load(source.read_text())), sort_keys=False)
        if left := [mark for mark in MARKS if f"{mark}:" in text]:
            raise StrangeSchema(f"{source.name}: {', '.join(left)} in an unknown place")
        (mended / source.name).write_text(text)


def mended_schema(node: Any) -> Any:
    """Return the tree with every number-or-string struct replaced; all else is copied as it is."""
    match node:
        case {"type": "object", "properties": dict(fields)} if frozenset(fields) in (PORT_FIELDS, NUMBER_FIELDS):
            kept = {"description": node["description"]} if "description" in node else {}
            return kept | {"x-kubernetes-int-or-string": True}
        case dict():
            return {key: mended_schema(value) for key, value in node.items()}
        case list():
            return [mended_schema(value) for value in node]
    return node
