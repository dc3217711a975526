"""The decision on one request."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from webhook.model.reason import Reason, ReasonCode
from webhook.model.reason import Verdict as Verdict  # noqa: PLC0414 (who imports Decision asks for its verdict)
from webhook.model.rule import Remedy, Violation
from webhook.model.steps import IsolationStatus


class Phase(StrEnum):
    """The two phases of admission; each is also the path that serves it."""

    VALIDATE = "validate"
    MUTATE = "mutate"


class Unchecked(Struct, frozen=True, order=True):
    """A custom rule that was not evaluated, with the reason in words."""

    rule: str
    why: str


class Decision(Struct, frozen=True):
    """The answer to one request.

    `why` is the reason, whose code determines the verdict. `denied` has the violations that refuse the request,
    `warned` those in warnings to the user, and `audited` those that only the audit record has. `notices` also go to the
    user, though nothing is wrong. `isolation` is the state of the namespace where a Pod would be stored. `labels` are the
    labels to write at `labels_path` in the mutating phase. `unchecked` are the custom rules that read what is unknown
    here. `fix` has the labels that the message offers to repair the object, and `fix_notes` has the message's further
    remarks.
    """

    why: Reason
    denied: tuple[Violation, ...] = ()
    warned: tuple[Violation, ...] = ()
    audited: tuple[Violation, ...] = ()
    message: str = ""
    isolation: IsolationStatus | None = None
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


def admitted(warned: tuple[Violation, ...] = (), audited: tuple[Violation, ...] = ()) -> Decision:
    """Return the admission of a request without an enforced violation and without an exception."""
    code = ReasonCode.VIOLATION_NOT_ENFORCED if warned or audited else ReasonCode.NO_VIOLATION
    return Decision(Reason(code), warned=warned, audited=audited)


def not_read(protection: str, path: str, why: str) -> Decision:
    """Return the refusal of an object that is protected in every mode and too large to be read.

    `why` says in words why it is not read.
    """
    return Decision(Reason(ReasonCode.PROTECTED_OBJECT_NOT_READ), denied=(Violation(protection, path, why),))
