"""Compile and run expressions by the CEL library; the result of a run is true, false or an error.

The library is an extra, so it is imported at its first use.  It is Google's cel-cpp, which returns errors as
values that are true in Python, so only a value of type bool is a result here.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from msgspec import Struct

from webhook.cel.cost import OPAQUE, ExpressionShape, shape_of
from webhook.cel.error_messages import MACROS as CEL_MACROS
from webhook.cel.error_messages import STANDARD, UNKNOWN, Complaint, causes, translate
from webhook.cel.field_reads import Path, read_paths
from webhook.cel.functions import EXTENSIONS, GLOBALS, MACROS, MEMBERS, MISSING, ZONED
from webhook.cel.run_errors import translate_run_error
from webhook.model.label_pattern import syntax_error_reason

VARIABLES: Final = ("object", "oldObject", "request", "namespaceObject", "params")
FUNCTIONS: Final = (*CEL_MACROS, *STANDARD, *MEMBERS, *GLOBALS)
REMEDY: Final = "pip install catflap[cel]"
# `ERROR: <input>:1:16: message`, then the source with a mark below the position.
COMPLAINT: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
# The function that the macros transformMap and transformMapEntry expand to; the library compiles it and fails each run.
MAP_MACRO: Final = b"cel.@mapInsert"

TYPE_WORDS: Final = {"dyn": "a value of any type (dyn)"}
NO_TREE: Final = "<<nil>> parsetree"
MATCHES: Final = re.compile(r"\bmatches\s*\(\s*$")
STATUS: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
KEPT_PROGRAMS: Final = 1_000  # of several versions of a policy file


class LibraryMissingError(Exception):
    """The extra is not installed."""


class BadExpressionError(Exception):
    """The expression cannot be a rule; `complaints` has every error."""

    def __init__(self, parse_complaints: Iterable[str]) -> None:
        self.complaints = tuple(parse_complaints)
        super().__init__("; ".join(self.complaints))


class EvaluationError(Exception):
    """An expression is neither true nor false for an object; `remedy` is what the author of the rule can do, if that is known."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.remedy = remedy
        super().__init__(message)


class Program(Struct, frozen=True):
    """A compiled expression; `reads` are the variables that it names, each with the fields that it may read."""

    run: Callable[[Mapping[str, Any]], bool]
    reads: Mapping[str, frozenset[Path]]
    shape: ExpressionShape


@lru_cache(maxsize=KEPT_PROGRAMS)
def compile_expression(expression: str) -> Program:
    """Return the program of an expression, compiled once.  Raises BadExpressionError, LibraryMissingError."""
    library = load_library()
    try:
        callable_environment().compile(expression)
        found = environment().compile(expression)
    except (RuntimeError, ValueError) as bad:
        raise BadExpressionError(parse_complaints(str(bad), expression)) from None
    if MAP_MACRO in found.serialize():
        raise BadExpressionError([missing_function("transformMap")])
    if found.return_type() != library.Type.BOOL:
        kind = found.return_type().name().lower()
        raise BadExpressionError(
            [
                (
                    f"the expression returns {TYPE_WORDS.get(kind, kind)} instead of true or false; compare the value, "
                    "such as == true"
                )
            ]
        )
    if wrong := list(bad_patterns(expression)):
        raise BadExpressionError(wrong)
    reads = {name: read_paths(expression, name) for name in VARIABLES if is_referenced(expression, name)}

    def run(variables: Mapping[str, Any]) -> bool:
        """Return whether the expression is true; raises EvaluationError."""
        return run_program(found, {name: variables.get(name) for name in VARIABLES})

    return Program(run=run, reads=reads, shape=shape_of(expression))


def run_program(program: Any, variables: Mapping[str, Any]) -> bool:
    """Run a program of the library with variables; return whether it is true.  Raises EvaluationError."""
    try:
        value = program.eval(data=variables)
    except RuntimeError as bad:
        raise EvaluationError(*translate_run_error(error_reason(str(bad)))) from None
    if value.type() != load_library().Type.BOOL:
        raise EvaluationError(*translate_run_error(error_reason(str(value.value()))))
    return value.value() is True


def bad_patterns(expression: str) -> Iterator[str]:
    """Yield the errors of the literal patterns, by a run of each with an empty text."""
    for pattern in written_patterns(expression):
        try:
            run_program(environment().compile(f"''.matches({pattern})"), dict.fromkeys(VARIABLES))
        except EvaluationError as bad:
            is_none = NO_PATTERN in str(bad)
            yield (
                f"matches: {pattern} is not a valid regular expression: {syntax_error_reason(str(bad))}"
                if is_none
                else f"matches: {bad}"
            )


NO_PATTERN = "invalid regular expression"


def written_patterns(expression: str) -> Iterator[str]:
    """Yield the literal patterns of an expression, with their quotes."""
    for found in OPAQUE.finditer(expression):
        if MATCHES.search(expression, 0, found.start()):
            yield found[0]


def is_referenced(expression: str, variable: str) -> bool:
    """Return whether an expression names a variable: it does not compile without the variable."""
    if variable not in expression:
        return False
    try:
        environment(variable).compile(expression)
    except (RuntimeError, ValueError):
        return True
    return False


@cache
def load_library() -> Any:
    """Import the library; raises LibraryMissingError."""
    try:
        from cel_expr_python import cel  # noqa: PLC0415 (an extra)
    except ImportError as bad:
        raise LibraryMissingError(
            f"custom rules in CEL need a library that is not installed ({bad.name}): {REMEDY}"
        ) from None
    return cel


@cache
def environment(without: str = "") -> Any:
    """Return the environment in which expressions run: the library's functions, and all variables except `without`."""
    return new_environment(EXTENSIONS, [name for name in VARIABLES if name != without])


@cache
def callable_environment() -> Any:
    """Return the environment that checks names and numbers of arguments of functions; `environment` has their implementations.

    The library enables an extension as a whole or not at all, so the allowed functions are declared here one by one.
    """
    library = load_library()

    def declared(name: str, counts: Iterable[int], *, is_member: bool) -> Any:
        dyn = library.Type.DYN
        overloads = [
            library.Overload(f"{name}_{count}", return_type=dyn, parameters=[dyn] * count, is_member=is_member)
            for count in counts
        ]
        return library.FunctionDecl(name, overloads)

    members = [declared(name, counts, is_member=True) for name, counts in MEMBERS.items()]
    return new_environment(MACROS, VARIABLES, [*members, *(declared(*one, is_member=False) for one in GLOBALS.items())])


def new_environment(extensions: Iterable[str], variables: Iterable[str], functions: Iterable[Any] = ()) -> Any:
    """Return a new environment of the library."""
    library = load_library()
    config = {
        "stdlib": {"exclude_functions": [{"name": name, "overloads": [{"id": one}]} for name, one in ZONED.items()]},
        "extensions": [{"name": name} for name in extensions],
    }
    wanted = library.NewEnvConfigFromYaml(json.dumps(config))
    return library.NewEnv(
        config=wanted, variables=dict.fromkeys(variables, library.Type.DYN), functions=list(functions)
    )


def parse_complaints(text: str, expression: str) -> list[str]:
    """Return the errors in the library's message, each with its position in the expression."""
    found = [
        Complaint(int(line), int(column), STATUS.sub("", what))
        for line, column, what in dict.fromkeys(COMPLAINT.findall(text))
        if NO_TREE not in what
    ]
    errors = [
        f"{one.place}{translate_complaint(one.what, FUNCTIONS if one.is_call(expression) else VARIABLES)}"
        for one in causes(found, expression)
    ]
    return errors or [error_reason(text)]


def translate_complaint(what: str, known: tuple[str, ...]) -> str:
    """Return the translation of one error; for a function that only Kubernetes has, a note about that.

    `known` are the names that the author of the rule may have meant.
    """
    name = UNKNOWN.match(what)
    if name and name[1] in MISSING:
        return missing_function(name[1])
    if name and name[1] in ZONED:
        return missing_function(f"{name[1]} by a time zone")
    if name and any(name[1] in known for known in (STANDARD, MEMBERS, GLOBALS)):
        return f"{name[1]}() cannot be called in this way; check the number of arguments and the value before the dot"
    return translate(what, known)


def missing_function(name: str) -> str:
    """Return the message about a function that Kubernetes has and catflap does not."""
    return f"{name!r} is a function of Kubernetes that catflap does not have"


def error_reason(text: str) -> str:
    """Return the error of a run without the library's status codes."""
    if "Iteration budget exceeded" in text:
        return "the loops of the expression take too many steps"
    return " ".join(STATUS.sub("", STATUS.sub("", text)).split())
