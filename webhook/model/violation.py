"""A rule, and what it has to say about a workload."""

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

# Of one rule in one object: each takes some microseconds, so all together take some 20 ms.
MOST_FAULTS: Final = 5_000
# The identity of a fault that stands for what was not looked at; such a one is never the same as before.
UNJUDGED: Final = "unjudged"
# In place of a rule's id, where not catflap but Kubernetes itself would refuse.
API_SERVER: Final = "api-server"
# Fields of custom resources, and a label's key.
LONGEST_PATH: Final = 500


class Remedy(Struct, frozen=True):
    """The label that would mend a fault.

    `value` may be pasted as it stands where it is the only or the nearest choice; where it is None, a person has to
    choose, from `choices` where the policy closes them.
    """

    place: str
    label: str
    value: str | None = None
    choices: tuple[str, ...] = ()


class Violation(Struct, frozen=True):
    """One fault: which rule, at which field path, in one sentence, and what would mend it.

    `at_most` is the strictest mode in which it counts, whatever its rule's. `identity` tells it from another one of the same words,
    where these are abbreviated. `parts` are what it consists of, where the message does not tell two of them apart: an UPDATE
    answers for a violation of which a part is new. One may stand for several that are not listed, `count` of them.
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
        """What the same violation has before and after a change, on whichever line it is: its rule with each part, or with its words."""
        if self.parts:
            return tuple((self.rule, part, "") for part in self.parts)
        return ((self.rule, self.message, self.identity),)


class Fault(Struct, frozen=True):
    """What a rule yields; the registry adds the rule's id to make it a `Violation`.

    `identity` is what a message that leaves something out does not say.
    """

    path: str
    message: str
    remedy: Remedy | None = None
    identity: str = ""
    parts: tuple[str, ...] = ()


class RefusedLabel(Struct, frozen=True):
    """A label that the API server refuses, of the object or of its Pods.

    `always_named` is False where a fault of a rule about the same label says enough.
    """

    violation: Violation
    always_named: bool = False


class FixConstraint(Enum):
    """What a rule asks of the labels that mend another fault."""

    AGREEMENT = auto()  # an object and its Pods have one application and one role
    CLAIM = auto()  # a claimed role is for those who claim it


class Rule(Struct, frozen=True):
    """One check under a stable id.

    `check` is pure; it yields each fault of what the rule is `about` under a policy. `since` is the release that brought
    the rule; `at_most` is how strict it is where the file names it not; one that is `guarded_only` says nothing of
    namespaces that stay open. `in_cel` says the same as `check` in expressions for the API server (webhook.model.cel), all of
    which are true where there is no fault; none where the policy asks for nothing. `constrains` is what a printed fix has to keep for
    this rule, and `settings` is the part of the policy file by which this rule alone judges.
    """

    id: str
    since: str
    check: Callable[[Any, GuardPolicy], Iterator[Fault]]
    about: type = Workload
    at_most: Mode = Mode.ENFORCE
    guarded_only: bool = False
    in_cel: Callable[[GuardPolicy], Iterator[str]] | None = None
    constrains: FixConstraint | None = None
    settings: str = ""

    @property
    def title(self) -> str:
        """The first line of the rule's own module: what it asks for, in one sentence."""
        return (import_module(self.check.__module__).__doc__ or "").partition("\n")[0]

    def mode(self, policy: GuardPolicy, override: Override | None = None) -> Mode:
        """In which mode the rule holds; `override` is what the file says of the namespace alone."""
        return policy.mode_of(self.id, at_most=self.at_most, override=override)

    def judge(self, subject: Any, policy: GuardPolicy) -> tuple[Violation, ...]:
        """Every fault of this rule in `subject`, which must be what the rule is about.

        Of more than MOST_FAULTS the first ones, and one whose identity is UNJUDGED for the rest, which nobody counts.
        """
        faults = self.check(subject, policy)
        found = tuple([violation(self.id, fault) for fault in islice(faults, MOST_FAULTS)])
        if len(found) < MOST_FAULTS or next(faults, None) is None:
            return found
        message = f"it has more than {MOST_FAULTS} faults of this rule; mend these first"
        return (*found, Violation(rule=self.id, path="", message=message, identity=UNJUDGED))


def violation(rule: str, fault: Fault) -> Violation:
    """A fault under a rule's id, in words of moderate length."""
    path, message = shortened(fault.path, LONGEST_PATH), shortened(fault.message, LONGEST_SENTENCE)
    identity = fault.identity
    if message != fault.message:
        identity = sha256(f"{identity} {fault.message}".encode(errors="surrogatepass")).hexdigest()
    remedy = fault.remedy
    if remedy is not None and remedy.value and not LABEL_NAME.fullmatch(remedy.value):
        remedy = replace(remedy, value=None)  # such as an alias of a custom resource, which no API server has looked at
    return Violation(rule=rule, path=path, message=message, remedy=remedy, identity=identity, parts=fault.parts)


def registry(rules: Iterable[Rule]) -> Mapping[str, Rule]:
    """The rules by id, in the order of their ids, so that one object gets one message, always.

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
