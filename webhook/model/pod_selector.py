"""The pod selector of a workload: requirements on the labels of its template."""

from typing import Final

from msgspec import Struct

IN, NOT_IN, EXISTS, ABSENT = "In", "NotIn", "Exists", "DoesNotExist"
OPERATORS: Final = frozenset({IN, NOT_IN, EXISTS, ABSENT})


class Term(Struct, frozen=True):
    """A requirement on one label; an entry of `matchLabels` is In with one value.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def admits(self, value: str) -> bool:
        """Return whether the label may have a value."""
        if self.operator in {IN, NOT_IN}:
            return (value in self.values) is (self.operator == IN)
        return self.operator == EXISTS

    def __str__(self) -> str:
        """`role: web`, or the operator with its values; an empty value as quotes, so that it can be seen."""
        values = [value or '""' for value in self.values]
        if self.operator == IN and len(values) == 1:
            return f"{self.key}: {values[0]}"
        return f"{self.key} {self.operator}" + (f" [{', '.join(values)}]" if values else "")


class PodSelector(Struct, frozen=True):
    """The requirements of a selector, all of which must be met."""

    terms: tuple[Term, ...]

    def against(self, key: str, value: str) -> Term | None:
        """Return the first requirement that a label with this value does not meet; None if it meets all."""
        return next((term for term in self.terms if term.key == key and not term.admits(value)), None)
