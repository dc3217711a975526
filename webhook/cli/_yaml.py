"""YAML as people expect it from kubectl: no anchors, no folded lines, keys in our order."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml


class Dumper(yaml.SafeDumper):
    """Writes a value out each time it stands, never as an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's signature)
        """Nothing is shared."""
        return True


def manifests(objects: Iterable[Mapping[str, Any]]) -> str:
    """Several objects as one file."""
    return yaml.dump_all(objects, Dumper=Dumper, sort_keys=False, width=float("inf"), explicit_start=True)
