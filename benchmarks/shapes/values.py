"""Generate values that are as large and as unusual as JSON allows: texts, labels, selectors, addresses, trees."""

from random import Random
from typing import Any, Final

Json = dict[str, Any]
# The placeholder for nested JSON until the text is written, as Python's own encoder goes no deeper than its stack.
DEEP: Final = "nested:"
ALPHABETS: Final = ("a", "ab-c.d", "\u00e9\u4e2d", "\U0001f600", "\x00\x1b[31m", '"\\', "\u202e\u2066")


def one_in(random: Random, several: int) -> bool:
    """Whether it is this one's turn."""
    return random.randrange(several) == 0


def text(random: Random, length: int) -> str:
    """A text of one of several alphabets."""
    alphabet = random.choice(ALPHABETS)
    return "".join(random.choices(alphabet, k=min(length, 50))) * (1 + length // 50)


def word(random: Random, length: int = 8) -> str:
    """A name that the API takes."""
    return "".join(random.choices("abcdefghij", k=length))


def labels(random: Random, size: int) -> Json:
    """Labels of so many bytes: many short ones, reserved ones, long keys or long values."""
    prefix = random.choice(("", "pcns.", "pcsa.", "example.com/", "role", "app.kubernetes.io/"))
    length = random.choice((1, 30, 63, 300, size))
    count = max(1, size // (length + len(prefix) + 14))
    if one_in(random, 5):  # all of it in one key
        return {text(random, size): "v"}
    return {f"{prefix}{number:x}": text(random, length) for number in range(count)} | {"role": text(random, length)}


def tree(random: Random, size: int) -> Any:
    """Any JSON of about so many bytes: deep, wide, or of long texts."""
    match random.randrange(5):
        case 0:
            return f"{DEEP}{min(size // 6, random.choice((50, 800, 3_000)))}"
        case 1:
            return [{}] * (size // 3)
        case 2:
            return {f"{number:x}": None for number in range(size // 10)}
        case 3:
            return list(range(size // 7))
    return text(random, size)


# The shortest values that there are, and some that are nested, have a key, or take a decoder long: 2 to 22 bytes each.
UNITS: Final[tuple[Any, ...]] = (
    [],
    {},
    None,
    0,
    "",
    [[]],
    {"": {}},
    {"a": [{}]},
    [[[[]]], {}],
    True,
    "a",
    1.2345678901234567e-300,
    [None, {}],
    -1,
)
ALTERNATIONS: Final = 40


def many(random: Random, size: int) -> Any:
    """As many values as have room in so many bytes: in a list, under short keys, or in lists and mappings by turns."""
    unit = random.choice(UNITS)
    each = 2 + len(str(unit))
    match random.randrange(4):
        case 0 | 1:
            return [unit] * max(1, size // each)
        case 2:
            return {f"{number:x}": unit for number in range(max(1, size // (each + 8)))}
    deep: Any = unit
    for level in range(ALTERNATIONS):
        deep = [deep] if level % 2 else {"a": deep}
    return [deep] * max(1, size // (each + 4 * ALTERNATIONS))


def spoiled(random: Random, found: Any, size: int) -> Any:
    """An object in which the value at some place is another: many values, one of their kind, or null."""
    if isinstance(found, dict) and found and not one_in(random, 4):
        key = random.choice(list(found))
        return {**found, key: spoiled(random, found[key], size)}
    if isinstance(found, list) and found and not one_in(random, 3):
        return [spoiled(random, found[0], size), *found[1:]]
    return many(random, size) if not one_in(random, 6) else random.choice(UNITS)


def selector(random: Random, size: int) -> Json:
    """A label selector: equalities, or expressions with long lists."""
    if one_in(random, 3):
        return {"matchLabels": {word(random, 6): "v" for _ in range(max(1, size // 14))}}
    operator = random.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    values = [f"v{number}" for number in range(max(1, size // 10))] if "I" in operator else None
    return {
        "matchExpressions": [
            {"key": random.choice(("role", "kubernetes.io/metadata.name", "x")), "operator": operator, "values": values}
        ]
    }


def expression(random: Random, size: int) -> str:
    """A selector of Calico's: long, deep, or with a long list."""
    match random.randrange(5):
        case 0:
            return "(" * (size // 2) + "all()" + ")" * (size // 2)
        case 1:
            return "!" * size + "all()"
        case 2:
            return " || ".join(["role == 'a'"] * (1 + size // 15))
        case 3:
            return "role in {" + ",".join(f"'v{number}'" for number in range(1 + size // 8)) + "}"
    return random.choice(("all()", "global()", "role == 'backend'", "has(x) && !has(y)", "role == 'a"))


def network(random: Random) -> str:
    """Addresses of either version."""
    if one_in(random, 3):
        return f"2001:db8:{random.randrange(65536):x}::/48"
    return f"{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}.0/{random.choice((8, 16, 24, 24, 32))}"


def split(random: Random, size: int, *, each: int) -> tuple[int, int]:
    """How many items, and of which size, make up so many bytes."""
    count = max(1, min(size // each, random.choice((1, 3, 50, 3_000, size))))
    return count, max(1, size // count)
