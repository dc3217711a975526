"""The chart's objects as `helm template` renders them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

CHART: Final = Path(__file__).parents[2] / "charts" / "catflap"
NAMESPACE: Final = "catflap-system"
KUBERNETES: Final = "1.37.2"  # a helm that was built from source has no version of its own for kubeVersion
VALUES_FILES: Final = sorted((CHART / "tests").glob("*.yaml"))
DEFAULT: Final = CHART / "tests" / "default.yaml"
HOOK: Final = "helm.sh/hook"
ROLES: Final = ("controller", "server")

Json = dict[str, Any]

for_each_values_file = pytest.mark.parametrize("values_file", VALUES_FILES, ids=lambda path: path.stem)


class Rendered:
    """One rendering; `values` are those that it was made from, including the chart's own.

    `objects` are those of the release, `afterwards` those that helm creates after its removal.
    """

    def __init__(self, values_file: Path, text: str) -> None:
        self.text = text
        found: list[Json] = [one for one in yaml.safe_load_all(text) if one]
        self.afterwards = [one for one in found if HOOK in one["metadata"].get("annotations", {})]
        self.objects = [one for one in found if one not in self.afterwards]
        own, given = (yaml.safe_load(path.read_text("utf-8")) for path in (CHART / "values.yaml", values_file))
        self.values: Json = merged(own, given or {})

    def of(self, *kinds: str) -> Iterator[Json]:
        """Return the objects of some kinds."""
        return (found for found in self.objects if found["kind"] in kinds)

    def get(self, kind: str, name: str) -> Json:
        """Return the one object with a kind and name."""
        [found] = (found for found in self.of(kind) if found["metadata"]["name"] == name)
        return found

    @property
    def policy(self) -> str:
        """Return the policy file in the ConfigMap."""
        text: str = self.get("ConfigMap", "catflap-policy")["data"]["policy.yaml"]
        return text

    @property
    def service(self) -> Json:
        """Return the one Service."""
        [found] = self.of("Service")
        return found

    @property
    def pods(self) -> dict[str, Json]:
        """Return the pod templates by role."""
        templates = (found["spec"]["template"] for found in self.of("Deployment"))
        return {template["metadata"]["labels"]["role"]: template for template in templates}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Json:
    """Return values merged as helm does: mappings key by key, everything else whole."""
    both = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            both[key] = merged(below[key], value)
    return both
