"""The functions that Kubernetes adds to CEL, by subject; plain Python that knows nothing of the library."""

from webhook.custom.functions import addresses, lists, patterns, quantities, sets, strings

FUNCTIONS = (
    *strings.FUNCTIONS,
    *lists.FUNCTIONS,
    *sets.FUNCTIONS,
    *patterns.FUNCTIONS,
    *quantities.FUNCTIONS,
    *addresses.FUNCTIONS,
)
# What Kubernetes has and we have not (k8s.io/apiserver, pkg/cel/environment/base.go).
MISSING = frozenset(
    {"url", "isURL", "semver", "isSemver", "authorizer", "format", "flatten", "sortBy", "transformList", "transformMap"}
    | {"transformMapEntry", "existsOne", "includes", "quote"}
)
