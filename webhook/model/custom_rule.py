"""A custom rule in CEL, as the policy file has it."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WrapValidator

from webhook.model.distinct_values import distinct
from webhook.model.fields import Node, rule_id
from webhook.model.kinds import KUBERNETES_OWN

# The name for Pods and all resources that make Pods.
ALL_WORKLOADS = "workloads"
KUBERNETES_GROUPS = frozenset(maker.group for maker in KUBERNETES_OWN)
# Much longer than any readable expression; the CEL library has a limit of 100,000.
MAX_EXPRESSION_LENGTH = 10_000
MAX_CUSTOM_RULES = 100  # each may take its whole budget for one request


class CustomRule(Node):
    """A custom rule of the administrator: an expression that is true for admitted objects."""

    id: Annotated[str, AfterValidator(rule_id)] = Field(
        description="the identifier: lower-case words joined by hyphens, different from all other rules"
    )
    resources: Annotated[tuple[str, ...], Field(min_length=1), WrapValidator(distinct)] = Field(
        description="the resources to check, by plural name, such as [pods, deployments]; custom resources with their group "
        "(rollouts.argoproj.io); [workloads] for Pods and every resource from which Pods are created"
    )
    cel: str = Field(
        min_length=1, max_length=MAX_EXPRESSION_LENGTH, description="a CEL expression that is true for valid objects"
    )
    message: str = Field("", description="the message for the user; by default the expression")
    params: dict[str, Any] | None = Field(None, description="values that the expression can read as params")

    def applies(self, group: str, plural: str) -> bool:
        """Return whether the rule is about objects of a resource that makes Pods."""
        return not {ALL_WORKLOADS, *resource_names(group, plural)}.isdisjoint(self.resources)

    @property
    def says(self) -> str:
        """Return the message for the user if the expression is false."""
        return self.message or f"not true: {' '.join(self.cel.split())}"


def resource_names(group: str, plural: str) -> tuple[str, ...]:
    """Return the names of a resource in rules: with its group, and for Kubernetes' own resources also the plural alone.

    The plural of other resources is ambiguous: Knative's services are not those of Kubernetes.
    """
    full = (f"{plural}.{group}",) if group else ()
    return (*full, plural) if group in KUBERNETES_GROUPS else full
