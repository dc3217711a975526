"""Measure the time to check the worst policy files, valid and invalid, each of at most 1 MiB.

    python -m benchmarks.reading [WORD...]

Checks the files below with one of the words in their name. A file whose check takes longer than the API server waits is stored
unchecked. Prints the size of each file, the processor time, and the number of reported errors. Ends with status 1 where one takes longer than promised.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from time import process_time
from typing import Final

from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.config.reading import LARGEST

SLOWEST_SECONDS: Final = 2.0
HEAD: Final = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\n"
STAGES: Final = "namespaces: {environment: {oneOf: [production, test]}}\n"
FLOWS: Final = "network:\n  flows:\n"
REQUIRE: Final = "workloads:\n  require:\n"
CUSTOM: Final = "custom:\n"

Item = Callable[[int], str]


def some(count: int, before: str, item: Item, after: str = "\n") -> str:
    """Return a text with that many items."""
    return f"{HEAD}{before}{''.join(map(item, range(count)))}{after}"


def filled(before: str, item: Item, after: str = "\n") -> str:
    """Return a text with as many items as fit into the limit."""
    return some((LARGEST - len(HEAD + before + after)) // len(item(99_999)), before, item, after)


def listed(count: int, item: Item) -> str:
    """Return the items with commas between them."""
    return ",".join(map(item, range(count)))


def flow(source: str, to: str, ports: str = "1/TCP") -> str:
    """Return a flow as an item of the list."""
    return f"  - {{from: {source}, to: {to}, ports: [{ports}]}}\n"


def apart(number: int) -> str:
    """Return IPv4 addresses that cannot be merged."""
    return f"10.{number >> 15 & 255}.{number >> 7 & 255}.{number << 1 & 255}"


def far_apart(number: int) -> str:
    """Return IPv6 addresses of the greatest length that cannot be merged."""
    return f'"2001:db8:1111:2222:3333:4444:{number >> 16 & 0xFFFF:x}:{number & 0xFFFF:x}"'


def networks(begin: int, count: int = 256, of: Item = apart) -> str:
    """Return an end of a flow."""
    return f"{{cidrs: [{listed(count, lambda n: of(begin + n))}]}}"


def across(number: int) -> str:
    """Return two flows that connect all Pods."""
    port = f"{number % 60_000 + 1}/TCP"
    return flow("{cidrs: [0.0.0.0/0]}", "backend", port) + flow("backend", "{cidrs: [0.0.0.0/0]}", port)


def ports(number: int) -> str:
    """Return as many ports as a flow may have."""
    return listed(50, lambda n: f"{1 + 2 * n + 100 * (number % 600)}/TCP")


def roles(count: int, item: Item, rest: str = "") -> str:
    """Return the list of roles."""
    return f"workloads: {{role: {{oneOf: [{listed(count, item)}]}}}}\n{rest}"


def rule(number: int, cel: str) -> str:
    """Return a custom rule."""
    return f'- {{id: a{"b" * number}, resources: [pods], cel: "{cel}"}}\n'


def exception(number: int, rule: str = "require-app", until: str = "2027-01-31") -> str:
    """Return an exception from a rule."""
    return f"- {{rule: {rule}, namespace: n{number}, owner: a, reason: b, until: {until}}}\n"


FILES: Mapping[str, Callable[[], str]] = {
    "flows, as many as there may be": lambda: some(5_500, FLOWS, lambda n: flow("frontend", "backend", f"{n + 1}/TCP")),
    "flows of as many roles": lambda: some(
        4_000, roles(4_000, lambda n: f"r{n}", FLOWS), lambda n: flow(f"r{n}", f"r{n * 7 % 4_000}")
    ),
    "flows of unknown roles": lambda: some(
        4_000, roles(4_000, lambda n: f"{'x' * 40}r{n}", FLOWS), lambda n: flow(f"{'x' * 40}q{n}", f"{'x' * 40}p{n}")
    ),
    "flows that lead across": lambda: some(2_000, f"{STAGES}{FLOWS}", across),
    "flows of as many networks": lambda: some(
        170,
        f"{STAGES}network:\n  clusterCIDRs: [{listed(256, apart)}]\n  flows:\n",
        lambda n: flow(networks(256 * n + 256), "backend", f"{n + 1}/TCP"),
    ),
    "flows of as many networks of IPv6": lambda: some(
        95,
        f"{STAGES}network:\n  clusterCIDRs: [{listed(256, far_apart)}]\n  flows:\n",
        lambda n: flow(networks(256 * n + 256, of=far_apart), "backend", f"{n + 1}/TCP"),
    ),
    "flows of an alias of networks": lambda: some(
        180,
        f"{STAGES}network:\n  clusterCIDRs: [{listed(256, far_apart)}]\n  flows:\n  - &a {flow(networks(256, of=far_apart), 'backend')[4:]}",
        lambda n: f"  - {{<<: *a, ports: [{n + 2}/TCP]}}\n",
    ),
    "flows of as many ports": lambda: some(
        400,
        f"{STAGES}{FLOWS}",
        lambda n: flow(networks(0, 1), "backend", ports(n)) + flow("backend", "{cidrs: [0.0.0.0/0]}", ports(n)),
    ),
    "flows from outside": lambda: some(
        4_000,
        f"network:\n  clusterCIDRs: [{listed(8, lambda n: far_apart(n * 99))}]\n  flows:\n",
        lambda n: flow("outside", "backend", f"{n + 1}/TCP"),
    ),
    "outside of as many networks": lambda: some(
        1,
        f"network:\n  clusterCIDRs: [{listed(256, lambda n: f'{n * 199 + 1:x}:{n:x}:1::1/128')}]\n  flows:\n",
        lambda _: flow("outside", "backend"),
    ),
    "aliases of a list": lambda: f"{HEAD}a: &a [{'x,' * 6_000}]\nb: [{'*a,' * 6_000}]\n",
    "aliases of aliases": lambda: some(
        30, "a: &b0 [x]\n", lambda n: f"a{n}: &b{n + 1} [{listed(10, lambda _: f'*b{n}')}]\n"
    ),
    "aliases of a long text": lambda: f"{HEAD}x: &a {'y' * 700_000}\nnamespaces: {{exempt: [{'*a,' * 100_000}]}}\n",
    "aliases of flows": lambda: some(5_000, f"{FLOWS}  - &a {flow('frontend', 'backend')[4:]}", lambda _: "  - *a\n"),
    "merges": lambda: filled(
        f"a: &b0 {{{listed(1000, lambda n: f'k{n}: 1')}}}\n", lambda n: f"a{n}: &b{n + 1} {{<<: *b{n}}}\n"
    ),
    "values": lambda: filled("a: [", lambda _: "x,", "]"),
    "values, as many as there may be": lambda: some(49_000, "namespaces: {exempt: [", lambda n: f"n{n},", "]}"),
    "values that are numbers": lambda: some(49_000, "namespaces: {exempt: [", lambda n: f"{n},", "]}"),
    "values that are wrong": lambda: some(49_000, "namespaces: {exempt: [", lambda n: f"N_{n},", "]}"),
    "values twice": lambda: some(49_000, "namespaces: {exempt: [", lambda n: f"n{n % 24_000},", "]}"),
    "keys": lambda: some(24_000, "", lambda n: f"mode{n}: x\n"),
    "keys twice": lambda: some(24_000, "", lambda _: "mode: warn\n"),
    "keys that are numbers": lambda: some(24_000, "rules:\n", lambda n: f"  {n}: warn\n"),
    "a long key": lambda: f"{HEAD}? {'x ' * (LARGEST // 2 - 100)}\n: 1\n",
    "a long path": lambda: filled(
        "".join(f"{' ' * n}{'k' * 900}.{n}:\n" for n in range(45)), lambda n: f"{' ' * 45}k{n}: 1\n"
    ),
    "lists in lists": lambda: filled("a: ", lambda _: "["),
    "keys in keys": lambda: filled("", lambda _: "? "),
    "a long text": lambda: filled('mode: "', lambda _: "\\u0041\\\n ", '"'),
    "a long number": lambda: filled("network: {staged: ", lambda _: "9", "}"),
    "comments": lambda: filled("", lambda _: "#\n"),
    "tags": lambda: some(49_000, "a: [", lambda _: "!!int x,", "]"),
    "anchors": lambda: some(49_000, "a:\n", lambda n: f"- &a{n} x\n"),
    "unknown rules": lambda: some(24_000, "rules:\n", lambda n: f"  require-{'ap' * (n % 5)}-{n}: warn\n"),
    "unknown rules beside custom ones": lambda: some(
        8_000,
        f"custom: [{listed(8_000, lambda n: f'{{id: require-{n}}}')}]\nrules:\n",
        lambda n: f"  require-{n}x: warn\n",
    ),
    "roles": lambda: f"{HEAD}{roles(49_000, lambda n: f'r{n}')}",
    "roles that are claimed": lambda: some(
        6_000, roles(6_000, lambda n: f"r{n}", "roles:\n"), lambda n: f"  r{n}: {{claim: {{namespaces: [a]}}}}\n"
    ),
    "roles that are claimed and unknown": lambda: some(
        6_000,
        roles(6_000, lambda n: f"{'x' * 30}r{n}", "roles:\n"),
        lambda n: f"  {'x' * 30}q{n}: {{claim: {{namespaces: [a]}}}}\n",
    ),
    "labels": lambda: some(8_000, REQUIRE, lambda n: f"  - {{label: l{n}, oneOf: [a{n}]}}\n"),
    "labels by patterns": lambda: some(9_000, REQUIRE, lambda n: f'  - {{label: l{n}, matches: "[a-z]{{1,60}}x"}}\n'),
    "labels by as large patterns": lambda: some(16, REQUIRE, lambda n: f"  - {{label: l{n}, matches: '\\w{{150}}'}}\n"),
    "labels by larger patterns": lambda: some(
        9_000, REQUIRE, lambda n: f"  - {{label: l{n}, matches: '(\\w{{60}}){{9}}'}}\n"
    ),
    "a label by a long pattern": lambda: some(
        1, REQUIRE, lambda _: f"  - {{label: a, matches: '{'(a|b)' * 180_000}'}}\n"
    ),
    "exempt namespaces under a net": lambda: some(
        49_000,
        "network: {clusterWideDefaultDeny: true}\nnamespaces: {includeExisting: all, exempt: [",
        lambda n: f"n{n},",
        "]}",
    ),
    "overrides": lambda: some(
        4_000, "namespaces:\n  overrides:\n", lambda n: f"  - {{labels: {{a{n}: b}}, rules: {{keep-role: warn}}}}\n"
    ),
    "name servers": lambda: some(
        4_500, "network:\n  dns:\n", lambda n: f"  - {{namespaceLabels: {{a: b{n}}}, podLabels: {{c: d{n}}}}}\n"
    ),
    "exceptions": lambda: some(4_500, "exceptions:\n", exception),
    "exceptions that are wrong": lambda: some(
        4_500, "exceptions:\n", lambda n: exception(n, f"require-a{n}", "2027-02-30")
    ),
    "custom rules": lambda: some(5, CUSTOM, lambda n: rule(n, " && ".join([f"object.a{n} == 1"] * 500))),
    "custom rules that read everything": lambda: some(
        5,
        CUSTOM,
        lambda n: rule(n, " || ".join([f"object.a{n} == oldObject.a && request.b == namespaceObject.c"] * 150)),
    ),
    "custom rules of macros": lambda: some(
        5, CUSTOM, lambda n: rule(n, " && ".join([f"object.a{n}.all(a,a==1)"] * 390))
    ),
    "custom rules of as large patterns": lambda: some(
        2, CUSTOM, lambda n: rule(n, f"object.a{n}.matches(r'\\\\pL{{290}}')")
    ),
    "custom rules of as many patterns": lambda: some(
        5, CUSTOM, lambda n: rule(n, " || ".join([f"object.a{n}.matches('a{{99}}b')"] * 290))
    ),
    "custom rules, as many and long": lambda: some(
        100, CUSTOM, lambda n: rule(n, " && ".join([f"object.a{n}.all(a, a.exists(b, b == a))"] * 200))
    ),
    "custom rules in brackets": lambda: some(100, CUSTOM, lambda n: rule(n, f"{'(' * 4_900}true{')' * 4_900}")),
    "custom rules that are wrong": lambda: some(5, CUSTOM, lambda n: rule(n, " + ".join([f"x{n}"] * 1_900))),
    "params": lambda: some(
        12_000, f"{CUSTOM}{rule(1, 'params.a1 == 1')[:-2]}, params: {{", lambda n: f"a{n}: {{b: 1}},", "}}\n"
    ),
}


def judged(text: str) -> tuple[float, int]:
    """Return the processor time in seconds, and the number of reported errors."""
    begun, options = process_time(), 0
    try:
        parse(text)
    except BadPolicy as bad:
        options = len(bad.faults)
    return process_time() - begun, options


def measured(words: list[str]) -> Iterator[float]:
    """Print and return the seconds of each file."""
    for name, made in FILES.items():
        if words and not any(word in name for word in words):
            continue
        text = made()
        assert len(text) <= LARGEST, name
        seconds, options = judged(text)
        print(f"{name:36} {len(text):>8} bytes {seconds:7.3f} s {options:>3} faults", flush=True)
        yield seconds


if __name__ == "__main__":
    judged(HEAD)
    sys.exit(max(measured(sys.argv[1:])) > SLOWEST_SECONDS)
