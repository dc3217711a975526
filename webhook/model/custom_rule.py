"""A rule that an admin writes in CEL: its text, as the policy file has it."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from webhook.model.fields import Node, distinct, rule_id
from webhook.model.kinds import KUBERNETES_OWN

# Every resource that makes Pods, and Pods.
ALL_WORKLOADS = "workloads"
KUBERNETES_GROUPS = frozenset(maker.group for maker in KUBERNETES_OWN)
# Far above any expression that a person reads; the library itself stops at 100,000.
MAX_EXPRESSION_LENGTH = 10_000
MAX_CUSTOM_RULES = 100  # each may take its whole budget for one request


class CustomRule(Node):
    """A rule of the admin's own: an expression that is true of what may pass."""

    id: Annotated[str, AfterValidator(rule_id)] = Field(
        description="lower-case words joined by hyphens, no other rule's"
    )
    resources: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        description="by plural, such as [pods, deployments], others than Kubernetes' own with their group "
        "(rollouts.argoproj.io), or [workloads] for all that make Pods"
    )
    cel: str = Field(
        min_length=1, max_length=MAX_EXPRESSION_LENGTH, description="a CEL expression that is true of what may pass"
    )
    message: str = Field("", description="what the user reads; without it, the expression")
    params: dict[str, Any] | None = Field(None, description="values that the expression reads as params")

    def applies(self, group: str, plural: str) -> bool:
        """Return whether the rule is about objects of a resource that makes Pods."""
        return not {ALL_WORKLOADS, *resource_names(group, plural)}.isdisjoint(self.resources)

    @property
    def says(self) -> str:
        """Return what the user reads where the expression is false."""
        return self.message or f"not true: {' '.join(self.cel.split())}"


def resource_names(group: str, plural: str) -> tuple[str, ...]:
    """Return what a rule may call a resource: with its group, and Kubernetes' own by the plural alone.

    The plural alone of another's may be that of something else: Knative's services are not those of Kubernetes.
    """
    full = (f"{plural}.{group}",) if group else ()
    return (*full, plural) if group in KUBERNETES_GROUPS else full
