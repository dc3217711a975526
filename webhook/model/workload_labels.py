"""The workloads section of the policy file: the application label, the role label and further required labels."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, WrapValidator, model_validator
from pydantic_core import PydanticKnownError, SchemaError, SchemaValidator, core_schema

from webhook.model.distinct_values import distinct
from webhook.model.extra_kinds import ExtraKind
from webhook.model.fields import LabelKey, LabelValue, Node
from webhook.model.kinds import Makers
from webhook.model.label_pattern import anchored, portability_error, size_error, syntax_error_reason
from webhook.model.labels import LABEL_NAME
from webhook.model.limits import (
    LONGEST_PATTERN,
    MOST_ALIASES,
    MOST_EXTRA_KINDS,
    MOST_REQUIRED,
    MOST_ROLES,
    MOST_VALUES,
)
from webhook.model.spelling import closest_word
from webhook.model.workload import FoundLabel, Scope, absence

ALIASES_DESCRIPTION = "labels that catflap reads if the label itself is absent; the first one that is not empty applies"
Aliases = Annotated[tuple[LabelKey, ...], Field(max_length=MOST_ALIASES), WrapValidator(distinct)]


class AppLabel(Node):
    """The label that names a Pod's application."""

    label: LabelKey = Field("app", description="the label key")
    aliases: Aliases = Field(("app.kubernetes.io/name", "k8s-app"), description=ALIASES_DESCRIPTION)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the label, then its aliases."""
        return (self.label, *self.aliases)

    def counts(self, value: str) -> bool:
        """Return whether an alias with this value counts where the label itself is absent."""
        return bool(value)

    def found(self, labels: Mapping[str, str]) -> FoundLabel | None:
        """Return the label that counts: the label itself wherever it is set, even to the empty string, else the first alias that counts."""
        if (value := labels.get(self.label)) is not None:
            return FoundLabel(self.label, value)
        return next((FoundLabel(key, labels[key]) for key in self.aliases if self.counts(labels.get(key, ""))), None)

    def lack(self, labels: Mapping[str, str]) -> str:
        """Return how the label is absent: "missing" or "empty"; empty where it has a value, or an alias counts."""
        found = self.found(labels)
        return absence(found.value if found else None)

    def intended(self, labels: Mapping[str, str]) -> str | None:
        """Return the value that these labels suggest for the label; None if no key has a valid one."""
        found = (value for key in self.keys if self.counts(value := labels.get(key, "")))
        return next((value for value in found if LABEL_NAME.fullmatch(value)), None)


class RoleLabel(AppLabel):
    """The label that names a Pod's role, and the closed list of roles."""

    label: LabelKey = Field("role", description="the label key")
    aliases: Aliases = Field(
        ("app.kubernetes.io/component",),
        description=f"{ALIASES_DESCRIPTION}; an alias whose value is not a role does not count",
    )
    one_of: Annotated[tuple[LabelValue, ...], Field(min_length=1, max_length=MOST_ROLES), WrapValidator(distinct)] = (
        Field(("frontend", "backend", "data"), description="the valid roles")
    )

    def counts(self, value: str) -> bool:
        """Return whether an alias with this value counts: its value must be a role, as charts of others use the alias for their own components."""
        return value in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.one_of)

    def intended(self, labels: Mapping[str, str]) -> str | None:
        """Return the role that these labels suggest: the first known role, else the one closest to a value."""
        nearest = (self.nearest(value) for key in self.keys if (value := labels.get(key)))
        return super().intended(labels) or next(nearest, None)

    def nearest(self, value: str) -> str | None:
        """Return the role that is closest to an unknown value, ignoring letter case."""
        return closest_word(value.lower(), self.one_of)


class LabelRequirement(Node):
    """A further label that every Pod must carry: one of a closed list, or a full match of a pattern."""

    label: LabelKey = Field(description="the label that every Pod must have")
    one_of: (
        Annotated[tuple[LabelValue, ...], Field(min_length=1, max_length=MOST_VALUES), WrapValidator(distinct)] | None
    ) = Field(None, description="the valid values")
    matches: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_PATTERN,
        description="a regular expression that the whole value must match; docs/policy.md (Patterns) lists the permitted syntax",
    )

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if self.one_of is None and self.matches is None:
            raise ValueError(
                "the admitted values are missing; add oneOf: [VALUE, …], or matches: PATTERN (.+ matches any value)"
            )
        if self.one_of is not None and self.matches is not None:
            raise ValueError("oneOf and matches exclude each other; remove one of the two")
        if self.matches is not None and (what := size_error(self.matches)):
            raise ValueError(f"matches: {what}")
        try:
            if self.matches is not None:  # without anchors first: an unbalanced bracket must not close theirs
                SchemaValidator(core_schema.str_schema(pattern=self.matches))
            self.admits("")
        except SchemaError as bad:
            raise ValueError(
                f"matches: {self.matches!r} is not a valid regular expression: {syntax_error_reason(str(bad))}"
            ) from None
        if self.matches is not None and (what := portability_error(self.matches)):
            raise ValueError(f"matches: {what}")
        return self

    @property
    def expression(self) -> str:
        """Return the anchored pattern for both engines."""
        return anchored(self.matches or "")

    @cached_property
    def _validator(self) -> SchemaValidator:
        # pydantic's own engine is linear in the value's length, so no value that a user picks can stall a request.
        return SchemaValidator(core_schema.str_schema(pattern=self.expression))

    def admits(self, value: str) -> bool:
        """Return whether the label may have this value."""
        if self.one_of is not None:
            return value in self.one_of
        return self._validator.isinstance_python(value)


def within_limit(value: Any) -> Any:
    """Return the value; raises PydanticKnownError for a list of too many requirements, before any pattern is compiled."""
    if isinstance(value, list | tuple) and len(value) > MOST_REQUIRED:
        long = {"field_type": "Tuple", "max_length": MOST_REQUIRED, "actual_length": len(value)}
        raise PydanticKnownError("too_long", long)
    return value


class Workloads(Node):
    """The labels that every Pod must have."""

    app: AppLabel = Field(AppLabel(), description="the label with the application")
    role: RoleLabel = Field(RoleLabel(), description="the label with the role")
    require: Annotated[tuple[LabelRequirement, ...], BeforeValidator(within_limit)] = Field(
        (), max_length=MOST_REQUIRED, description="further required labels"
    )
    fill_from_aliases: StrictBool = Field(
        default=True,
        description="whether catflap adds the label to a new Pod that has only aliases of it; if the values of the aliases differ, catflap adds no label",
    )
    existing_workloads: Literal["admit", "judge"] = Field(
        "admit",
        description="what happens to a Pod that a controller of Kubernetes creates for an owner that is older than catflap; "
        "admit: catflap admits the Pod; judge: catflap checks the Pod like any other Pod",
    )
    scope: Scope = Field(
        Scope.TEMPLATE,
        description="which labels catflap checks of an object from which Pods are created; template: the labels of its Pod template; "
        "object: its own labels; both: all of them; the labels of a Pod are always checked",
    )
    extra_kinds: tuple[ExtraKind, ...] = Field(
        (),
        max_length=MOST_EXTRA_KINDS,
        description="custom resources from which Pods are created, in addition to the built-in ones",
    )

    @model_validator(mode="after")
    def _without_overridden_defaults(self) -> Self:
        return self.without_overridden_defaults()

    def without_overridden_defaults(self) -> Self:
        """Drop the default aliases that the file uses as a label or as an alias of its own: a default contradicts no file."""
        labels = {name: vars(self)[name] for name in ("app", "role") if name in vars(self)}
        used = {vars(label).get("label") for label in labels.values()}
        for label in labels.values():
            used.update(vars(label).get("aliases", ()) if "aliases" in label.model_fields_set else ())
        for name, label in labels.items():
            aliases = vars(label).get("aliases", ())
            kept = tuple(alias for alias in aliases if alias not in used)
            if "aliases" not in label.model_fields_set and kept != aliases:
                vars(self)[name] = label.model_copy(update={"aliases": kept})  # the model is frozen
        return self

    @cached_property
    def extra_by_resource(self) -> Makers:
        """Return the extra kinds as reviews name them, by group and resource."""
        return {(one.group, one.resource): one.maker for one in self.extra_kinds}

    @cached_property
    def extra_by_kind(self) -> Makers:
        """Return the extra kinds as manifests name them, by group and kind."""
        return {(one.group, one.kind): one.maker for one in self.extra_kinds}
