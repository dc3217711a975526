"""Expressions to programs: what is refused and in which words, and that an error is never taken for true."""

import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from webhook.custom import library
from webhook.custom.functions import FUNCTIONS, MISSING
from webhook.custom.library import BadExpressionError, EvaluationError, LibraryMissingError, compiled

POD: dict[str, Any] = {"spec": {"containers": [{"name": "a", "image": "registry.example/a:1"}], "n": 2, "f": 1.5}}


def run(expression: str, **variables: Any) -> bool:
    """Whether an expression is true of a Pod."""
    return compiled(expression).run({"object": POD, **variables})


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("1 + 'a' == 2", "line 1, column 3 of the expression: found no matching overload for '_+_'"),
        ("true &&\n  foo", "line 2, column 3 of the expression: nothing is called 'foo' here"),
        ("object.all(", "line 1, column 12 of the expression: Syntax error"),
        ("object.spec.n", "it gives dyn, not bool"),
        ("1 + 1", "it gives int, not bool"),
        ("url('a').getHost() == 'b'", "'url' is a function of Kubernetes that catflap does not have"),
        ("'a'.matches('(')", "matches: Illegal regex"),
        ("'a'.find(r'\\(?=b)') == ''", "find: Illegal regex"),
        ("quantity(1) == quantity('1')", "found no matching overload for 'quantity' applied to '(int)'"),
    ],
)
def test_a_bad_expression_is_refused_with_its_place(expression: str, said: str) -> None:
    """When the file is read, not when the first Pod comes."""
    with pytest.raises(BadExpressionError) as bad:
        compiled(expression)
    assert said in str(bad.value)


def test_every_complaint_is_told() -> None:
    """Not the first alone."""
    with pytest.raises(BadExpressionError) as bad:
        compiled("foo && bar")
    assert len(bad.value.complaints) == 2


@pytest.mark.parametrize("name", sorted(MISSING))
def test_what_is_said_to_be_missing_is_missing(name: str) -> None:
    """And nothing else is."""
    assert name not in {one.name for one in FUNCTIONS}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.spec.missing == 1", 'Key not found in map : "missing"'),
        ("1 / (object.spec.n - 2) == 1", "divide by zero"),
        ("object.spec.containers[5].name == 'a'", "Index error"),
        ("object.spec.n == 2 && object.spec.n", "No matching overloads found"),
        ("quantity('1 GB').sign() == 1", "quantities must match"),
        ("'a'.matches(object.spec.containers[0].name + '(')", "invalid regular expression"),
        ("'a'.find(object.spec.containers[0].name + '(') == ''", "Illegal regex"),
        ("object.spec.sign() == 1", "no such overload"),
        ("object.long.all(x, x > 0)", "its loops take too many steps"),
    ],
)
def test_an_error_is_neither_true_nor_false(expression: str, said: str) -> None:
    """The library gives some back as values that Python takes for true."""
    with pytest.raises(EvaluationError) as bad:
        compiled(expression).run({"object": {**POD, "long": [1] * 10_001}})
    assert said in str(bad.value)


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.containers.all(c, c.image.startsWith('registry.example/'))",
        "!has(object.spec.hostNetwork) && object.?spec.?hostNetwork.orValue(false) == false",
        "object.spec.n == 2.0 && object.spec.f > 1.0 && object.spec.n in [1, 2]",
        "oldObject == null && namespaceObject == null",
        "object.spec.missing == 1 || true",
    ],
)
def test_an_expression_that_is_true(expression: str) -> None:
    """Of a Pod as JSON has it."""
    assert run(expression)


@pytest.mark.parametrize(
    ("expression", "reads"),
    [
        ("object.spec.n == 2", {"object"}),
        ("object == oldObject", {"object", "oldObject"}),
        ("namespaceObject.metadata.name == request.namespace", {"namespaceObject", "request"}),
        ("[1].all(params, params == 1)", set()),
        ("'oldObject' == 'x'", set()),
    ],
)
def test_a_program_knows_what_it_reads(expression: str, reads: set[str]) -> None:
    """So that nobody asks the API server for what is not read."""
    assert compiled(expression).reads == reads


def test_programs_run_in_threads() -> None:
    """The express lane and its pool share them."""
    program = compiled("object.spec.containers.all(c, quantity(c.q).sign() == 1)")
    inputs = [{"object": {"spec": {"containers": [{"q": str(number % 2)}] * 20}}} for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(program.run, inputs)) == [bool(number % 2) for number in range(400)]


def test_programs_survive_a_fork() -> None:
    """The server's parts are made after one, but the policy file of `serve` may be read before."""
    assert run("object.spec.n == 2")
    with get_context("fork").Pool(1) as pool:
        assert pool.map(run, ["object.spec.n == 2", "object.spec.n == 3"]) == [True, False]


def test_a_missing_library_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    library.load.cache_clear()
    try:
        with pytest.raises(LibraryMissingError, match="pip install catflap\\[cel\\]"):
            library.load()
    finally:
        monkeypatch.undo()
        library.load.cache_clear()
