"""Find the fields that an expression reads, by its text: all that it reads, and possibly more."""

import re
from collections.abc import Mapping
from typing import Any, Final

from webhook.cel.cost import TooLargeError, walk_values, without_literals

Path = tuple[str, ...]
WHOLE: Final[Path] = ()
FIELD: Final = r"\s*\.\s*\??\s*[A-Za-z_]\w*+(?!\s*\()"
# The fields of workloads that the API server sets where a manifest omits them (kubernetes, pkg/apis/core/v1,
# pkg/apis/apps/v1 and pkg/apis/batch/v1, defaults.go; plugin/pkg/admission), except `resources` and `securityContext`, which it sets to
# empty values.
DEFAULTED_FIELDS: Final = frozenset(
    {"restartPolicy", "dnsPolicy", "terminationGracePeriodSeconds", "schedulerName", "procMount"}
    | {"serviceAccountName", "serviceAccount", "enableServiceLinks", "preemptionPolicy", "priority", "tolerations"}
    | {"imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", "protocol", "fieldPath", "defaultMode"}
    | {"timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold", "scheme"}
    | {"replicas", "strategy", "updateStrategy", "rollingUpdate", "maxSurge", "maxUnavailable", "revisionHistoryLimit"}
    | {"progressDeadlineSeconds", "podManagementPolicy", "persistentVolumeClaimRetentionPolicy", "partition"}
    | {"completions", "parallelism", "backoffLimit", "completionMode", "suspend", "podReplacementPolicy", "selector"}
    | {"concurrencyPolicy", "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "volumes", "volumeMounts"}
    | {"uid", "creationTimestamp", "generation", "resourceVersion", "managedFields", "status"}
)


def defaulted_fields(expression: str) -> frozenset[str]:
    """Return the fields in an expression that the API server sets by default."""
    return DEFAULTED_FIELDS.intersection(re.findall(r"\w+", without_literals(expression)))


def texts_in(value: Any) -> frozenset[str]:
    """Return the texts in an object, including its field names; none where there are too many."""
    try:
        return frozenset(one for one in walk_values((value,)) if isinstance(one, str))
    except TooLargeError:
        return frozenset()


def read_paths(expression: str, variable: str) -> frozenset[Path]:
    """Return the fields of a variable that an expression may read; the whole variable where it names no field."""
    mentions = re.finditer(rf"\b{variable}\b((?:{FIELD})*)", without_literals(expression))
    return frozenset(tuple(re.findall(r"\w+", one[1])) for one in mentions) or frozenset({WHOLE})


def value_at(value: Any, path: Path) -> tuple[int, Any]:
    """Return the number of fields of a path that exist in an object, and the value at the last of them; None for a missing field."""
    for depth, name in enumerate(path):
        if not isinstance(value, Mapping):
            return depth, value
        if name not in value:
            return depth, None
        value = value[name]
    return len(path), value
