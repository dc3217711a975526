"""Generate policy files to check and to enforce: large ones, unusual ones, and short ones that expand to large ones."""

import json
from random import Random
from typing import Any, Final

from benchmarks.shapes.values import many, one_in, text, tree, word

HEAD: Final = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\n"
LARGEST: Final = 1 << 20  # of a ConfigMap's data


def policy_file(random: Random, size: int) -> str:
    """Generate the text of a policy file of at most that many bytes."""
    size = min(size, LARGEST - len(HEAD))
    shapes = (
        bomb,
        nested,
        keys,
        roles,
        patterns,
        expressions,
        flows,
        exceptions,
        merged,
        scalars,
        values,
        values,
        values,
    )
    return HEAD + random.choice(shapes)(random, size)


def bomb(random: Random, size: int) -> str:  # noqa: ARG001 (a shape)
    """Aliases of aliases: a short text of 10^9 values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 9)]
    return "\n".join([*lines, "workloads: {app: *a8}"])


def nested(random: Random, size: int) -> str:
    """Brackets in brackets."""
    opening, closing = random.choice((("[", "]"), ("{a: ", "}")))
    depth = max(1, size // (len(opening) + 1))
    return f"rules: {opening * depth}{closing * depth}"


def keys(random: Random, size: int) -> str:
    """Keys that nothing has."""
    return "rules: {" + ", ".join(f"{word(random, 20)}: off" for _ in range(size // 28)) + "}"


def roles(random: Random, size: int) -> str:
    """Many roles, each with claims."""
    count = max(1, min(300, size // 100))
    names = [f"{word(random, 50)}{number}" for number in range(count)]
    claims = ", ".join(f"{name}x: {{claim: {{namespaces: [a]}}}}" for name in names)
    return f"workloads: {{role: {{oneOf: [{', '.join(names)}]}}}}\nroles: {{{claims}}}"


def patterns(random: Random, size: int) -> str:
    """Generate regular expressions that are expensive to compile."""
    one = random.choice(
        ("(a{1,50}){1,50}", "(a|b|ab)*c", "[a-z]{1000}", "((((a?){30}){30}){30})", "." * min(size, 1000))
    )
    each = ", ".join(f"{{label: l{number}, matches: '{one}'}}" for number in range(max(1, min(20, size // 40))))
    return f"workloads: {{require: [{each}]}}"


def expressions(random: Random, size: int) -> str:
    """Rules in CEL: nested, long, and many."""
    one = random.choice(
        (
            "object.spec.containers.all(c, " * 8 + "true" + ")" * 8,
            "(" * 200 + "true" + ")" * 200,
            " && ".join(["object.kind == 'x'"] * 400),
            "!" * 900 + "true",
            "[" * 100 + "]" * 100 + " == []",
        )
    )
    count = max(1, min(110, size // len(one)))
    return "custom:\n" + "".join(
        f"- {{id: {word(random, 12)}, resources: [pods], cel: {one!r}}}\n" for _ in range(count)
    )


def flows(random: Random, size: int) -> str:  # noqa: ARG001 (a shape)
    """Flows between roles, with networks and ports."""
    networks = ", ".join(f"10.{number % 256}.{number // 256}.0/24" for number in range(max(1, min(300, size // 20))))
    one = f"{{from: frontend, to: {{cidrs: [{networks}]}}, ports: [1-65535/TCP, 53/UDP]}}"
    return f"network: {{flows: [{', '.join([one] * max(1, size // len(one)))}]}}"


def exceptions(random: Random, size: int) -> str:
    """Exceptions and namespaces, to the bounds and beyond."""
    count = max(1, size // 90)
    each = ", ".join(
        f"{{rule: require-app, namespace: n{number}, until: 2030-01-01, reason: {word(random)}}}"
        for number in range(count)
    )
    return f"exceptions: [{each}]\nnamespaces: {{exempt: [{', '.join(f'e{number}' for number in range(count))}]}}"


def merged(random: Random, size: int) -> str:
    """Merge keys of merge keys."""
    each = "\n".join(
        f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}], k{n}: {word(random)}}}" for n in range(1, max(2, size // 60))
    )
    return f"m0: &m0 {{a: b}}\n{each}"


def scalars(random: Random, size: int) -> str:
    """One long value, or numbers without end."""
    value = random.choice(
        ("9" * size, "x" * size, repr(text(random, size)), str(tree(random, size)), "- " * (size // 2))
    )
    return f"mode: {value}"


# Places of a file that have lists, mappings or texts.
PLACES: Final = (
    "mode", "rules", "workloads", "workloads.role", "workloads.role.oneOf", "workloads.role.aliases", "workloads.require", "workloads.extraKinds", "roles",
    "namespaces", "namespaces.exempt", "namespaces.overrides", "namespaces.environment.oneOf", "network.flows", "network.clusterCIDRs", "network.presets",
    "exceptions", "exempt.users", "exempt.groups", "breakGlass.groups", "custom", "x",
)  # fmt: skip


def values(random: Random, size: int) -> str:
    """Many values at one place of a file."""
    found: Any = many(random, size)
    path = random.choice(PLACES)
    if path == "network.flows" and one_in(random, 2):
        found = [{"from": many(random, size // 2), "to": many(random, size // 2)}]
    for key in reversed(path.split(".")):
        found = {key: found}
    return json.dumps(found).removeprefix("{").removesuffix("}")


# The policies in force while reviews are checked: the default; one that enforces all rules; labels and roles up to their limits.
def in_force() -> dict[str, str]:
    """The texts of policies to judge by, each with a name."""
    aliases = ", ".join(f"alias{number}" for number in range(16))
    names = ", ".join(f"{'role' * 12}{number}" for number in range(256))
    networks = ", ".join(f"10.{number}.0.0/16" for number in range(200))
    flow = "{{from: {}, to: {}, ports: [{}/TCP]}}"
    ways = ", ".join(
        flow.format("outside", "frontend", port) if port % 2 else flow.format("frontend", "backend", port)
        for port in range(1, 101)
    )
    limits = "(has(object.spec.template) ? object.spec.template : object).spec.?containers.orValue([])"
    rules = "\n".join(
        f'  - {{id: rule-{"x" * number}, resources: [workloads], cel: "{limits}.all(c, {limits}.exists(d, d == c))"}}'
        for number in range(1, 21)
    )
    strict = "mode: enforce\nrules: {no-open-policy: enforce, labels-agree: enforce}\nworkloads: {scope: both}\n"
    return {
        "default": HEAD,
        "strict": HEAD + strict,
        "flows": f"{HEAD}rules: {{no-open-policy: enforce}}\nnetwork: {{clusterCIDRs: [{networks}], flows: [{ways}]}}\n",
        "roles": f"{HEAD}workloads: {{scope: both, role: {{oneOf: [{names}], aliases: [{aliases}]}}}}\n",
        "rules": f"{HEAD}mode: warn\ncustom:\n{rules}\n",
    }
