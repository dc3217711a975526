"""Rules, their findings and violations."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, auto
from hashlib import sha256
from importlib import import_module
from itertools import islice
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.model.abbreviation import LONGEST_SENTENCE, shortened
from webhook.model.fields import RULE_ID
from webhook.model.labels import LABEL_NAME
from webhook.model.modes import Mode, Override
from webhook.model.policy import GuardPolicy
from webhook.model.workload import Workload

# For one rule in one object: each takes a few microseconds, so all take about 20 ms.
MAX_FINDINGS: Final = 5_000
# The identity of a violation for unchecked parts; it never equals a violation of the old object.
NOT_EVALUATED: Final = "unjudged"
# Reported instead of a rule id if Kubernetes itself would refuse.
API_SERVER: Final = "api-server"
# Fields of custom resources, and a label's key.
MAX_PATH_LENGTH: Final = 500


class Remedy(Struct, frozen=True):
    """The label that would fix a violation.

    `value` is the only or the closest choice and can be pasted. If it is None, the user has to
    choose, from `choices` if the policy has a closed list.
    """

    place: str
    label: str
    value: str | None = None
    choices: tuple[str, ...] = ()


class Violation(Struct, frozen=True):
    """A violation: the rule, the field path, a message, and the label that would fix it.

    `at_most` is the strictest effective mode, whatever the mode of the rule. `identity` distinguishes violations with the same
    abbreviated message. `parts` are its components if the message does not distinguish violations: an UPDATE
    adds a violation if one of its parts is new. `count` is the number of violations that it represents.
    """

    rule: str
    path: str
    message: str
    remedy: Remedy | None = None
    at_most: Mode = Mode.ENFORCE
    identity: str = ""
    count: int = 1
    parts: tuple[str, ...] = ()

    @property
    def identities(self) -> tuple[tuple[str, str, str], ...]:
        """Return the keys by which a violation equals one of the old object at any path: the rule with each part, or with the message."""
        if self.parts:
            return tuple((self.rule, part, "") for part in self.parts)
        return ((self.rule, self.message, self.identity),)


class RuleFinding(Struct, frozen=True):
    """A finding of a rule; with the rule's id it becomes a `Violation`.

    `identity` has the information that an abbreviated message leaves out.
    """

    path: str
    message: str
    remedy: Remedy | None = None
    identity: str = ""
    parts: tuple[str, ...] = ()


class RefusedLabel(Struct, frozen=True):
    """A label that the API server refuses, of the object or of its Pods.

    `always_named` is False if a violation of a rule for the same label is enough.
    """

    violation: Violation
    always_named: bool = False


class FixConstraint(Enum):
    """A constraint of a rule on the labels that fix other violations."""

    AGREEMENT = auto()  # an object and its Pods have one application and one role
    CLAIM = auto()  # a claimed role is only for its claimants


class Rule(Struct, frozen=True):
    """One check under a stable id.

    `check` is pure; it yields the findings about a subject of the type `about` under a policy. `since` is the release that introduced
    the rule. `at_most` is its strictest mode if the policy file does not name the rule. A `managed_only` rule applies only in
    managed namespaces. `in_cel` yields CEL expressions for the API server (webhook.model.cel), which are all
    true if `check` finds nothing; it yields none if the policy has no requirement. `constrains` is the constraint on printed fixes for
    this rule. `settings` is the part of the policy file that only this rule uses.
    """

    id: str
    since: str
    check: Callable[[Any, GuardPolicy], Iterator[RuleFinding]]
    about: type = Workload
    at_most: Mode = Mode.ENFORCE
    managed_only: bool = False
    in_cel: Callable[[GuardPolicy], Iterator[str]] | None = None
    constrains: FixConstraint | None = None
    settings: str = ""

    @property
    def title(self) -> str:
        """Return the first line of the rule's module, which is its requirement in one sentence."""
        return (import_module(self.check.__module__).__doc__ or "").partition("\n")[0]

    def mode(self, policy: GuardPolicy, override: Override | None = None) -> Mode:
        """Return the mode of the rule; `override` is the override for the namespace."""
        return policy.mode_of(self.id, at_most=self.at_most, override=override)

    def judge(self, subject: Any, policy: GuardPolicy) -> tuple[Violation, ...]:
        """Return the violations of this rule by `subject`, which must be of the type `about`.

        After MAX_FINDINGS, one violation with the identity NOT_EVALUATED replaces the rest, which are not counted.
        """
        faults = self.check(subject, policy)
        found = tuple([to_violation(self.id, fault) for fault in islice(faults, MAX_FINDINGS)])
        if len(found) < MAX_FINDINGS or next(faults, None) is None:
            return found
        message = f"the object has more than {MAX_FINDINGS} violations of this rule; fix these first"
        return (*found, Violation(rule=self.id, path="", message=message, identity=NOT_EVALUATED))


def to_violation(rule: str, fault: RuleFinding) -> Violation:
    """Return a finding as a violation of a rule, with a shortened path and message."""
    path, message = shortened(fault.path, MAX_PATH_LENGTH), shortened(fault.message, LONGEST_SENTENCE)
    identity = fault.identity
    if message != fault.message:
        identity = sha256(f"{identity} {fault.message}".encode(errors="surrogatepass")).hexdigest()
    remedy = fault.remedy
    if remedy is not None and remedy.value and not LABEL_NAME.fullmatch(remedy.value):
        remedy = replace(
            remedy, value=None
        )  # for example an alias in a custom resource, which the API server does not validate
    return Violation(rule=rule, path=path, message=message, remedy=remedy, identity=identity, parts=fault.parts)


def rules_by_id(rules: Iterable[Rule]) -> Mapping[str, Rule]:
    """Return the rules by id, in the order of ids, so that messages are deterministic.

    Raises ValueError for an id that is taken or is not lower-case words joined by hyphens.
    """
    found: dict[str, Rule] = {}
    for rule in sorted(rules, key=lambda rule: rule.id):
        if not RULE_ID.fullmatch(rule.id):
            raise ValueError(f"rule id {rule.id!r} is not lower-case words joined by hyphens")
        if rule.id in found:
            raise ValueError(f"two rules claim the id {rule.id!r}")
        found[rule.id] = rule
    return found
