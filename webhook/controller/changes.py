"""What changed about an object, as the API server's match conditions ask: in CEL, for objects that may lack any step."""

from collections.abc import Iterable

from webhook.model.kinds import POD_MAKERS, USUAL_TEMPLATE, PodMaker
from webhook.model.policy import GuardPolicy
from webhook.model.workload import Scope

LABELS = "object.?metadata.?labels.orValue({})"
LABELS_BEFORE = "oldObject.?metadata.?labels.orValue({})"


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
