"""Calico's selector language, as a tree that is printed once.

The grammar has no escapes (libcalico-go, lib/selector/tokenizer), so a value with a quote cannot be said: label values
never have one, and any other is refused.
"""

from collections.abc import Mapping

from msgspec import Struct

# Calico's limit on a selector field (projectcalico.org/v3 schema, maxLength).
LONGEST = 1024


class Equals(Struct, frozen=True):
    """The label `key` has exactly `value`."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key} == {quoted(self.value)}"


class AllOf(Struct, frozen=True):
    """Every part holds; with no part, everything is selected."""

    parts: tuple[Equals, ...]

    def __str__(self) -> str:
        return " && ".join(map(str, self.parts)) or "all()"


def labels(wanted: Mapping[str, str]) -> AllOf:
    """What selects by equality of each label, in the order of their keys."""
    return AllOf(tuple(Equals(key, value) for key, value in sorted(wanted.items())))


def quoted(value: str) -> str:
    """A value between single quotes; raises ValueError for what the grammar cannot say."""
    if "'" in value or "\n" in value:
        raise ValueError(f"a Calico selector cannot say {value!r}")
    return f"'{value}'"


def printed(selector: AllOf) -> str:
    """The selector's text; raises ValueError above Calico's limit."""
    text = str(selector)
    if len(text) > LONGEST:
        raise ValueError(f"the selector has {len(text)} characters, Calico takes {LONGEST}: {text[:80]}…")
    return text
