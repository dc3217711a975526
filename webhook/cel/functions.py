"""The functions that expressions may call in addition to CEL's own: some of Kubernetes' additions that the library has.

No function is written in Python: release 0.1.3 of the library loses the arguments of such functions (docs/decisions/0015).
"""

from collections.abc import Mapping
from typing import Final

# The library's extensions with their macros, by the names in its configuration.
MACROS: Final = ("optional", "two-var-comprehensions")
EXTENSIONS: Final = (*MACROS, "strings", "lists", "sets")

# How many arguments each takes, the one that it is called on among them.
MEMBERS: Final[Mapping[str, tuple[int, ...]]] = {
    "charAt": (2,),
    "indexOf": (2, 3),
    "lastIndexOf": (2, 3),
    "lowerAscii": (1,),
    "substring": (2, 3),
    "trim": (1,),
    "upperAscii": (1,),
    "distinct": (1,),
    "reverse": (1,),
    "slice": (3,),
    "sort": (1,),
}
GLOBALS: Final[Mapping[str, tuple[int, ...]]] = {
    "sets.contains": (2,),
    "sets.equivalent": (2,),
    "sets.intersects": (2,),
    "strings.quote": (1,),
}
# Functions of the library without a limit of memory: a text repeated within itself, a list as long as a text, as a number of the user,
# or as all lists of the object together.
UNBOUNDED: Final = frozenset({"replace", "join", "format", "split", "flatten", "range"})
# Functions that read a time in a zone, by the library's name of each overload. The library keeps the name of every zone for ever, and a
# user may choose it.
ZONED: Final[Mapping[str, str]] = {
    "getFullYear": "timestamp_to_year_with_tz",
    "getMonth": "timestamp_to_month_with_tz",
    "getDayOfYear": "timestamp_to_day_of_year_with_tz",
    "getDayOfMonth": "timestamp_to_day_of_month_with_tz",
    "getDate": "timestamp_to_day_of_month_1_based_with_tz",
    "getDayOfWeek": "timestamp_to_day_of_week_with_tz",
    "getHours": "timestamp_to_hours_with_tz",
    "getMinutes": "timestamp_to_minutes_with_tz",
    "getSeconds": "timestamp_to_seconds_tz",
    "getMilliseconds": "timestamp_to_milliseconds_with_tz",
}
# Functions of Kubernetes that catflap does not have (k8s.io/apiserver, pkg/cel/environment/base.go), by the first part of each name.
MISSING: Final = UNBOUNDED | frozenset(
    {"url", "isURL", "semver", "isSemver", "authorizer", "lists", "sortBy", "includes"}
    | {"transformMap", "transformMapEntry", "isSorted", "sum", "min", "max", "find", "findAll"}
    | {"quantity", "isQuantity", "isLessThan", "isGreaterThan", "compareTo", "sign", "isInteger", "asInteger"}
    | {"asApproximateFloat", "add", "sub", "ip", "isIP", "isCanonical", "family", "isUnspecified", "isLoopback"}
    | {"isLinkLocalMulticast", "isLinkLocalUnicast", "isGlobalUnicast", "cidr", "isCIDR", "containsIP"}
    | {"containsCIDR", "prefixLength", "masked"}
)
