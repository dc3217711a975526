"""Size limits of the code: short modules and short functions, each documented and typed.

A function that reads better with more lines is listed in `EXCEPTIONS`, with the reason.
"""

import ast
from statistics import median, quantiles
from typing import Final

import pytest

from tests.contracts.source import Defined, Module, classes, functions, modules

LONGEST_MODULE: Final = 300
LONGEST_RULE: Final = 60
LONGEST_BODY: Final = 40
USUAL_MODULE: Final = 110  # median
USUAL_BODY: Final = 7  # median
NEARLY_EVERY_BODY: Final = 20  # nine of ten

EXCEPTIONS: Final = {
    "webhook.kube.watch.Source.list_or_watch": "the informer would take a return type for the model to build",
}

MODULES: Final = modules()
FUNCTIONS: Final = [function for module in MODULES for function in functions(module)]


def name(thing: Module | Defined) -> str:
    """Return the id for pytest."""
    return thing.name


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_is_short_and_says_why_it_exists(module: Module) -> None:
    """A rule is shorter still: one check a file."""
    in_rules = module.name.startswith("webhook.rules.")
    assert module.lines <= (LONGEST_RULE if in_rules else LONGEST_MODULE)
    assert ast.get_docstring(module.tree)


def test_most_modules_are_much_shorter() -> None:
    """The median of well-kept codebases."""
    assert median(module.lines for module in MODULES) <= USUAL_MODULE


def test_functions_are_short() -> None:
    """Every one, nine of ten, and the one in the middle."""
    sizes = {function.name: function.body_lines for function in FUNCTIONS}
    assert {name: size for name, size in sizes.items() if size > LONGEST_BODY and name not in EXCEPTIONS} == {}
    assert quantiles(sizes.values(), n=10)[-1] <= NEARLY_EVERY_BODY
    assert median(sizes.values()) <= USUAL_BODY


def test_every_public_name_is_documented() -> None:
    """Functions, methods and classes; private and inner ones may speak for themselves."""
    bare = [function.name for function in FUNCTIONS if function.is_public and not ast.get_docstring(function.node)]
    for module in MODULES:
        bare += [found for found, node in classes(module) if node.name[0] != "_" and not ast.get_docstring(node)]
    assert bare == []


def test_everything_is_annotated() -> None:
    """Each parameter and each return, of inner functions too."""
    bare = []
    for function in FUNCTIONS:
        spec = function.node.args
        named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
        if function.is_method and not is_static(function):
            named = named[1:]
        parameters = [*named, *(one for one in (spec.vararg, spec.kwarg) if one)]
        missing = [one.arg for one in parameters if one.annotation is None]
        if missing or function.node.returns is None:
            bare.append(function.name)
    assert sorted(set(bare) - set(EXCEPTIONS)) == []


def is_static(function: Defined) -> bool:
    """Return whether a method gets neither its object nor its class."""
    return any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in function.node.decorator_list)


def test_every_exception_is_still_needed() -> None:
    """An exception that is no longer needed is removed."""
    too_long = {function.name for function in FUNCTIONS if function.body_lines > LONGEST_BODY}
    untyped = {function.name for function in FUNCTIONS if function.node.returns is None}
    assert set(EXCEPTIONS) <= too_long | untyped
