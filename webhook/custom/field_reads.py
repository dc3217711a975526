"""What an expression reads of its variables, by its text: never less than it does."""

import re
from collections.abc import Mapping
from typing import Any, Final

from webhook.custom.cost import TooLargeError, walk_values, without_literals

Path = tuple[str, ...]
WHOLE: Final[Path] = ()
FIELD: Final = r"\s*\.\s*\??\s*[A-Za-z_]\w*+(?!\s*\()"
# What the API server writes into what makes Pods where a manifest does not say it (kubernetes, pkg/apis/core/v1,
# pkg/apis/apps/v1 and pkg/apis/batch/v1, defaults.go; plugin/pkg/admission), but for `resources` and `securityContext`, which stay
# empty.
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
    """The fields that an expression names and the API server fills in."""
    return DEFAULTED_FIELDS.intersection(re.findall(r"\w+", without_literals(expression)))


def texts_in(value: Any) -> frozenset[str]:
    """The texts in an object, its fields among them; none where there are too many."""
    try:
        return frozenset(one for one in walk_values((value,)) if isinstance(one, str))
    except TooLargeError:
        return frozenset()


def read_paths(expression: str, variable: str) -> frozenset[Path]:
    """The fields of a variable that an expression may read; the whole one where it does not say which."""
    mentions = re.finditer(rf"\b{variable}\b((?:{FIELD})*)", without_literals(expression))
    return frozenset(tuple(re.findall(r"\w+", one[1])) for one in mentions) or frozenset({WHOLE})


def value_at(value: Any, path: Path) -> tuple[int, Any]:
    """How far a path leads into an object, and what is there; what the last field met lacks is no matter."""
    for depth, name in enumerate(path):
        if not isinstance(value, Mapping):
            return depth, value
        if name not in value:
            return depth, None
        value = value[name]
    return len(path), value
