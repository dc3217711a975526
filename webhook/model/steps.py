"""The steps at which a decision pauses, because the request alone does not determine it: lookups, and long computations."""

from collections.abc import Generator, Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from webhook.model.request import User
from webhook.model.rule import Violation
from webhook.model.workload import LabelLocation, Owner, Workload

Result = TypeVar("Result")
Returned = TypeVar("Returned")


class Step(Struct, Generic[Result], frozen=True):
    """One pause of a decision. The caller resumes the decision with the step's result."""

    def result(self) -> Generator["Step[Any]", Any, Result]:
        """Pause at this step; return its result when the caller resumes the decision with it."""
        found: Result = yield self
        return found


# A computation that pauses at steps and then returns its value. Its local variables keep what it has computed, so nothing runs twice.
Resumable = Generator[Step[Any], Any, Returned]


class IsolationStatus(StrEnum):
    """The state of a namespace's default-deny policy.

    `written`: the policy was missing and is now written. `unwritten`: the policy is missing and a dry run may not write
    it. `staged`: the policy file enforces nothing yet. `unchecked`: no cluster is available.
    """

    PROVEN = "proven"
    WRITTEN = "written"
    UNWRITTEN = "unwritten"
    STAGED = "staged"
    UNGUARDED = "unguarded"
    UNCHECKED = "unchecked"


class OldOwner(Struct, frozen=True):
    """A stored owner that is older than catflap, with the Pods that it requests.

    `workload` is the owner itself. `made` are the labels that it writes to the objects that it creates other than Pods.
    `template` is its Pod template, for rules that read all of it.
    """

    workload: Workload
    template: Mapping[str, Any]
    made: LabelLocation = LabelLocation("metadata", {})


class NamespaceData(Struct, frozen=True):
    """The labels of a namespace, and its content as custom rules read it; `content` is None if no cluster is available."""

    labels: Mapping[str, str] = {}
    content: Mapping[str, Any] | None = None


class OwnerLookup(Step[tuple[OldOwner, ...]], frozen=True):
    """Looks up which owners above an object, from `owner` up, are older than catflap.

    The result is empty if the topmost owner is younger.
    """

    namespace: str
    owner: Owner


class IsolationLookup(Step[IsolationStatus], frozen=True):
    """Looks up whether a namespace is isolated, and isolates it if necessary; with `dry_run` it writes nothing."""

    namespace: str
    dry_run: bool


class ManagedLookup(Step[bool], frozen=True):
    """Looks up whether catflap manages a namespace."""

    namespace: str


class NamespaceLookup(Step[NamespaceData], frozen=True):
    """Looks up a namespace."""

    namespace: str


class ValidationResult(Struct, frozen=True):
    """The errors of a policy file, which refuse it, and the warnings about its keys of earlier releases."""

    errors: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()


class PolicyValidation(Step[ValidationResult], frozen=True):
    """Validates the text of a policy file. It takes up to a second."""

    text: str


class PolicyImpactLookup(Step[tuple[str, ...]], frozen=True):
    """Looks up what a valid policy file would change in the cluster; the result are warnings for `user`."""

    text: str
    user: User


class HeavyWork(Step[None], frozen=True):
    """Announces that the next part of the decision takes up to two seconds, so the caller may resume it in another thread."""


# The result of each type of step.
Results = Mapping[type[Step[Any]], Any]
# The results if no cluster is available.
OFFLINE_RESULTS: Results = {
    OwnerLookup: (),
    IsolationLookup: IsolationStatus.UNCHECKED,
    ManagedLookup: True,
    NamespaceLookup: NamespaceData(),
    PolicyImpactLookup: (),
    HeavyWork: None,
}


def resume(pausing: Resumable[Returned], result: Any = None) -> Returned | Step[Any]:
    """Resume a computation with the result of its step, None at its begin; return its next step, or its value."""
    try:
        return pausing.send(result)
    except StopIteration as end:
        returned: Returned = end.value
        return returned


def complete(pausing: Resumable[Returned], results: Results = OFFLINE_RESULTS) -> Returned:
    """Return the value of a computation, whose steps have the given results; raises KeyError for a step without one."""
    found = resume(pausing)
    while isinstance(found, Step):
        found = resume(pausing, results[type(found)])
    return found
