"""Check the labels of Pods together: a label has one meaning, and users can set its value."""

from collections.abc import Iterator

from webhook.config.faults import PolicyFault
from webhook.model.labels import RESERVED_PREFIXES, writer_of
from webhook.model.policy import GuardPolicy
from webhook.model.workload_labels import LabelRequirement, RoleLabel, Workloads


def labels(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Yield every fault of the labels that the file names."""
    workloads = policy.workloads
    yield from double(workloads)
    yield from reserved(workloads)
    yield from written("namespaces.environment.label", policy.namespaces.environment.label)
    earlier: dict[str, tuple[str, LabelRequirement]] = {}
    for number, required in enumerate(workloads.require):
        path = f"workloads.require[{number}]"
        yield from against_roles(path, required, workloads.role)
        if required.label in earlier:
            yield from against(path, required, *earlier[required.label])
        earlier.setdefault(required.label, (path, required))


def keys(workloads: Workloads) -> Iterator[tuple[str, str]]:
    """Yield the labels of the application and of the role, each with its path."""
    for name, label in (("app", workloads.app), ("role", workloads.role)):
        yield f"workloads.{name}.label", label.label
        yield from ((f"workloads.{name}.aliases[{number}]", alias) for number, alias in enumerate(label.aliases))


def double(workloads: Workloads) -> Iterator[PolicyFault]:
    """Check that each label names the application or the role, or is an alias of one of them."""
    seen: dict[str, str] = {}
    for path, key in keys(workloads):
        if key in seen:
            yield PolicyFault(path, f"{key!r} is also used by {seen[key]}; a label can have only one meaning")
        seen.setdefault(key, path)


def reserved(workloads: Workloads) -> Iterator[PolicyFault]:
    """Check that no label is one that Calico reserves for other objects or that Kubernetes writes."""
    required = ((f"workloads.require[{number}].label", one.label) for number, one in enumerate(workloads.require))
    for path, key in (*keys(workloads), *required):
        whose = next((whose for prefix, whose in RESERVED_PREFIXES.items() if key.startswith(prefix)), "")
        if whose:
            yield PolicyFault(path, f"Calico uses {key!r} as a label of the Pod's {whose}; name another label")
        yield from written(path, key)


def written(path: str, key: str) -> Iterator[PolicyFault]:
    """Yield the fault of a label that a part of Kubernetes sets, so that users cannot choose its value."""
    if writer := writer_of(key):
        message = f"{key!r} is set by {writer}, so users cannot choose its value; name another label"
        yield PolicyFault(path, message)


def against_roles(path: str, required: LabelRequirement, role: RoleLabel) -> Iterator[PolicyFault]:
    """Yield the fault of a requirement for the role's label that some role does not meet.

    An alias may have any value, because the role's own label takes precedence.
    """
    refused = [name for name in role.one_of if not required.admits(name)]
    if refused and required.label == role.label:
        message = f"no Pod can have the role {refused[0]!r}: this requirement for {required.label!r} does not allow it"
        yield PolicyFault(path, f"{message}; workloads.role.oneOf lists the roles")


def against(path: str, required: LabelRequirement, place: str, other: LabelRequirement) -> Iterator[PolicyFault]:
    """Yield the fault of two requirements for one label that no listed value meets.

    If both requirements are patterns, catflap cannot decide this.
    """
    listed = required.one_of or other.one_of
    if listed and not any(required.admits(value) and other.admits(value) for value in listed):
        yield PolicyFault(path, f"no value of {required.label!r} satisfies both this requirement and {place}")
