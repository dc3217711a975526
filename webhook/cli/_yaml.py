"""Write YAML as kubectl's users expect it: no anchors, no folded lines, keys in the given order."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml


class YamlDumper(yaml.SafeDumper):
    """Writes a value out at each occurrence, never as an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's signature)
        """Return true."""
        return True


def dump_manifests(objects: Iterable[Mapping[str, Any]]) -> str:
    """Return several objects as one file."""
    return yaml.dump_all(objects, Dumper=YamlDumper, sort_keys=False, width=float("inf"), explicit_start=True)
