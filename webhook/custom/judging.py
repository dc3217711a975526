"""What custom rules say of a request.  Pure: the compiled expressions are values like the rules' own functions."""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from webhook.custom.cost import BUDGET, Shape, Size, TooLargeError, afford, measured, price
from webhook.custom.library import (
    VARIABLES,
    BadExpressionError,
    EvaluationError,
    LibraryMissingError,
    Program,
    compiled,
)
from webhook.custom.reads import Path, filled, keys, reached
from webhook.model.abbreviation import LONGEST_SENTENCE, shortened
from webhook.model.custom_rule import CustomRule
from webhook.model.decision import Known, LabelsWanted, Unchecked
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, Request
from webhook.model.rule import Violation

OBJECT, BEFORE, REQUEST, NAMESPACE, PARAMS = VARIABLES
# What of a request is the same for the old object as for the new one.
NAMING = frozenset((name,) for name in ("namespace", "name", "kind", "resource", "subResource"))
# And what is known of one that nobody has made yet: it would create the object.
FORETOLD = NAMING | {("operation",), ("dryRun",)}
# Why a rule may be neither true nor false.
FAILURES = (BadExpressionError, EvaluationError, LibraryMissingError, TooLargeError)
# Why expressions cannot be asked of an object at all.
UNREADABLE = (*FAILURES, msgspec.MsgspecError, RecursionError, ValueError, TypeError)
NOTHING = Known()
# For one request, however many rules there are, and both of its objects: 0.2 to 1 s of one core.
ALL_TOGETHER = 2 * BUDGET
# etcd stores no larger object (--max-request-bytes, 1.5 MiB), so one that is larger is refused later in any case.
LARGEST_OBJECT = 3 << 19
# Commas in its JSON. While an object is made into values nothing else runs: 50 ms for so many lists, however short they are.
MOST_VALUES = 50_000
REMEDY = "whoever wrote the rule can ask by has() or .? and orValue() for what an object may lack"


class Purse:
    """What the rules may look at for one request, together."""

    def __init__(self) -> None:
        self._left = ALL_TOGETHER

    def pay(self, shape: Shape, size: Size, params: Mapping[str, Any] | None) -> None:
        """Take the price of one run; raises TooLargeError where that is too much for one, or for what is left."""
        cost = afford(shape, size, params)
        if cost > self._left:
            raise TooLargeError("all rules together would take too long over an object of this size")
        self._left -= cost


class Seen(NamedTuple):
    """What expressions may read of one request, but for their own params, and the size of each."""

    values: Mapping[str, Any]
    sizes: Mapping[str, Size]
    purse: "Purse"

    @property
    def before(self) -> "Seen":
        """The same with the old object in the object's place."""
        return Seen(
            {**self.values, OBJECT: self.values[BEFORE]}, {**self.sizes, OBJECT: self.sizes[BEFORE]}, self.purse
        )

    def of(self, namespace: Any) -> "Seen":
        """The same with what is known of the namespace, and with a purse of its own."""
        values, sizes = {**self.values, NAMESPACE: namespace}, {**self.sizes, NAMESPACE: measured(namespace)}
        return Seen(values, sizes, Purse())

    def size(self, names: Iterable[str]) -> Size:
        """The size of some of them together."""
        return reduce(or_, (self.sizes[name] for name in names if name in self.sizes), Size(0, 0))


def judge_custom(request: Request, policy: GuardPolicy, known: Known) -> tuple[Violation, ...] | LabelsWanted:
    """The faults that a request brings under the custom rules that are about it, or what they have to be told first.

    An error counts as a fault, so that it does what the rule's mode says: no rule is passed over in silence.
    """
    rules = list(asked(request, policy))
    if not rules:
        return ()
    space = request.target.namespace
    if space and known.namespace is None and any(NAMESPACE in fields_read(rule) for rule in rules):
        return LabelsWanted(space)
    return known.once("custom", lambda: custom_faults(rules, request, known))


def custom_faults(rules: Iterable[CustomRule], request: Request, known: Known) -> tuple[Violation, ...]:
    """The faults under the rules that can be asked here."""
    found = faults_of([rule for rule in rules if not unknown(rule, request, known)], request, known)
    return tuple(one for rule, one in found if not unfilled(rule, request))


def faults_of(rules: Iterable[CustomRule], request: Request, known: Known) -> Iterator[tuple[CustomRule, Violation]]:
    """The faults of an object, each with its rule."""
    rules = list(rules)
    if not rules:
        return
    try:
        seen = known.once("seen", lambda: content_of(request))
        seen = seen.of(known.namespace.content if known.namespace else None)
    except UNREADABLE as bad:
        yield from ((rule, failed(rule, bad)) for rule in rules)
        return
    yield from ((rule, found) for rule in rules for found in judged(rule, request, seen))


def price_of_all(request: Request, policy: GuardPolicy, known: Known = NOTHING) -> int:
    """How many bytes all custom rules together may look at to judge a request's object, each within its own budget."""
    rules = list(asked(request, policy))
    if not rules:
        return 0
    try:
        size = known.once("seen", lambda: content_of(request)).sizes[OBJECT]
        prices = [price(compiled(rule.cel).shape, size, rule.params) for rule in rules]
    except UNREADABLE:
        return 0  # they are not run
    return sum(one for one in prices if one <= BUDGET)


def unchecked(request: Request, policy: GuardPolicy, known: Known) -> tuple[Unchecked, ...]:
    """The rules that were not asked, as they read what nobody here can tell, and those whose answer may be another then."""
    rules = list(asked(request, policy))
    left_out = {rule.id: why for rule in rules if (why := unknown(rule, request, known))}
    unsure = [rule for rule in rules if rule.id not in left_out and unfilled(rule, request)]
    left_out |= {rule.id: unfilled(rule, request) for rule, _ in faults_of(unsure, request, known)}
    return tuple(Unchecked(rule, why) for rule, why in left_out.items())


def asked(request: Request, policy: GuardPolicy) -> Iterator[CustomRule]:
    """The custom rules about a request's object that are not off everywhere."""
    if not policy.custom or request.document is None or request.target.subresource:
        return
    for rule in policy.custom:
        if rule.applies(request.target.group, request.target.resource) and policy.holds(rule.id):
            yield rule


def unknown(rule: CustomRule, request: Request, known: Known) -> str:
    """Why a rule cannot be asked here, by what it reads; empty where it can."""
    read = fields_read(rule)
    if known.namespace is not None and known.namespace.content is None and NAMESPACE in read:
        return "it reads the namespace, and there is no cluster to ask"
    if request.document is None or not request.document.is_preview:
        return ""
    named = sorted(".".join((REQUEST, *path[:1])) for path in read.get(REQUEST, ()) if path[:1] not in FORETOLD)
    return f"it reads {named[0]}, and nobody has asked yet" if named else ""


def unfilled(rule: CustomRule, request: Request) -> str:
    """Why a fault of a manifest may be none, by what a rule reads; empty where it is one."""
    if request.document is None or not request.document.is_offline:
        return ""
    missing = sorted(filled(rule.cel).difference(keys(request.document.content)))
    return f"it reads {missing[0]}, which the API server fills in" if missing else ""


def fields_read(rule: CustomRule) -> Mapping[str, frozenset[Path]]:
    """The variables that a rule names and what it reads of each; one that cannot be compiled names none."""
    try:
        return compiled(rule.cel).reads
    except (BadExpressionError, LibraryMissingError):
        return {}


def content_of(request: Request) -> Seen:
    """What expressions may read of a request itself.  Raises TooLargeError, and what `plain` raises."""
    assert request.document is not None
    values = {
        OBJECT: plain(request.document.content),
        BEFORE: plain(request.document.before),
        REQUEST: attributes(request, request.document.user_uid),
    }
    return Seen(values, {name: measured(value) for name, value in values.items()}, Purse())


def attributes(request: Request, user_uid: str) -> Mapping[str, Any]:
    """What expressions may read of the request itself, without what is empty (k8s.io/api, admission/v1, AdmissionRequest)."""
    target = request.target
    user = {"username": request.user.name, "uid": user_uid, "groups": list(request.user.groups)}
    named = {"subResource": target.subresource, "name": target.name, "namespace": target.namespace}
    return {
        "uid": request.uid,
        "kind": {"group": target.group, "version": target.version, "kind": target.kind},
        "resource": {"group": target.group, "version": target.version, "resource": target.resource},
        **{key: value for key, value in named.items() if value},
        "operation": str(request.operation),
        "userInfo": {key: value for key, value in user.items() if value},
        "dryRun": request.dry_run,
    }


def plain(source: Any) -> Any:
    """An object as dicts and lists; one read from YAML as JSON would have it.  Raises what msgspec raises."""
    if isinstance(source, msgspec.Raw):
        if len(bytes(source)) > LARGEST_OBJECT:
            raise TooLargeError(f"the object has {len(bytes(source))} bytes, and {LARGEST_OBJECT} are the most")
        if (values := bytes(source).count(b",")) > MOST_VALUES:
            raise TooLargeError(f"the object has some {values} values, and {MOST_VALUES} are the most")
        return msgspec.json.decode(source)
    measured(source)  # before it is copied, as aliases make a short file of much
    return msgspec.to_builtins(source, str_keys=True)


def judged(rule: CustomRule, request: Request, seen: Seen) -> Iterator[Violation]:
    """The fault that a request brings under one rule, if it does.

    As with the built-in rules, a change answers for what was not wrong before, unless it makes new Pods, or the rule is
    about the change.  An error says nothing of what was before, so it counts; where nothing that the rule reads has
    changed, it is told and refuses nothing.
    """
    new = request.operation is Operation.CREATE or request.template_changed or is_about_change(rule)
    try:
        if passes(rule, seen):
            return
    except FAILURES as bad:
        found = failed(rule, bad)
        yield found if new or touched(rule, seen) else replace(found, at_most=Mode.WARN)
        return
    if new or not was_false(rule, seen):
        yield Violation(rule=rule.id, path="", message=shortened(rule.says, LONGEST_SENTENCE))


def is_about_change(rule: CustomRule) -> bool:
    """Whether a rule reads what has no meaning for the old object alone: that object itself, or who changes what how."""
    read = fields_read(rule)
    return BEFORE in read or any(path[:1] not in NAMING for path in read.get(REQUEST, ()))


def touched(rule: CustomRule, seen: Seen) -> bool:
    """Whether anything differs that a rule reads of the object."""
    old, new = seen.values[BEFORE], seen.values[OBJECT]
    encode = msgspec.json.encode  # true is not 1 there
    paths = fields_read(rule).get(OBJECT, ())
    try:
        seen.purse.pay(Shape(loops=(), makes=2 * len(paths)), seen.sizes[OBJECT] | seen.sizes[BEFORE], None)
    except TooLargeError:
        return True
    return any(encode(reached(old, path)) != encode(reached(new, path)) for path in paths)


def was_false(rule: CustomRule, seen: Seen) -> bool:
    """Whether a rule is false of the old object."""
    try:
        return not passes(rule, seen.before)
    except FAILURES:
        return False


def passes(rule: CustomRule, seen: Seen) -> bool:
    """Whether a rule is true of an object; raises what FAILURES has."""
    program: Program = compiled(rule.cel)
    seen.purse.pay(program.shape, seen.size(program.reads), rule.params)
    return program.run({**seen.values, PARAMS: rule.params})


def failed(rule: CustomRule, bad: Exception) -> Violation:
    """The fault of an object of which a rule cannot tell whether it is fine."""
    return Violation(rule=rule.id, path="", message=f"the rule's expression fails: {shortened(str(bad))}; {REMEDY}")
