"""Extra kinds of the policy file: custom resources whose controllers make Pods."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from webhook.model.fields import DNS_LABEL, Node, proposal
from webhook.model.kinds import PodMaker
from webhook.model.limits import LONGEST_TEMPLATE_PATH

KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
# A step of a path is a field's name as CEL selects it; these words mean something else there (cel-spec, Lexis).
STEP = re.compile(r"(?!(?:true|false|null|in)$)[A-Za-z_][A-Za-z0-9_]*")
NO_PLACE = frozenset({"apiVersion", "kind", "metadata", "status"})
LONGEST_GROUP = 253
# The groups that the API server itself serves (kubernetes, pkg/controlplane/apiserver and pkg/registry). What makes Pods
# there is built in; some of the others, such as leases, must never wait for a webhook.
KUBERNETES_GROUPS = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)


def custom_group(group: str) -> str:
    """Return the API group of a CustomResourceDefinition; raises ValueError otherwise."""
    if group in KUBERNETES_GROUPS or DNS_LABEL.fullmatch(group) or not group:
        raise ValueError(f"{group!r} is a group of Kubernetes, whose kinds are built in; remove this item")
    if len(group) > LONGEST_GROUP or not all(map(DNS_LABEL.fullmatch, group.split("."))):
        raise ValueError(
            f"{group!r} is not a valid API group: write the part of apiVersion before the slash, such as "
            f"example.com{proposal(custom_group, group, group.partition('/')[0])}"
        )
    return group


def plural(resource: str) -> str:
    """Return a resource's name; raises ValueError otherwise."""
    if not DNS_LABEL.fullmatch(resource) or resource[0].isdigit():
        raise ValueError(
            f"{resource!r} is not a valid resource: write the plural that `kubectl api-resources` prints, such as "
            f"widgets{proposal(plural, resource, resource.lower().partition('.')[0])}"
        )
    return resource


def kind_name(kind: str) -> str:
    """Return a kind; raises ValueError otherwise."""
    if not KIND.fullmatch(kind):
        raise ValueError(
            f"{kind!r} is not a valid kind: write the kind as in manifests, such as "
            f"Widget{proposal(kind_name, kind, kind[:1].upper() + kind[1:])}"
        )
    return kind


def template_path(path: str) -> str:
    """Return the path of a pod template; raises ValueError otherwise."""
    steps = path.split(".")
    if not all(map(STEP.fullmatch, steps)):
        meant = proposal(template_path, path, path.strip("."))
        raise ValueError(
            f"{path!r} is not a valid field path: write field names with dots and without lists, such as "
            f"spec.template{meant}"
        )
    if steps[0] in NO_PLACE:
        raise ValueError(f"{path!r} is not the path of a pod template: {steps[0]} cannot contain one")
    if steps[-1] in {"metadata", "labels"}:
        raise ValueError(f"{path!r} is too long: the path of the pod template ends before its metadata")
    return path


class ExtraKind(Node):
    """A custom resource whose controller makes Pods."""

    group: Annotated[str, AfterValidator(custom_group)] = Field(description="the API group, without a version")
    resource: Annotated[str, AfterValidator(plural)] = Field(
        description="the plural that `kubectl api-resources` shows"
    )
    kind: Annotated[str, AfterValidator(kind_name)] = Field(description="the kind in manifests")
    template: Annotated[str, AfterValidator(template_path)] = Field(
        max_length=LONGEST_TEMPLATE_PATH,
        description="the field path of the Pod template, such as spec.template",
    )

    @property
    def maker(self) -> PodMaker:
        """Its row in the table of kinds."""
        return PodMaker(self.group, self.resource, self.kind, self.template, custom=True)
