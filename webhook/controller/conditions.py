"""What requests are asked about, as the API server's own CEL says it: match conditions of our entries."""

from collections.abc import Iterable
from typing import Final

from webhook.model.cel import fits_any
from webhook.model.kinds import POD_MAKERS, USUAL_TEMPLATE, PodMaker
from webhook.model.names import CALICO_METADATA, GUARD_LABEL
from webhook.model.policy import GuardPolicy
from webhook.model.workload import Scope
from webhook.model.workload_labels import AppLabel

LABELS: Final = "object.?metadata.?labels.orValue({})"
LABELS_BEFORE: Final = "oldObject.?metadata.?labels.orValue({})"
# Calico keeps the name and the labels that count there, of what it stores.
STORED_METADATA_CHANGED: Final = " != ".join(
    f"{one}.?metadata.?annotations.orValue({{}})[?'{CALICO_METADATA}']" for one in ("object", "oldObject")
)
# What of a user's network policy is judged; the labels of a network set say whom its addresses count as.
POLICY_CHANGED: Final = f"object.?spec != oldObject.?spec || {LABELS} != {LABELS_BEFORE} || {STORED_METADATA_CHANGED}"
REQUESTED: Final = "request.?namespace.orValue('')"  # of what is in none, it is not set


def protected_labels(policy: GuardPolicy, own_namespace: str) -> str:
    """Whether a label, or a name, is touched that the guard hangs on; the stamp of a new namespace is our own."""
    stamp = differs(f"'{GUARD_LABEL}'")
    touched = [f"(request.operation == 'UPDATE' && {stamp})"]
    if guarded := ", ".join(f"'{label}'" for label in policy.namespaces.protected_labels):
        touched.append(f"[{guarded}].exists(label, {differs('label')})")
    reserved = sorted({*policy.reserved_namespace_names, own_namespace})
    touched.append(f"(request.operation == 'CREATE' && ({fits_any(reserved, 'object.metadata.name')}))")
    return " || ".join(touched)


def elsewhere(prefixes: Iterable[str]) -> str:
    """Whether a request is about none of the namespaces with these prefixes, which no selector can say."""
    return f"!{fits_any(prefixes, REQUESTED)}"


def differs(label: str) -> str:
    """Whether a label, an expression, is not what it was; before a CREATE it was not there."""
    return f"{LABELS}[?{label}] != (oldObject == null ? {{}} : {LABELS_BEFORE})[?{label}]"


def on_update(expression: str) -> str:
    """A condition that only an UPDATE has to meet."""
    return f"request.operation != 'UPDATE' || {expression}"


def workload_changed(policy: GuardPolicy) -> str:
    """Whether anything differs from what stood that is judged: a pod template, and the object's own labels in scope."""
    expression = template_changed((*POD_MAKERS, *policy.workloads.extra_by_resource.values()))
    return expression if policy.workloads.scope is Scope.TEMPLATE else f"{LABELS} != {LABELS_BEFORE} || {expression}"


def template_changed(makers: Iterable[PodMaker]) -> str:
    """Whether the pod template differs from what stood; each kind keeps its own elsewhere."""
    elsewhere = [one for one in makers if one.template and one.sources != (USUAL_TEMPLATE,)]
    cases = "".join(f"{is_of(one)} ? {compared(one.sources)} : " for one in elsewhere)
    return f"({cases}{compared((USUAL_TEMPLATE,))})"


def is_of(maker: PodMaker) -> str:
    """Whether the request is about a resource."""
    return f"request.resource.group == '{maker.group}' && request.resource.resource == '{maker.resource}'"


def compared(paths: Iterable[str]) -> str:
    """The comparison of what stands at some paths with its earlier self, for objects that may lack any step to it."""
    steps = ("".join(f".?{step}" for step in path.split(".")) for path in paths)
    return " || ".join(f"object{path} != oldObject{path}" for path in steps)


def alias_alone(policy: GuardPolicy) -> str:
    """Whether a Pod has an alias without the plain label, of its application or of its role; empty without aliases."""
    return " || ".join(
        f"({stands_alone(label)})" for label in (policy.workloads.app, policy.workloads.role) if label.aliases
    )


def stands_alone(label: AppLabel) -> str:
    """Whether an alias of one label stands alone."""
    aliases = ", ".join(f"'{alias}'" for alias in label.aliases)
    return f"!('{label.label}' in {LABELS}) && [{aliases}].exists(alias, alias in {LABELS})"
