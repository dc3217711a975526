"""Match conditions of webhook entries: CEL expressions by which the API server decides which requests it sends."""

from collections.abc import Iterable
from typing import Final

from webhook.model.cel import fits_any
from webhook.model.kinds import POD_MAKERS, USUAL_TEMPLATE, PodMaker
from webhook.model.names import CALICO_METADATA, GUARD_LABEL
from webhook.model.policy import GuardPolicy
from webhook.model.workload import Scope
from webhook.model.workload_labels import AppLabel

LABELS: Final = "object.?metadata.?labels.orValue({})"
OLD_LABELS: Final = "oldObject.?metadata.?labels.orValue({})"
# Calico stores the name and the labels that it uses in this annotation.
STORED_METADATA_CHANGED: Final = " != ".join(
    f"{one}.?metadata.?annotations.orValue({{}})[?'{CALICO_METADATA}']" for one in ("object", "oldObject")
)
# The parts of a user's network policy that rules judge. The labels of a network set decide which selectors match its
# addresses.
POLICY_CHANGED: Final = f"object.?spec != oldObject.?spec || {LABELS} != {OLD_LABELS} || {STORED_METADATA_CHANGED}"
REQUEST_NAMESPACE: Final = "request.?namespace.orValue('')"  # it is unset for cluster-scoped objects


def guarded_labels_changed(policy: GuardPolicy, own_namespace: str) -> str:
    """Return the expression for: the request touches a label or a name that decides how catflap treats a namespace.

    On CREATE, catflap itself sets the managed label.
    """
    stamp = label_changed(f"'{GUARD_LABEL}'")
    touched = [f"(request.operation == 'UPDATE' && {stamp})"]
    if guarded := ", ".join(f"'{label}'" for label in policy.namespaces.protected_labels):
        touched.append(f"[{guarded}].exists(label, {label_changed('label')})")
    reserved = sorted({*policy.reserved_namespace_names, own_namespace})
    touched.append(f"(request.operation == 'CREATE' && ({fits_any(reserved, 'object.metadata.name')}))")
    return " || ".join(touched)


def outside_prefixes(prefixes: Iterable[str]) -> str:
    """Return the expression for: the namespace has none of these prefixes. A label selector cannot match prefixes."""
    return f"!{fits_any(prefixes, REQUEST_NAMESPACE)}"


def label_changed(label: str) -> str:
    """Return the expression for: a label changed; `label` is an expression. On CREATE there is no old value."""
    return f"{LABELS}[?{label}] != (oldObject == null ? {{}} : {OLD_LABELS})[?{label}]"


def on_update(expression: str) -> str:
    """Return a condition that only an UPDATE has to meet."""
    return f"request.operation != 'UPDATE' || {expression}"


def workload_changed(policy: GuardPolicy) -> str:
    """Return the expression for: a judged field changed, which is the pod template and, if in scope, the object's own labels."""
    expression = template_changed((*POD_MAKERS, *policy.workloads.extra_by_resource.values()))
    return expression if policy.workloads.scope is Scope.TEMPLATE else f"{LABELS} != {OLD_LABELS} || {expression}"


def template_changed(makers: Iterable[PodMaker]) -> str:
    """Return the expression for: the pod template changed. Each kind has its template at its own path."""
    outside_prefixes = [one for one in makers if one.template and one.sources != (USUAL_TEMPLATE,)]
    cases = "".join(f"{is_resource(one)} ? {paths_changed(one.sources)} : " for one in outside_prefixes)
    return f"({cases}{paths_changed((USUAL_TEMPLATE,))})"


def is_resource(maker: PodMaker) -> str:
    """Return the expression for: the request is about the resource of a kind."""
    return f"request.resource.group == '{maker.group}' && request.resource.resource == '{maker.resource}'"


def paths_changed(paths: Iterable[str]) -> str:
    """Return the expression for: the value at any of these paths changed. Any step of a path may be missing."""
    steps = ("".join(f".?{step}" for step in path.split(".")) for path in paths)
    return " || ".join(f"object{path} != oldObject{path}" for path in steps)


def has_only_alias(policy: GuardPolicy) -> str:
    """Return the expression for: a Pod has only an alias of the application or role label; empty without aliases."""
    return " || ".join(
        f"({has_alias_without_label(label)})"
        for label in (policy.workloads.app, policy.workloads.role)
        if label.aliases
    )


def has_alias_without_label(label: AppLabel) -> str:
    """Return the expression for: a Pod has an alias of one label, and not the label itself."""
    aliases = ", ".join(f"'{alias}'" for alias in label.aliases)
    return f"!('{label.label}' in {LABELS}) && [{aliases}].exists(alias, alias in {LABELS})"
