"""Explain why an object was not judged although it makes Pods or controls connections."""

import re
from collections import deque
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from webhook.admission.message import PLAIN_KEY
from webhook.model.extra_kinds import ExtraKind
from webhook.model.kinds import BY_RESOURCE, POLICY_RESOURCES, Makers
from webhook.model.limits import MOST_EXTRA_KINDS
from webhook.model.unsupported_kinds import (
    current_version,
    is_unsupported_pod_maker,
    suggested_kind,
    unsupported_policy_notice,
)
from webhook.model.workload import label_field

# Fields of a Pod's spec that are always lists of containers (kubernetes, pkg/apis/core, PodSpec).
CONTAINERS: Final = ("containers", "initContainers")
# Fields that identify a Pod's spec next to a template's metadata if it has no containers.
POD_SPEC_FIELDS: Final = frozenset(
    {
        "domain",  # KubeVirt
        "hostNetwork",
        "imagePullSecrets",
        "nodeSelector",
        "restartPolicy",
        "serviceAccountName",
        "terminationGracePeriodSeconds",
        "tolerations",
    }
)
# Endings that decide the plural of a kind.
INVARIANT_PLURALS: Final = ("endpoints", "securitycontextconstraints")
VOWEL_AND_Y: Final = ("ay", "ey", "iy", "oy", "uy")
SIBILANTS: Final = ("s", "x", "z", "ch", "sh")
# The number of values that are searched in one object; an object that people write has hundreds.
MOST_VALUES: Final = 20_000
# Groups whose objects describe Pods and do not make them: schemas, patterns of policies, sidecars for other Pods.
DESCRIBING_GROUPS: Final = re.compile(
    r"(?:apiextensions\.k8s\.io|admissionregistration\.k8s\.io|kyverno\.io|.*\.gatekeeper\.sh|.*\.kyverno\.io|kustomize\.config\.k8s\.io)"
)
DESCRIBING_KINDS: Final = frozenset(
    {"ControllerRevision", "SidecarSet", "PodPreset", "LimitRange", "PodSecurityPolicy", "Kustomization"}
)


def not_judged(document: Mapping[str, Any], api_version: str, kind: str, extra: Makers) -> str:
    """Return why an object of an unknown kind was not judged; empty if nothing suggests Pods or networks."""
    group = api_version.rpartition("/")[0]
    if suggestion := suggested_kind(api_version, kind):
        vendor = group if "." in group and not group.endswith(".k8s.io") else "Kubernetes"
        return f"{vendor} has no {api_version} {kind}; write apiVersion: {suggestion.replace(' ', ', kind: ')}"
    if notice := unsupported_policy_notice(group, kind):
        return notice
    if DESCRIBING_GROUPS.fullmatch(group) or kind in DESCRIBING_KINDS:
        return ""
    found = find_pods(document)
    if found is None:
        makes_pods = is_unsupported_pod_maker(group, kind, extra)
        return (
            f"{kind} of {group} creates Pods, and catflap does not read its fields; {PODS_ARE_CHECKED}"
            if makes_pods
            else ""
        )
    unknown = f"catflap does not know {kind} of {group or 'the core group'}, and the object has {found}"
    added = extra_kind(group, kind, found.path, extra) if found.is_template else None
    if added is None:
        return f"{unknown}; {PODS_ARE_CHECKED}"
    return (
        f"{unknown}; to check it, add to workloads.extraKinds: {extra_kind_yaml(added)} "
        "(resource is the plural that kubectl api-resources shows)"
    )


def other_template(document: Mapping[str, Any], kind: str, read: Iterable[str]) -> str:
    """Return which pod template of a kind of the policy file is not judged; empty if all are at the paths that are `read`."""
    found = find_pods(document, frozenset(read))
    is_left_out = found is not None and found.is_template
    return f"catflap does not read {found} of {kind}; {PODS_ARE_CHECKED}" if is_left_out else ""


def extra_kind(group: str, kind: str, template: str, extra: Makers) -> ExtraKind | None:
    """Return the entry of `workloads.extraKinds` for a kind; None if the policy file takes none.

    An example is a template whose path leads through a list.
    """
    resource = plural_of(kind)
    existing = {(maker.group, maker.resource) for maker in extra.values()} | BY_RESOURCE.keys() | POLICY_RESOURCES
    if (group, resource) in existing or len(extra) >= MOST_EXTRA_KINDS:
        return None
    try:
        return ExtraKind(group=group, resource=resource, kind=kind, template=template)
    except ValidationError:
        return None


def plural_of(kind: str) -> str:
    """Return the usual resource of a kind.

    apimachinery (pkg/api/meta, UnsafeGuessKindToResource) has the words without a plural, -es after s, and -ies for y.
    It derives `gatewaies` and `indexs` from Gateway and Index. Their CustomResourceDefinitions have the English
    plurals, as controller-gen writes them.
    """
    name = kind.lower()
    if name.endswith(INVARIANT_PLURALS):
        return name
    if name.endswith("y") and not name.endswith(VOWEL_AND_Y):
        return f"{name.removesuffix('y')}ies"
    return f"{name}es" if name.endswith(SIBILANTS) else f"{name}s"


def extra_kind_yaml(added: ExtraKind) -> str:
    """Return an entry of `workloads.extraKinds` on one line, with quotes where YAML would read another value."""
    fields = {"group": added.group, "resource": added.resource, "kind": added.kind, "template": added.template}
    return f"{{{', '.join(f'{key}: {text if PLAIN_KEY.fullmatch(text) else quoted(text)}' for key, text in fields.items())}}}"


def quoted(text: str) -> str:
    """Return a text in quotes."""
    return f'"{text}"'


class PodsLocation(NamedTuple):
    """The place in an object that describes Pods: a template with metadata, or containers alone."""

    path: str
    is_template: bool

    def __str__(self) -> str:
        """Return the place in words."""
        return f"{'a pod template' if self.is_template else 'containers'} at {self.path}"


PODS_ARE_CHECKED: Final = "the server checks its Pods when they are created"


def version_note(api_version: str, kind: str) -> str:
    """Return the note on a judged object whose version is no longer served; empty for any other object."""
    current = current_version(api_version, kind)
    return (
        f"checked as {current}: Kubernetes no longer serves {api_version} {kind}; write apiVersion: {current}"
        if current
        else ""
    )


def find_pods(document: Mapping[str, Any], read: Container[str] = frozenset()) -> PodsLocation | None:
    """Return where an object describes Pods, the outermost template first; None if it describes none, or only at the paths in `read`."""
    queue: deque[tuple[str, Any]] = deque(
        (label_field(str(key)).removeprefix("."), value) for key, value in document.items() if key not in OTHER_FIELDS
    )
    containers: PodsLocation | None = None
    for _ in range(MOST_VALUES):
        if not queue:
            break
        path, value = queue.popleft()
        if path in read:
            continue
        if isinstance(value, list):
            queue.extend((f"{path}[{number}]", one) for number, one in enumerate(value))
        elif isinstance(value, dict):
            if has_containers(value.get("spec")) or is_template(value):
                return PodsLocation(path, is_template=True)
            if containers is None and has_containers(value):
                containers = PodsLocation(path, is_template=False)
            queue.extend((f"{path}{label_field(str(key))}", one) for key, one in value.items())
    return containers


OTHER_FIELDS: Final = frozenset({"metadata", "status"})


def has_containers(spec: Any) -> bool:
    """Return whether a value has lists of containers."""
    return isinstance(spec, dict) and any(map(are_containers, (spec.get(field) for field in CONTAINERS)))


def are_containers(found: Any) -> bool:
    """Return whether a value is a list of containers, which are mappings with an image or a name."""
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(one, dict) and isinstance(one.get("image", one.get("name")), str) for one in found)
    )


def is_template(value: Mapping[str, Any]) -> bool:
    """Return whether a mapping has metadata and a spec with fields of a Pod."""
    spec = value.get("spec")
    return isinstance(value.get("metadata"), dict) and isinstance(spec, dict) and not POD_SPEC_FIELDS.isdisjoint(spec)
