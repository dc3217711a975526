"""Expressions are compiled and run: refused expressions have clear messages, and an error never counts as true."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from mmap import PAGESIZE
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from webhook.cel import library
from webhook.cel.functions import GLOBALS, MEMBERS, MISSING, ZONED
from webhook.cel.library import BadExpressionError, EvaluationError, LibraryMissingError, compile_expression

POD: dict[str, Any] = {"spec": {"containers": [{"name": "a", "image": "registry.example/a:1"}], "n": 2, "f": 1.5}}


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGESIZE


def run(expression: str, **variables: Any) -> bool:
    """Return whether an expression is true for a Pod."""
    return compile_expression(expression).run({"object": POD, **variables})


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (
            "1 + 'a' == 2",
            "line 1, column 3 of the expression: the operator + does not take values of these types: int, string",
        ),
        ("true &&\n  foo", "line 2, column 3 of the expression: 'foo' is not defined"),
        ("object.all(", "line 1, column 12 of the expression: the expression ends too early; expected a value"),
        ("object.spec.n", "the expression returns a value of any type (dyn) instead of true or false"),
        ("1 + 1", "the expression returns int instead of true or false"),
        ("url('a').getHost() == 'b'", "'url' is a function of Kubernetes that catflap does not have"),
        ("'a'.matches('(')", "matches: '(' is not a valid regular expression: a ( is not closed"),
        ("'a'.matches(r'\\(?=b)')", "matches: r'\\(?=b)' is not a valid regular expression"),
        (
            "object.all(x, x.matches (\n  '\\\\1'))",
            "is not a valid regular expression: a \\ before a letter without a special meaning",
        ),
        ("[1].indexOf(1) == 0", "indexOf() does not take values of these types: list(int), int"),
        ("object.a.transformMap(k, v, v) == {}", "'transformMap' is a function of Kubernetes that catflap does not"),
        ("base64.encode(b'a') == ''", "'base64' is not defined"),
    ],
)
def test_a_bad_expression_is_refused_with_its_place(expression: str, said: str) -> None:
    """The error comes when the file is loaded, not with the first Pod."""
    with pytest.raises(BadExpressionError) as bad:
        compile_expression(expression)
    assert said in str(bad.value)


def test_every_error_is_reported() -> None:
    """The error has all of them."""
    with pytest.raises(BadExpressionError) as bad:
        compile_expression("foo && bar")
    assert len(bad.value.complaints) == 2


@pytest.mark.parametrize(
    "call",
    [
        "'a'.replace('a', 'b') == ''",
        "['a'].join() == ''",
        "['a'].join(',') == ''",
        "'%d'.format([1]) == ''",
        "'a'.split('') == []",
        "[[1]].flatten() == []",
        "lists.range(3) == []",
        "[1].sortBy(x, x) == []",
        "[1].sum() == 1",
        "'a'.find('a') == ''",
        "quantity('1').isLessThan(quantity('2'))",
        "ip('::1').family() == 6",
        "cidr('::/0').containsIP('::1')",
        "url('a').getHost() == 'b'",
        "semver('1.0.0').major() == 1",
        "authorizer.path('/a').check('get').allowed()",
    ],
)
def test_what_kubernetes_has_besides_is_refused_by_its_name(call: str) -> None:
    """The library has some of them, without a limit of memory."""
    with pytest.raises(BadExpressionError, match="is a function of Kubernetes that catflap does not have"):
        compile_expression(f"object.x.all(y, {call})")


@pytest.mark.parametrize("name", ZONED)
def test_a_time_is_read_in_utc_alone(name: str) -> None:
    """The library keeps the name of each zone for ever, and a user may choose it."""
    compile_expression(f"timestamp(object.t).{name}() == 1 && object.t.{name}() == 1")
    for receiver in ("object.t", "timestamp('2020-01-01T00:00:00Z')"):
        with pytest.raises(BadExpressionError, match=f"'{name} by a time zone' is a function of Kubernetes"):
            compile_expression(f"{receiver}.{name}(object.zone) == 1")


def test_nothing_is_both_there_and_missing() -> None:
    """Functions that are refused by name are not declared."""
    assert not MISSING.intersection(MEMBERS)
    assert not MISSING.intersection(part for name in GLOBALS for part in name.split("."))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.spec.missing == 1", 'the field "missing" is absent'),
        ("1 / (object.spec.n - 2) == 1", "it divides by zero"),
        ("object.spec.containers[5].name == 'a'", "it takes item 5 of a list"),
        ("object.spec.n == 2 && object.spec.n", "the operator && does not take a value of this type"),
        ("object.spec.n.trim() == ''", "trim() does not take values of these types"),
        ("object.spec.containers.sort() == []", "unsupported type map"),
        ("'a'.matches(object.spec.containers[0].name + '(')", "invalid regular expression"),
        ("object.long.all(x, x > 0)", "the loops of the expression take too many steps"),
    ],
)
def test_an_error_is_neither_true_nor_false(expression: str, said: str) -> None:
    """The library returns some errors as values that are true in Python."""
    with pytest.raises(EvaluationError) as bad:
        compile_expression(expression).run({"object": {**POD, "long": [1] * 10_001}})
    assert said in str(bad.value)


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.containers.all(c, c.image.startsWith('registry.example/'))",
        "!has(object.spec.hostNetwork) && object.?spec.?hostNetwork.orValue(false) == false",
        "object.spec.n == 2.0 && object.spec.f > 1.0 && object.spec.n in [1, 2]",
        "oldObject == null && namespaceObject == null",
        "object.spec.missing == 1 || true",
        "object.spec.containers[0].image.indexOf('/') == 16 && 'abca'.lastIndexOf('a', 2) == 0",
        "'aBc'.lowerAscii() == 'abc' && 'abc'.upperAscii() == 'ABC' && ' a '.trim() == 'a' && 'abc'.charAt(1) == 'b'",
        "'abc'.substring(1) == 'bc' && 'abc'.substring(0, 1) == 'a' && strings.quote('a') == '\"a\"'",
        "[2, 1, 2].distinct().sort().reverse().slice(0, 1) == [2]",
        "sets.contains([1, 2], [1]) && sets.equivalent([1], [1, 1]) && !sets.intersects([1], [2])",
        "object.spec.all(k, v, k != '' && v != null) && [1].existsOne(i, v, v == 1)",
        "[3].transformList(i, v, i + v) == [3] && object.spec.exists(k, v, k == 'n' && v == 2)",
    ],
)
def test_an_expression_that_is_true(expression: str) -> None:
    """The Pod has the types of JSON."""
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
    """The server needs no lookup for unused variables."""
    assert set(compile_expression(expression).reads) == reads


def test_programs_run_in_threads() -> None:
    """The event loop and the pool of threads share the programs."""
    program = compile_expression("object.spec.containers.all(c, c.q.matches('^1+$'))")
    inputs = [{"object": {"spec": {"containers": [{"q": str(number % 2)}] * 20}}} for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(program.run, inputs)) == [bool(number % 2) for number in range(400)]


@pytest.mark.parametrize(
    "expression",
    [
        "object.t.lowerAscii().substring(1).trim() + object.t != ''",
        "object.l.map(x, x + object.t).distinct().sort().reverse().slice(0, 1).size() == 1",
        "sets.contains(object.l, object.l) && object.m.all(k, v, k != v)",
        "object.t.matches(object.p) || object.t.missing == 1",
        "object.t == object.m || object.?x.orValue(object.t) == ''",
    ],
)
def test_a_run_leaves_nothing_behind(expression: str) -> None:
    """A text of a user that stayed in memory would fill it request by request."""
    program = compile_expression(expression)

    def runs(count: int) -> None:
        for number in range(count):
            text = f"{number:06}" + "x" * 200_000
            value = {"t": text, "p": f"a{number}", "l": [text[:9], "b"], "m": {"a": text}}
            with suppress(EvaluationError):
                program.run({"object": value})

    runs(10)
    before = resident()
    runs(200)
    assert resident() - before < 20 << 20  # one text of each run would be 40 MB


def test_programs_survive_a_fork() -> None:
    """The server creates its parts after a fork, but `serve` may read the policy file before it."""
    assert run("object.spec.n == 2")
    with get_context("fork").Pool(1) as pool:
        assert pool.map(run, ["object.spec.n == 2", "object.spec.n == 3"]) == [True, False]


def test_a_missing_library_is_reported_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is an extra."""
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    library.load_library.cache_clear()
    try:
        with pytest.raises(LibraryMissingError, match="pip install catflap\\[cel\\]"):
            library.load_library()
    finally:
        monkeypatch.undo()
        library.load_library.cache_clear()
