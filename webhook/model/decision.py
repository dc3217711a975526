"""What is answered, and why."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from msgspec import Struct

from webhook.model.request import User
from webhook.model.rule import Remedy, Violation
from webhook.model.workload import LabelLocation, Owner, Workload

Found = TypeVar("Found")


class Phase(StrEnum):
    """The two phases of admission, by the path that each is served under."""

    VALIDATE = "validate"
    MUTATE = "mutate"


class Verdict(StrEnum):
    """The closed set of answers; also the values of a metric's label.

    `unavailable` refuses because we could not find out, not because the object is bad: the same request may pass later.
    """

    ALLOWED = "allowed"
    EXEMPT = "exempt"
    UNJUDGED = "unjudged"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"


class Closure(StrEnum):
    """What is known of a namespace's default-deny policy.

    `written` says that it was not there and is now; `unwritten` that it is not there and a dry run may not write it;
    `staged` that the policy file wants nothing enforced yet; `unchecked` that there is no cluster to ask.
    """

    PROVEN = "proven"
    WRITTEN = "written"
    UNWRITTEN = "unwritten"
    STAGED = "staged"
    UNGUARDED = "unguarded"
    UNCHECKED = "unchecked"


class Unchecked(Struct, frozen=True, order=True):
    """A custom rule that was not asked, and why not, in words."""

    rule: str
    why: str


class Decision(Struct, frozen=True):
    """The answer to one request.

    `denied` holds the faults that refuse, `warned` those the user is told of, `audited` those that only the record
    shows. `reason` says in words why a request passed unjudged or exempt, or why nothing could be found out; `notices`
    are for the user as well, though nothing is wrong.
    `closure` says what is known of the namespace where a Pod would be stored; `labels` are those to be written at `labels_path` in the mutating phase. `unchecked` are the custom
    rules that read what nobody here can tell. `fix` has the labels of which the message says that they mend the object, `fix_notes` what else it says.
    """

    verdict: Verdict
    denied: tuple[Violation, ...] = ()
    warned: tuple[Violation, ...] = ()
    audited: tuple[Violation, ...] = ()
    reason: str = ""
    message: str = ""
    closure: Closure | None = None
    labels: Mapping[str, str] = {}
    notices: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    fix: tuple[Remedy, ...] = ()
    fix_notes: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.verdict not in {Verdict.DENIED, Verdict.UNAVAILABLE}


class OwnerWanted(Struct, frozen=True):
    """The decision hangs on which of the owners above an object, from this one up, are older than catflap."""

    namespace: str
    owner: Owner


class OldOwner(Struct, frozen=True):
    """An owner that is older than catflap, as it is stored: what Pods it asks for.

    `workload` is the owner itself; `made` are the labels that it writes onto what it makes besides Pods, and `template`
    is its pod template, for rules that read all of it.
    """

    workload: Workload
    template: Mapping[str, Any]
    made: LabelLocation = LabelLocation("metadata", {})


class ClosureWanted(Struct, frozen=True):
    """The decision hangs on whether this namespace is closed, or need not be; `dry_run` must not close it."""

    namespace: str
    dry_run: bool


class GuardWanted(Struct, frozen=True):
    """The decision hangs on whether this namespace is guarded at all."""

    namespace: str


class LabelsWanted(Struct, frozen=True):
    """The decision hangs on the labels of this namespace, or on a rule that reads more of it; one look tells both."""

    namespace: str


class FaultsWanted(Struct, frozen=True):
    """The decision hangs on what is wrong with this text of a policy file."""

    text: str


class NamespaceSeen(Struct, frozen=True):
    """A namespace as custom rules read it; `content` is None where there is no cluster to ask."""

    content: Mapping[str, Any] | None


class ForesightWanted(Struct, frozen=True):
    """The answer is to say what this text of a policy file, which is sound, would change of what stands.

    `user` is who reads it.
    """

    text: str
    user: User


# What only the cluster can tell.
ClusterQuestion = OwnerWanted | ClosureWanted | GuardWanted | LabelsWanted | ForesightWanted
# What the request itself does not tell: ask, then decide again with the answer.
Question = ClusterQuestion | FaultsWanted


class Findings:
    """What was found out about one request by its content alone, so that it is found out once, however often the decision begins.

    Not safe between threads: a request is decided by one at a time.
    """

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def once(self, what: str, find: Callable[[], Found]) -> Found:
        """What `find` gives, which is asked at the first time alone; its errors pass through."""
        if what not in self._found:
            self._found[what] = find()
        found: Found = self._found[what]
        return found


class Known(Struct, frozen=True):
    """The answers so far; None where the question was not asked.

    `findings` remembers what the rules said, where the same request is decided several times.

    `old_owners` are those above an object, or the object itself, that are older than catflap; none where the topmost one is younger.
    """

    old_owners: tuple[OldOwner, ...] | None = None
    closure: Closure | None = None
    guarded: bool | None = None
    namespace_labels: Mapping[str, str] | None = None
    faults: tuple[Violation, ...] | None = None
    foreseen: tuple[str, ...] | None = None
    namespace: NamespaceSeen | None = None
    findings: Findings | None = None

    def once(self, what: str, find: Callable[[], Found]) -> Found:
        """What `find` gives; asked once a request where that is remembered."""
        return self.findings.once(what, find) if self.findings else find()
