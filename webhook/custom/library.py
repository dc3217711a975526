"""The door to the CEL library: an expression's text to a program, and a program's run to true, false or an error.

The library is an extra, so it is imported where it is first needed.  It is Google's cel-cpp, which gives errors back as
values that Python takes for true: only a value of type bool is an answer here.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, Final

from msgspec import Struct

from webhook.custom.cost import Shape, shape_of
from webhook.custom.functions import FUNCTIONS, MISSING, patterns
from webhook.custom.functions.function import Function, Kind
from webhook.custom.leak import is_leaky, mended, watched

VARIABLES: Final = ("object", "oldObject", "request", "namespaceObject", "params")
REMEDY: Final = "pip install catflap[cel]"
# `ERROR: <input>:1:16: what is wrong`, then the source with a mark under the place.
COMPLAINT: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
UNKNOWN: Final = re.compile(r"undeclared reference to '([^']+)'(?: \(in container ''\))?")
PATTERN: Final = re.compile(
    r"""\.(?P<name>matches|find|findAll)\(\s*(?P<raw>r?)(?P<quote>['"])(?P<pattern>.*?)(?P=quote)\s*[,)]"""
)
STATUS: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
KEPT_PROGRAMS: Final = 1_000  # of several versions of a policy file


class LibraryMissingError(Exception):
    """The extra is not installed."""


class BadExpressionError(Exception):
    """An expression that cannot be a rule; carries every complaint."""

    def __init__(self, complaints: Iterable[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("; ".join(self.complaints))


class EvaluationError(Exception):
    """An expression that is neither true nor false of an object; the message says why."""


class Program(Struct, frozen=True):
    """An expression, ready to run; `reads` are the variables that it names."""

    run: Callable[[Mapping[str, Any]], bool]
    reads: frozenset[str]
    shape: Shape


@lru_cache(maxsize=KEPT_PROGRAMS)
def compiled(expression: str) -> Program:
    """The program of an expression, made once.  Raises BadExpressionError, LibraryMissingError."""
    library = load()
    try:
        found = environment().compile(expression)
    except (RuntimeError, ValueError) as bad:
        raise BadExpressionError(complaints(str(bad))) from None
    if found.return_type() != library.Type.BOOL:
        kind = found.return_type().name().lower()
        raise BadExpressionError([f"it gives {kind}, not bool; compare it with something, such as == true"])
    if wrong := list(bad_patterns(expression)):
        raise BadExpressionError(wrong)
    reads = frozenset(name for name in VARIABLES if needs(expression, name))

    def run(variables: Mapping[str, Any]) -> bool:
        """Whether the expression is true; raises EvaluationError."""
        with mended(leaks=leaky()):
            try:
                value = found.eval(data={name: variables.get(name) for name in VARIABLES})
            except RuntimeError as bad:
                raise EvaluationError(reason(str(bad))) from None
            if value.type() != library.Type.BOOL:
                raise EvaluationError(reason(str(value.value())))
            passed = value.value() is True
            del value  # with it goes what the library holds of the run
        return passed

    return Program(run=run, reads=reads, shape=shape_of(expression))


def bad_patterns(expression: str) -> Iterator[str]:
    """What is wrong with the patterns that are written out; one with escapes is told when it is first met."""
    for found in PATTERN.finditer(expression):
        if found["raw"] or "\\" not in found["pattern"]:
            try:
                patterns.compiled(found["pattern"])
            except ValueError as bad:
                yield f"{found['name']}: {bad}"


def needs(expression: str, variable: str) -> bool:
    """Whether an expression names a variable: whether it means nothing without it."""
    if variable not in expression:
        return False
    try:
        environment(variable).compile(expression)
    except (RuntimeError, ValueError):
        return True
    return False


@cache
def load() -> Any:
    """The library; raises LibraryMissingError."""
    try:
        import re2  # noqa: F401, PLC0415 (both are one extra)
        from cel_expr_python import cel  # noqa: PLC0415
    except ImportError as bad:
        raise LibraryMissingError(f"rules in CEL need a library that is not installed ({bad.name}): {REMEDY}") from None
    return cel


@cache
def leaky() -> bool:
    """Whether the library forgets what it passes to Python functions."""
    return is_leaky(load())


@cache
def environment(without: str = "") -> Any:
    """The variables and functions that expressions may name; all but one, for a look at what they do name."""
    from cel_expr_python.ext import ext_optional  # noqa: PLC0415

    library = load()
    types = {
        Kind.STRING: library.Type.STRING,
        Kind.STRINGS: library.Type.List(library.Type.STRING),
        Kind.INT: library.Type.INT,
        Kind.DOUBLE: library.Type.DOUBLE,
        Kind.BOOL: library.Type.BOOL,
        Kind.LIST: library.Type.List(library.Type.DYN),
        Kind.VALUE: library.Type.Map(library.Type.STRING, library.Type.STRING),
        Kind.DYN: library.Type.DYN,
    }

    def overload(number: int, one: Function) -> Any:
        return library.Overload(
            f"{one.name}_{number}",
            return_type=types[one.result],
            parameters=[types[kind] for kind in one.parameters],
            is_member=one.is_member,
            impl=watched(told(one.call)),
        )

    by_name = groupby(sorted(FUNCTIONS, key=lambda one: one.name), key=lambda one: one.name)
    declared = [
        library.FunctionDecl(name, [overload(number, one) for number, one in enumerate(overloads)])
        for name, overloads in by_name
    ]
    variables = {name: library.Type.DYN for name in VARIABLES if name != without}
    return library.NewEnv(variables=variables, extensions=[ext_optional.ExtOptional()], functions=declared)


def told(call: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose every fault is a ValueError, which the library hands on with its words."""

    def guarded(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except ValueError:
            raise
        except Exception as bad:  # noqa: BLE001 (the library has no words for others)
            raise ValueError(f"{type(bad).__name__}: {bad}") from None

    return guarded


def complaints(text: str) -> list[str]:
    """What is wrong with an expression, each with its place in it."""
    found = [
        f"line {line}, column {column} of the expression: {said(what)}" if int(line) > 0 else said(what)
        for line, column, what in dict.fromkeys(COMPLAINT.findall(text))
    ]
    return found or [reason(text)]


def said(what: str) -> str:
    """One complaint; of what Kubernetes has and we have not, that it is so."""
    name = UNKNOWN.match(what)
    if name and name[1] in MISSING:
        return f"{name[1]!r} is a function of Kubernetes that catflap does not have"
    return UNKNOWN.sub(r"nothing is called '\1' here", STATUS.sub("", what))


def reason(text: str) -> str:
    """An error of a run without the library's codes."""
    if "Iteration budget exceeded" in text:
        return "its loops take too many steps"
    return " ".join(STATUS.sub("", STATUS.sub("", text)).split())
