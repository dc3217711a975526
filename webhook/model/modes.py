"""Modes of rules, which decide the effect of a violation, and their overrides for namespaces."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, WrapValidator, model_validator

from webhook.model.distinct_values import distinct
from webhook.model.fields import LabelKey, LabelValue, NamespacePattern, Node, fits


class Mode(StrEnum):
    """The effect of a violation on the request."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"
    OFF = "off"


SEVERITY = (Mode.OFF, Mode.AUDIT, Mode.WARN, Mode.ENFORCE)


class Override(Node):
    """Other modes for some namespaces, which are selected by name, by label, or by both."""

    names: Annotated[tuple[NamespacePattern, ...], WrapValidator(distinct)] = Field(
        (), description="names and prefixes (sandbox-*) of namespaces; empty: every name"
    )
    labels: dict[LabelKey, LabelValue] = Field(
        {},
        description="labels that the namespace must have, all of them; namespaces.labelledBy defines who may set them",
    )
    mode: Mode | None = Field(
        None, description="the mode of every rule that has no mode of its own in rules of this override"
    )
    rules: dict[str, Mode] = Field({}, description="the mode of single rules, by identifier")

    @model_validator(mode="after")
    def _says_where_and_what(self) -> Self:
        if not (self.names or self.labels):
            raise ValueError("give names or labels; for every namespace, set mode or rules at the top of the file")
        if self.mode is None and not self.rules:
            raise ValueError("give mode or rules")
        return self

    def meets(self, name: str, labels: Mapping[str, str]) -> bool:
        """Return whether the override applies to a namespace with this name and these labels."""
        named = not self.names or any(fits(pattern, name) for pattern in self.names)
        return named and all(labels.get(key) == value for key, value in self.labels.items())


# For namespaces without an override.
EVERYWHERE = Override.model_construct(names=(), labels={}, mode=None, rules={})
