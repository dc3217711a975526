"""The decision on one request, and the questions that it needs answered first."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from msgspec import Struct

from webhook.model.reason import Reason
from webhook.model.reason import Verdict as Verdict  # noqa: PLC0414 (who imports Decision asks for its verdict)
from webhook.model.request import User
from webhook.model.rule import Remedy, Violation
from webhook.model.workload import LabelLocation, Owner, Workload

Found = TypeVar("Found")


class Phase(StrEnum):
    """The two phases of admission; each is also the path that serves it."""

    VALIDATE = "validate"
    MUTATE = "mutate"


class Closure(StrEnum):
    """The state of a namespace's default-deny policy.

    `written`: the policy was missing and is now written. `unwritten`: the policy is missing and a dry run may not write
    it. `staged`: the policy file enforces nothing yet. `unchecked`: there is no cluster to ask.
    """

    PROVEN = "proven"
    WRITTEN = "written"
    UNWRITTEN = "unwritten"
    STAGED = "staged"
    UNGUARDED = "unguarded"
    UNCHECKED = "unchecked"


class Unchecked(Struct, frozen=True, order=True):
    """A custom rule that was not evaluated, with the reason in words."""

    rule: str
    why: str


class Decision(Struct, frozen=True):
    """The answer to one request.

    `why` is the reason, whose code determines the verdict. `denied` has the violations that refuse the request,
    `warned` those in warnings to the user, and `audited` those that only the audit record has. `notices` also go to the
    user, though nothing is wrong. `closure` is the state of the namespace where a Pod would be stored. `labels` are the
    labels to write at `labels_path` in the mutating phase. `unchecked` are the custom rules that read what is unknown
    here. `fix` has the labels that the message offers to repair the object, and `fix_notes` has the message's further
    remarks.
    """

    why: Reason
    denied: tuple[Violation, ...] = ()
    warned: tuple[Violation, ...] = ()
    audited: tuple[Violation, ...] = ()
    message: str = ""
    closure: Closure | None = None
    labels: Mapping[str, str] = {}
    notices: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    fix: tuple[Remedy, ...] = ()
    fix_notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Return the verdict; each reason code has exactly one."""
        verdict = self.why.code.kind
        assert isinstance(verdict, Verdict)
        return verdict

    @property
    def reason(self) -> str:
        """Return the reason in words, or an empty string if the code and the violations say everything."""
        return self.why.words

    @property
    def allowed(self) -> bool:
        """Return whether the verdict admits the request."""
        return self.verdict not in {Verdict.DENIED, Verdict.UNAVAILABLE}


class OwnerWanted(Struct, frozen=True):
    """The decision depends on which owners above an object, from this one up, are older than catflap."""

    namespace: str
    owner: Owner


class OldOwner(Struct, frozen=True):
    """A stored owner that is older than catflap, with the Pods that it requests.

    `workload` is the owner itself. `made` are the labels that it writes to the objects that it creates other than Pods.
    `template` is its Pod template, for rules that read all of it.
    """

    workload: Workload
    template: Mapping[str, Any]
    made: LabelLocation = LabelLocation("metadata", {})


class ClosureWanted(Struct, frozen=True):
    """The decision depends on whether this namespace is closed, or need not be; `dry_run` must not close it."""

    namespace: str
    dry_run: bool


class GuardWanted(Struct, frozen=True):
    """The decision depends on whether catflap guards this namespace."""

    namespace: str


class LabelsWanted(Struct, frozen=True):
    """The decision depends on this namespace's labels, or on a rule that reads more of it; one request gets both."""

    namespace: str


class FaultsWanted(Struct, frozen=True):
    """The decision depends on the faults of this policy file text."""

    text: str


class NamespaceSeen(Struct, frozen=True):
    """A namespace as custom rules read it; `content` is None if there is no cluster to ask."""

    content: Mapping[str, Any] | None


class ForesightWanted(Struct, frozen=True):
    """The answer is to say what this valid policy file text would change in the cluster.

    `user` is the user who reads the answer.
    """

    text: str
    user: User


# Questions that only the cluster can answer.
ClusterQuestion = OwnerWanted | ClosureWanted | GuardWanted | LabelsWanted | ForesightWanted
# Questions that the request itself does not answer: answer one, then decide again.
Question = ClusterQuestion | FaultsWanted


class Findings:
    """Results that depend on one request's content alone, so that repeated decisions compute them only once.

    Not safe between threads: one thread at a time decides a request.
    """

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def once(self, what: str, find: Callable[[], Found]) -> Found:
        """Return the result of `find`, which is called only the first time; its errors pass through."""
        if what not in self._found:
            self._found[what] = find()
        found: Found = self._found[what]
        return found


class Known(Struct, frozen=True):
    """The answers so far; None means that a question was not asked.

    `findings` keeps the results of rules if the same request is decided several times. `old_owners` are the owners
    above an object, or the object itself, that are older than catflap. It is empty if the topmost owner is younger.
    `warnings` are about the policy file of which `faults` has the faults. A lookup in the cluster returns neither.
    """

    old_owners: tuple[OldOwner, ...] | None = None
    closure: Closure | None = None
    guarded: bool | None = None
    namespace_labels: Mapping[str, str] | None = None
    faults: tuple[Violation, ...] | None = None
    warnings: tuple[str, ...] = ()
    foreseen: tuple[str, ...] | None = None
    namespace: NamespaceSeen | None = None
    findings: Findings | None = None

    def once(self, what: str, find: Callable[[], Found]) -> Found:
        """Return the result of `find`, which is called once for each request if `findings` is set."""
        return self.findings.once(what, find) if self.findings else find()
