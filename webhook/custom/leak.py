"""Gives back what cel-expr-python 0.1.3 forgets: one reference to the arguments and one to the result of each Python function.

A user's text of a mebibyte would else stay in memory for each request that a rule reads it in.  Upstream has mended it
after that release (cel-expr/cel-python, py_cel_function.cc), so whether there is anything to give back is measured when
the library is loaded, and only a reference that nobody else can account for is given back.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from ctypes import py_object, pythonapi
from typing import Any

MADE_ANEW = (str, list, dict)

Held = list[Any]


def holders(things: Sequence[Any], index: int) -> int:
    """How many hold a thing; whoever counts holds it as well, which differs between releases of Python."""
    return sys.getrefcount(things[index]) - COUNTING


TWO = 2  # we, and the library
COUNTING = 0
COUNTING = holders([object()], 0) - 1
held: ContextVar[Held | None] = ContextVar("held", default=None)
release = pythonapi.Py_DecRef
release.argtypes = [py_object]
release.restype = None


@contextmanager
def mended(*, leaks: bool) -> Iterator[None]:
    """Gives back what the functions called inside were not given back."""
    if not leaks:
        yield
        return
    kept: Held = []
    token = held.set(kept)
    try:
        yield
    finally:
        held.reset(token)
        kept.reverse()  # a result may be an argument of an earlier call; the arguments' tuple goes first
        while kept:
            give_back(kept)


def give_back(kept: Held) -> None:
    """Drop the last object, and with it the reference that nobody holds, if there is just one beside our own."""
    if holders(kept, -1) == TWO:
        release(kept[-1])
    kept.pop()


def watched(call: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose arguments and result are remembered while `mended`."""

    def remembered(*arguments: Any) -> Any:
        kept = held.get()
        if kept is None:
            return call(*arguments)
        found = passed(arguments)
        if found is not None:
            kept.append(found)
        result = call(*arguments)
        if type(result) in MADE_ANEW:
            kept.append(result)
        return result

    return remembered


def passed(arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The tuple in which the library passed arguments; None where it cannot be told from others.

    It is one of the youngest objects.  An argument that only it and our own tuple hold can be in no other one.
    """
    if not any(holders(arguments, index) == TWO for index in range(len(arguments))):
        return None
    young = (one for one in gc.get_objects(generation=0) if type(one) is tuple and one is not arguments)
    return next((found for found in young if is_same(found, arguments)), None)


def is_same(found: tuple[Any, ...], arguments: tuple[Any, ...]) -> bool:
    """Whether two tuples have the very same items."""
    return len(found) == len(arguments) and all(one is other for one, other in zip(found, arguments, strict=True))


def is_leaky(library: Any) -> bool:
    """Whether the library forgets an argument of a Python function."""
    seen: list[str] = []

    def see(text: str) -> bool:
        seen.append(text)
        return True

    overload = library.Overload("see", return_type=library.Type.BOOL, parameters=[library.Type.STRING], impl=see)
    declared = [library.FunctionDecl("see", [overload])]
    program = library.NewEnv(variables={"text": library.Type.DYN}, functions=declared).compile("see(text)")
    program.eval(data={"text": "made for this look"})
    return holders(seen, 0) > 1
