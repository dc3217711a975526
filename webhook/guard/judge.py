"""Which faults a workload has, and which of them a change brings."""

from webhook.model.policy import GuardPolicy, Mode
from webhook.model.request import Operation, Request
from webhook.model.violation import Violation
from webhook.model.workload import Workload
from webhook.rules import RULES


def judge(workload: Workload, policy: GuardPolicy) -> tuple[Violation, ...]:
    """Every fault of a workload under each rule that is not off, in the order of the rules' ids."""
    return tuple(
        violation
        for rule in RULES.values()
        if policy.mode_of(rule.id) is not Mode.OFF
        for violation in rule.judge(workload, policy)
    )


def judge_request(request: Request, policy: GuardPolicy) -> tuple[Violation, ...]:
    """The faults that a request brings.

    A new object, and one whose pod template changes, answers for all its faults: a changed template makes new Pods,
    and they would be refused where nobody looks. Any other change answers only for faults that were not there before,
    so that what is already faulty can be scaled, finalized and mended step by step.
    """
    assert request.workload is not None
    found = judge(request.workload, policy)
    if not found or request.operation is Operation.CREATE or request.template_changed or request.before is None:
        return found
    known = frozenset(judge(request.before, policy))
    return tuple(violation for violation in found if violation not in known)
