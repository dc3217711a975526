"""Export renamed metrics under their former names too, for one release (docs/upgrade.md).

The next release deletes this module.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

# The former name of each renamed metric, both without the suffix of a counter.
FORMER: Final[Mapping[str, str]] = {
    "catflap_audit_stdout_dropped": "catflap_audit_uncopied",
    "catflap_managed_namespaces": "catflap_guarded_namespaces",
    "catflap_namespace_isolation_delay_seconds": "catflap_namespace_unguarded_seconds",
    "catflap_policy_load_failures": "catflap_policy_refusals",
    "catflap_policy_sync_failed": "catflap_policy_not_followed",
}
# The former value of each renamed label value; no other metric has it.
FORMER_VALUES: Final = {"validating-admission-policy": "twin"}
SUFFIXES: Final = {"counter": "_total"}


class RegistryWithFormerNames(CollectorRegistry):
    """A registry that also has each renamed metric under its former name."""

    def collect(self) -> Iterator[Metric]:
        """Yield each metric, and a copy of each renamed one."""
        for metric in super().collect():
            yield metric
            if metric.name in FORMER:
                yield renamed(metric)


def renamed(metric: Metric) -> Metric:
    """Return a copy of a metric under its former name."""
    name = FORMER[metric.name]
    found = Metric(name, f"Deprecated: renamed to {metric.name}{SUFFIXES.get(metric.type, '')}", metric.type)
    for sample in metric.samples:
        labels = {label: FORMER_VALUES.get(value, value) for label, value in sample.labels.items()}
        found.add_sample(sample.name.replace(metric.name, name), labels, sample.value)
    return found
