"""The `rules` of webhook entries: which operations on which resources come to catflap."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from webhook.model.kinds import LABELLING_SUBRESOURCES, NAMESPACES, POD, POD_MAKERS, PolicyKind
from webhook.model.policy import GuardPolicy

# The scopes of a rule, as admissionregistration.k8s.io/v1 names them, and "any" for versions and scopes.
SPACED: Final = "Namespaced"
WIDE: Final = "Cluster"
ANY: Final = "*"

Json = dict[str, Any]


def rule(group: str, resources: list[str], operations: list[str], *, version: str = "v1", scope: str = SPACED) -> Json:
    """Return one rule."""
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": operations,
        "resources": resources,
        "scope": scope,
    }


def pod_rules(*operations: str) -> list[Json]:
    """Return the rules for Pods, without their subresources."""
    return [rule(POD.group, [POD.resource], list(operations))]


def labelling_subresource_rule(resource: tuple[str, str], *, scope: str) -> Json:
    """Return the rule for the subresources through which labels can be changed."""
    group, plural = resource
    return rule(group, [f"{plural}/{way}" for way in LABELLING_SUBRESOURCES[resource]], ["UPDATE"], scope=scope)


def workload_rules(policy: GuardPolicy) -> list[Json]:
    """Return the rules for all other kinds that create Pods: one per API group, then one per kind that the policy file adds.

    A rule for a custom resource matches any version: if a CRD has no conversion, the API server does not treat one
    version as equivalent to another.
    """
    operations = ["CREATE", "UPDATE"]
    makers = [maker for maker in POD_MAKERS if maker is not POD]
    built_in = [
        rule(group, [maker.resource for maker in members], operations, version=ANY if custom else "v1")
        for (group, custom), members in groupby(makers, key=lambda maker: (maker.group, maker.custom))
    ]
    extra = policy.workloads.extra_kinds
    return built_in + [rule(one.group, [one.resource], operations, version=ANY, scope=ANY) for one in extra]


def policy_rules(kinds: Iterable[PolicyKind], operations: list[str]) -> list[Json]:
    """Return the rules for network policies, one per API group and scope."""
    return [
        rule(group, [kind.resource for kind in members], operations, version=version, scope=SPACED if spaced else WIDE)
        for (group, version, spaced), members in groupby(sorted(kinds, key=rule_key), key=rule_key)
    ]


def rule_key(kind: PolicyKind) -> tuple[str, str, bool]:
    """Return what all resources of one rule have in common."""
    return kind.group, kind.version, kind.namespaced


def namespace_rules() -> list[Json]:
    """Return the rules for namespaces: CREATE, UPDATE, and each subresource that can change labels."""
    group, plural = NAMESPACES
    ways = labelling_subresource_rule(NAMESPACES, scope=WIDE)
    return [*(rule(group, [plural], [operation], scope=WIDE) for operation in ("CREATE", "UPDATE")), ways]
