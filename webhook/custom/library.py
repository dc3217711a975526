"""The door to the CEL library: an expression's text to a program, and a program's run to true, false or an error.

The library is an extra, so it is imported where it is first needed.  It is Google's cel-cpp, which gives errors back as
values that Python takes for true: only a value of type bool is an answer here.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from msgspec import Struct

from webhook.custom.complaints import MACROS as CEL_MACROS
from webhook.custom.complaints import STANDARD, UNKNOWN, Complaint, causes, plainly
from webhook.custom.cost import OPAQUE, Shape, shape_of
from webhook.custom.functions import EXTENSIONS, GLOBALS, MACROS, MEMBERS, MISSING, ZONED
from webhook.custom.reads import Path, paths
from webhook.model.pattern import why_none

VARIABLES: Final = ("object", "oldObject", "request", "namespaceObject", "params")
FUNCTIONS: Final = (*CEL_MACROS, *STANDARD, *MEMBERS, *GLOBALS)
REMEDY: Final = "pip install catflap[cel]"
# `ERROR: <input>:1:16: what is wrong`, then the source with a mark under the place.
COMPLAINT: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
# What transformMap and transformMapEntry become; the library knows them and fails each run.
MAP_MACRO: Final = b"cel.@mapInsert"
# What the parser adds to its complaints where it built nothing.
GIVEN: Final = {"dyn": "a value of any type (dyn)"}
NO_TREE: Final = "<<nil>> parsetree"
MATCHES: Final = re.compile(r"\bmatches\s*\(\s*$")
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
    """An expression, ready to run; `reads` are the variables that it names, each with the fields that it may read."""

    run: Callable[[Mapping[str, Any]], bool]
    reads: Mapping[str, frozenset[Path]]
    shape: Shape


@lru_cache(maxsize=KEPT_PROGRAMS)
def compiled(expression: str) -> Program:
    """The program of an expression, made once.  Raises BadExpressionError, LibraryMissingError."""
    library = load()
    try:
        names().compile(expression)
        found = environment().compile(expression)
    except (RuntimeError, ValueError) as bad:
        raise BadExpressionError(complaints(str(bad), expression)) from None
    if MAP_MACRO in found.serialize():
        raise BadExpressionError([missing("transformMap")])
    if found.return_type() != library.Type.BOOL:
        kind = found.return_type().name().lower()
        raise BadExpressionError(
            [f"it gives {GIVEN.get(kind, kind)}, and not true or false; compare it with something, such as == true"]
        )
    if wrong := list(bad_patterns(expression)):
        raise BadExpressionError(wrong)
    reads = {name: paths(expression, name) for name in VARIABLES if needs(expression, name)}

    def run(variables: Mapping[str, Any]) -> bool:
        """Whether the expression is true; raises EvaluationError."""
        return truth(found, {name: variables.get(name) for name in VARIABLES})

    return Program(run=run, reads=reads, shape=shape_of(expression))


def truth(program: Any, variables: Mapping[str, Any]) -> bool:
    """Whether a program of the library is true of some variables; raises EvaluationError."""
    try:
        value = program.eval(data=variables)
    except RuntimeError as bad:
        raise EvaluationError(reason(str(bad))) from None
    if value.type() != load().Type.BOOL:
        raise EvaluationError(reason(str(value.value())))
    return value.value() is True


def bad_patterns(expression: str) -> Iterator[str]:
    """What is wrong with the patterns that are written out, by a run of each over nothing."""
    for pattern in written_patterns(expression):
        try:
            truth(environment().compile(f"''.matches({pattern})"), dict.fromkeys(VARIABLES))
        except EvaluationError as bad:
            is_none = NO_PATTERN in str(bad)
            yield f"matches: {pattern} is no regular expression: {why_none(str(bad))}" if is_none else f"matches: {bad}"


NO_PATTERN = "invalid regular expression"


def written_patterns(expression: str) -> Iterator[str]:
    """The patterns that are written out in an expression, as they stand there."""
    for found in OPAQUE.finditer(expression):
        if MATCHES.search(expression, 0, found.start()):
            yield found[0]


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
        from cel_expr_python import cel  # noqa: PLC0415 (an extra)
    except ImportError as bad:
        raise LibraryMissingError(f"rules in CEL need a library that is not installed ({bad.name}): {REMEDY}") from None
    return cel


@cache
def environment(without: str = "") -> Any:
    """The variables that expressions may name, all but one for a look at what they do name; and the library's functions."""
    return made(EXTENSIONS, [name for name in VARIABLES if name != without])


@cache
def names() -> Any:
    """The functions that expressions may call, by name and number of arguments; what they do stands in `environment`.

    The library takes an extension as a whole or not at all.
    """
    library = load()

    def declared(name: str, counts: Iterable[int], *, is_member: bool) -> Any:
        dyn = library.Type.DYN
        overloads = [
            library.Overload(f"{name}_{count}", return_type=dyn, parameters=[dyn] * count, is_member=is_member)
            for count in counts
        ]
        return library.FunctionDecl(name, overloads)

    members = [declared(name, counts, is_member=True) for name, counts in MEMBERS.items()]
    return made(MACROS, VARIABLES, [*members, *(declared(*one, is_member=False) for one in GLOBALS.items())])


def made(extensions: Iterable[str], variables: Iterable[str], functions: Iterable[Any] = ()) -> Any:
    """An environment of the library."""
    library = load()
    config = {
        "stdlib": {"exclude_functions": [{"name": name, "overloads": [{"id": one}]} for name, one in ZONED.items()]},
        "extensions": [{"name": name} for name in extensions],
    }
    wanted = library.NewEnvConfigFromYaml(json.dumps(config))
    return library.NewEnv(
        config=wanted, variables=dict.fromkeys(variables, library.Type.DYN), functions=list(functions)
    )


def complaints(text: str, expression: str) -> list[str]:
    """What is wrong with an expression, each with its place in it."""
    found = [
        Complaint(int(line), int(column), STATUS.sub("", what))
        for line, column, what in dict.fromkeys(COMPLAINT.findall(text))
        if NO_TREE not in what
    ]
    told = [
        f"{one.place}{said(one.what, FUNCTIONS if one.is_call(expression) else VARIABLES)}"
        for one in causes(found, expression)
    ]
    return told or [reason(text)]


def said(what: str, known: tuple[str, ...]) -> str:
    """One complaint; of what Kubernetes has and we have not, that it is so. `known` are the names that may be meant."""
    name = UNKNOWN.match(what)
    if name and name[1] in MISSING:
        return missing(name[1])
    if name and name[1] in ZONED:
        return missing(f"{name[1]} by a time zone")
    if name and any(name[1] in known for known in (STANDARD, MEMBERS, GLOBALS)):
        return f"{name[1]}() cannot be called in this way; look at the number of its arguments, and at what stands before the dot"
    return plainly(what, known)


def missing(name: str) -> str:
    """Of a function that Kubernetes has, that we have not."""
    return f"{name!r} is a function of Kubernetes that catflap does not have"


def reason(text: str) -> str:
    """An error of a run without the library's codes."""
    if "Iteration budget exceeded" in text:
        return "its loops take too many steps"
    return " ".join(STATUS.sub("", STATUS.sub("", text)).split())
