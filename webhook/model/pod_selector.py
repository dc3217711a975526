"""The selector of what makes Pods: which labels the Pods of its template must have, or must not have."""

from typing import Final

from msgspec import Struct

IN, NOT_IN, EXISTS, ABSENT = "In", "NotIn", "Exists", "DoesNotExist"
OPERATORS: Final = frozenset({IN, NOT_IN, EXISTS, ABSENT})


class Term(Struct, frozen=True):
    """What a selector requires of one label; `matchLabels` is In with one value.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def admits(self, value: str) -> bool:
        """Whether the label may have a value."""
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
    """All terms, each of which must hold."""

    terms: tuple[Term, ...]

    def against(self, key: str, value: str) -> Term | None:
        """The first term that a label with this value would not meet; None where it meets each."""
        return next((term for term in self.terms if term.key == key and not term.admits(value)), None)
