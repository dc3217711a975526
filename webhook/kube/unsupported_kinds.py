"""Find the kinds of a cluster that create Pods or open networks, and that catflap does not read."""

from collections.abc import Iterator

from webhook.kube.api import Api
from webhook.kube.paths import under
from webhook.model.abbreviation import listed
from webhook.model.kinds import Makers
from webhook.model.unsupported_kinds import (
    UNSUPPORTED_POD_MAKERS,
    UNSUPPORTED_POLICIES,
    is_unsupported_pod_maker,
    unsupported_policy_notice,
)


def unsupported_kind_notes(api: Api, extra: Makers) -> Iterator[str]:
    """Yield the notes about the unsupported kinds of a cluster; `extra` has the kinds that a policy file adds.  Raises ApiError."""
    makers, policies = [], []
    for group, kind, resource in served_unsupported_kinds(api):
        if unsupported_policy_notice(group, kind):
            policies.append(resource)
        elif is_unsupported_pod_maker(group, kind, extra):
            makers.append(resource)
    if makers:
        yield f"not checked, except the Pods that they create: {listed(sorted(makers))}"
    if policies:
        yield f"not checked, although they allow or deny connections: {listed(sorted(policies))}"


def served_unsupported_kinds(api: Api) -> Iterator[tuple[str, str, str]]:
    """Yield group, kind and full name of each resource in the groups that have unsupported kinds.  Raises ApiError."""
    groups = (api.get("/apis") or {}).get("groups") or ()
    for found in groups:
        name = found["name"]
        if name in UNSUPPORTED_POD_MAKERS or name in UNSUPPORTED_POLICIES:
            version = found["preferredVersion"]["groupVersion"]
            for one in (api.get(under("/apis", *version.split("/"))) or {}).get("resources") or ():
                if "/" not in one["name"]:  # a subresource
                    yield name, one["kind"], f"{one['name']}.{name}"
