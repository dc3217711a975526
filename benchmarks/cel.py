"""Compare the CEL libraries for Python: conformance with the CEL specification, and the cost of an evaluation.

    python -m benchmarks.cel [--tests FILE]

FILE is what `go run .` prints in `benchmarks/conformance`, given the specification's folder tests/simple/testdata:

    cd benchmarks/conformance && go mod download && go run . "$(go list -m -f '{{.Dir}}' cel.dev/expr)/tests/simple/testdata" > FILE

Tests about protobuf messages are left out, as Kubernetes' objects are none. A library that is not installed is passed
over. The times are those of one run and count as ratios only. Ends with status 1 where an expression may cost more than
its budget of catflap's promises.
"""

import json
import sys
from argparse import ArgumentParser
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from math import isnan
from pathlib import Path
from time import perf_counter
from timeit import repeat
from typing import Any, NamedTuple

from webhook.cel.cost import TooLargeError, checked_cost, measure, shape_of
from webhook.cel.library import EvaluationError, compile_expression, environment

Run = Callable[[Mapping[str, Any]], Any]
ABOUT_MESSAGES = ("TestAllTypes", "google.protobuf", "proto.", "cel.@block", "GlobalEnum", "NestedEnum")
SLOWEST_SECONDS = 2.0  # of one expression within its budget; the longest time that a worker may be blocked
MOST_MEBIBYTES = 150
LONGEST_SHOWN = 90
RULES = (
    "object.spec.containers.all(c, has(c.resources) && has(c.resources.limits))",
    "object.spec.containers.exists(c, c.image.startsWith('registry.example/')) && object.metadata.labels.app == 'web'",
)
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web",
        "labels": {"app": "web"},
        "annotations": {f"example.com/{n}": "x" * 40 for n in range(20)},
    },
    "spec": {
        "containers": [
            {
                "name": f"c{number}",
                "image": "registry.example/web:1",
                "env": [{"name": f"V{n}", "value": "x"} for n in range(10)],
                "resources": {"limits": {"memory": "64Mi"}},
            }
            for number in range(3)
        ]
    },
}


class Library(NamedTuple):
    """One library: `compile` returns a program that raises for errors, or raises itself."""

    name: str
    compile: Callable[[str, Mapping[str, Any]], Run]


class SkippedTest(Exception):  # noqa: N818 (the test is unfit)
    """A test about a feature that catflap does not use."""


def main() -> None:
    """Print both tables, and check the limit."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tests", type=Path)
    arguments = parser.parse_args()
    known = list(libraries())
    if arguments.tests:
        lines = arguments.tests.read_text("utf-8").splitlines()
        if not lines:
            parser.error(f"{arguments.tests} has no tests; was the specification downloaded (go mod download)?")
        conformance(known, [json.loads(line) for line in lines])
    speed(known)
    sys.exit(bound())


def libraries() -> Iterator[Library]:
    """Yield the installed libraries; the last one is catflap's use of the first."""
    for name, make in (("cel_expr_python.cel", cel_cpp), ("cel", cel_rust), ("celpy", cel_python)):
        try:
            import_module(name)
        except ImportError:
            continue
        yield Library(name, make)
    yield Library("catflap", ours)


def cel_cpp(text: str, variables: Mapping[str, Any]) -> Run:
    """Google's cel-cpp with its own extensions."""
    cel = import_module("cel_expr_python.cel")
    extensions = [
        getattr(import_module(f"cel_expr_python.ext.ext_{name.lower()}"), f"Ext{name}")()
        for name in ("Bindings", "Encoders", "Math", "Optional", "Strings")
    ]
    env = cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN), extensions=extensions)
    return evaluated(cel, env.compile(text))


def ours(text: str, variables: Mapping[str, Any]) -> Run:
    """Return cel-cpp as custom rules use it."""
    if set(variables) - {"object"}:
        raise SkippedTest
    return evaluated(import_module("cel_expr_python.cel"), environment().compile(text))


def evaluated(cel: Any, program: Any) -> Run:
    """Return a program that raises the errors that cel-cpp returns."""

    def run(variables: Mapping[str, Any]) -> Any:
        value = program.eval(data=dict(variables))
        if value.type() == cel.Type.ERROR:
            raise ValueError(value.value())
        return value.plain_value()

    return run


def cel_rust(text: str, _variables: Mapping[str, Any]) -> Run:
    """The binding of the Rust library."""
    program = import_module("cel").compile(text)
    return lambda variables: program.execute(dict(variables))


def cel_python(text: str, _variables: Mapping[str, Any]) -> Run:
    """Return the library in pure Python."""
    celpy = import_module("celpy")
    env = celpy.Environment()
    program = env.program(env.compile(text))

    def run(variables: Mapping[str, Any]) -> Any:
        return program.evaluate({name: celpy.json_to_cel(value) for name, value in variables.items()})

    return run


def conformance(known: list[Library], tests: list[dict[str, Any]]) -> None:
    """Return the number of passed tests of each file for a library."""
    passed: dict[str, Counter[str]] = {library.name: Counter() for library in known}
    asked: dict[str, Counter[str]] = {library.name: Counter() for library in known}
    for one in tests:
        for library in known:
            try:
                good = passes(library, one["test"])
            except SkippedTest:
                continue
            asked[library.name][one["file"]] += 1
            passed[library.name][one["file"]] += good
    print("| tests | " + " | ".join(library.name for library in known) + " |")
    print("|---|" + "---|" * len(known))
    for file in dict.fromkeys(one["file"] for one in tests):
        if asked[known[0].name][file]:
            cells = (f"{passed[name][file]} of {asked[name][file]}" for name in passed)
            print(f"| {file.partition('.')[0]} | " + " | ".join(cells) + " |")
    print("| all | " + " | ".join(f"{passed[name].total()} of {asked[name].total()}" for name in passed) + " |")


def passes(library: Library, test: Mapping[str, Any]) -> bool:
    """Return whether a library gives the result of the specification; raises SkippedTest for a test about an unused feature."""
    apart = ("container", "typedResult", "checkOnly", "disableMacros", "disableCheck")
    if any(test.get(key) for key in apart) or any(word in json.dumps(test) for word in ABOUT_MESSAGES):
        raise SkippedTest
    variables = {name: plain(bound["value"]) for name, bound in test.get("bindings", {}).items()}
    wanted = plain(test.get("value", {"boolValue": True}))
    try:
        found = library.compile(test["expr"], variables)(variables)
    except SkippedTest:
        raise
    except BaseException:  # noqa: BLE001 (a panic of the Rust library is no Exception)
        return "evalError" in test
    return "evalError" not in test and same(found, wanted)


def plain(value: Mapping[str, Any]) -> Any:  # noqa: PLR0911 (a table)
    """Convert a value of the specification to Python."""
    [(kind, said)] = value.items()
    match kind:
        case "int64Value" | "uint64Value":
            return int(said)
        case "doubleValue":
            return float(said)
        case "bytesValue":
            return b64decode(said)
        case "nullValue":
            return None
        case "listValue":
            return [plain(item) for item in said.get("values", [])]
        case "mapValue":
            return {plain(entry["key"]): plain(entry["value"]) for entry in said.get("entries", [])}
        case "boolValue" | "stringValue":
            return said
    raise SkippedTest


def same(found: Any, wanted: Any) -> bool:
    """Return whether a result equals the expected one; a boolean is not a number."""
    if wanted is None:
        return found is None
    if isinstance(wanted, bool) or type(found).__name__ in {"bool", "BoolType"}:
        return type(wanted) is bool and type(found).__name__ in {"bool", "BoolType"} and bool(found) is wanted
    if isinstance(wanted, float) and isnan(wanted):
        return isinstance(found, float) and isnan(found)
    return bool(found == wanted)


def speed(known: list[Library]) -> None:
    """Measure two rules for one Pod, with the conversion of the Pod, and the compilation of the first rule."""
    print("\n| library | two rules over a Pod | of it | compiled |")
    print("|---|---|---|---|")
    best: float | None = None
    for library in known:
        programs = [library.compile(text, {"object": POD}) for text in RULES]
        assert all(bool(run({"object": POD})) for run in programs)
        cost = fastest(lambda programs=programs: [run({"object": POD}) for run in programs], 200)  # type: ignore[misc]
        compiling = fastest(lambda library=library: library.compile(RULES[0], {"object": POD}), 20)  # type: ignore[misc]
        best = best or cost
        print(f"| {library.name} | {cost * 1e6:.0f} us | {cost / best:.1f} | {compiling * 1e6:.0f} us |")


def fastest(call: Callable[[], object], times: int) -> float:
    """Return the seconds of one call in the best of five rounds."""
    return min(repeat(call, number=times, repeat=5)) / times


def bound() -> int:
    """Run the worst known expressions, each for the largest object within its budget; return 1 where one is too slow."""
    print("\n| expression | object | seconds | memory |")
    print("|---|---|---|---|")
    broken = False
    worst = {text: lambda size, make=make: (make(size), None) for text, make in WORST.items()}
    for text, make in (worst | WORST_BY_PARAMS).items():
        size = 1
        while affordable(text, *make(size * 2)):
            size *= 2
        while affordable(text, *make(size + size // 8 + 1)):
            size += size // 8 + 1
        value, params = make(size)
        before = peak(reset=True)
        begun = perf_counter()
        with suppress(EvaluationError):
            compile_expression(text).run({"object": value, "params": params})
        taken = perf_counter() - begun
        held = (peak() - before) // 1024
        broken |= taken > SLOWEST_SECONDS or held > MOST_MEBIBYTES
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
        print(f"| `{shown}` | {measure(value, params).size // 1024} KiB | {taken:.2f} | {held} MiB |")
    return int(broken)


def peak(*, reset: bool = False) -> int:
    """Return the peak memory of this process in KiB, or reset it."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # proc(5)
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def affordable(text: str, value: Any, params: Any) -> bool:
    """Return whether an expression would run for an object that an API server accepts."""
    size = measure(value)
    try:
        checked_cost(shape_of(text), size, params)
    except TooLargeError:
        return False
    return measure(value, params).size < 3 << 20


WORST: dict[str, Callable[[int], Any]] = {
    "object.l.all(x, object == object)": lambda size: {
        "l": list(range(min(size, 100))),
        "m": [{"a": n} for n in range(size)],
    },
    "object.l.all(x, object.l.all(y, x != y + 'z'))": lambda size: {"l": [str(n) for n in range(size)]},
    "object.l.all(x, object.l.all(y, object.l.all(z, object.t != x + y + z)))": lambda size: {
        "l": ["x" * 40] * size,
        "t": "",
    },
    "object.l.map(x, x).size() == 1": lambda size: {"l": list(range(size))},
    "object.l.map(x, object.t + x).size() == 1": lambda size: {"l": ["x"] * 90, "t": "t" * size},
    "object.l.map(x, object.t + object.t + object.t + x).size() == 1": lambda size: {"l": ["x"] * 90, "t": "t" * size},
    "object.l.exists(x, object.t.matches('(a|b|ab)*c' + x))": lambda size: {"l": ["x"] * 90, "t": "ab" * size},
    "object.l.exists(x, object.t.matches('(a|b|ab)*c'))": lambda size: {"l": ["x"] * 90, "t": "ab" * size},
    "object.t.contains(object.u)": lambda size: {"t": "a" * (2 * size), "u": "a" * size + "b"},
    "object.t.matches(object.u)": lambda size: {"t": "a" * size, "u": "(a?)" * (size // 4) + "b"},
    "object.t.indexOf(object.u) > 0": lambda size: {"t": "a" * (2 * size), "u": "a" * size + "b"},
    "object.t.lastIndexOf(object.u) > 0": lambda size: {"t": "a" * (2 * size), "u": "b" + "a" * size},
    "object.l.all(x, object.t.lowerAscii() != object.t.substring(1))": lambda size: {"l": ["x"] * 90, "t": "A" * size},
    "object.l.transformList(i, x, x).size() == 1": lambda size: {"l": list(range(size))},
    "object.l.all(x, object.l.reverse() != object.l.sort())": lambda size: {"l": list(range(size))},
    "object.l.distinct().size() == 1": lambda size: {"l": [{"a": [n]} for n in range(size)]},
    "object.l.map(x, [object, x]).distinct().size() == 1": lambda size: {
        "l": list(range(min(size, 60))),
        "t": [[1]] * size,
    },
    "object.l.all(x, !object.t.lowerAscii().startsWith(x))": lambda size: {"l": ["x"] * 900, "t": "A" * size},
    "object.l.all(x, strings.quote(object.t) != x)": lambda size: {"l": ["x"] * 90, "t": '"' * size},
    "object.l.all(x, string(bytes(object.t)) != x)": lambda size: {"l": ["x"] * 90, "t": "x" * size},
    "object.l.map(x, object.t + object.t).map(x, x + x).map(x, x + x).map(x, x + x).size() == 1": lambda size: {
        "l": ["x"] * 9,
        "t": "x" * size,
    },
    f"object.l.all(x, {' && '.join(['x.a == 1'] * 700)})": lambda size: {"l": [{"a": 1}] * size},
    f"object.l.all(x, x in [{', '.join(['[x]'] * 1_000)}])": lambda size: {"l": [[1]] * size},
    f"object.l.all(x, {{{', '.join(f'{n}: x' for n in range(1_000))}}} != x)": lambda size: {"l": [1] * size},
    "sets.contains(object.l, object.l)": lambda size: {"l": list(range(1, size + 1))},
    "object.l.all(x, sets.equivalent(object.l, object.l))": lambda size: {"l": [str(n) for n in range(size)]},
}
# The same with params of the rule.
WORST_BY_PARAMS: dict[str, Callable[[int], tuple[Any, Any]]] = {
    "params.denied.all(r, !object.t.lowerAscii().startsWith(r))": lambda size: (
        {"t": "A" * size},
        {"denied": ["x"] * 900},
    ),
    "params.denied.all(r, object.t + r != '')": lambda size: ({"t": "a" * size}, {"denied": ["x"] * 900}),
    "object.l.all(c, params.l.all(r, !c.contains(r)))": lambda size: ({"l": ["a" * 100] * 9}, {"l": ["b" * 9] * size}),
    "params.l.all(x, params.l.all(y, x != y + 'z'))": lambda size: ({}, {"l": [str(n) for n in range(size)]}),
    "params.l.all(x, object.t in params.l)": lambda size: ({"t": ""}, {"l": [str(n) for n in range(size)]}),
    "params.l.map(x, x).size() == 1": lambda size: ({}, {"l": list(range(size))}),
}

if __name__ == "__main__":
    main()
