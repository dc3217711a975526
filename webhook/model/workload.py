"""Workloads, which rules check: Pods, and objects that make Pods from templates."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from webhook.model.abbreviation import printable, shortened
from webhook.model.labels import LABEL_NAME
from webhook.model.pod_selector import PodSelector

DEFAULT_ACCOUNT = "default"  # of a Pod that names none
# The ways in which a required label has no value.
MISSING, EMPTY = "missing", "empty"


class FoundLabel(NamedTuple):
    """A label that is set: its key, which may be an alias, and its value."""

    key: str
    value: str


def absence(value: str | None) -> str:
    """Return how a label with this value (None: not set) is absent: "missing" or "empty"; an empty string if it has a value."""
    return MISSING if value is None else "" if value else EMPTY


class LabelLocation(Struct, frozen=True):
    """The location of Pod labels inside an object.

    `path` is the field path of the metadata that carries them, as kubectl would print it: `metadata` for a Pod,
    `spec.template.metadata` for a Deployment. `account` is the ServiceAccount that the Pods made from here run under, and
    `host_network` whether they are in their node's network. `selector` is the one next to the template, which
    the labels must keep matching. `not_text` has the labels of custom resources that are numbers or booleans, as JSON;
    among `labels` they are empty.
    """

    path: str
    labels: Mapping[str, str]
    host_network: bool = False
    account: str = DEFAULT_ACCOUNT
    selector: PodSelector | None = None
    not_text: Mapping[str, str] = {}

    def lack(self, key: str) -> str:
        """Return how a label is absent here: "missing", "empty" or no text; empty where it has a value."""
        return self.described(key, absence(self.labels.get(key)))

    def described(self, key: str, lack: str) -> str:
        """Return how a label is absent: `lack`, or that its value is a number or a boolean, with the remedy."""
        written = self.not_text.get(key)
        if not lack or written is None:
            return lack
        kind = "boolean" if written in {"true", "false"} else "number"
        return f'the {kind} {written} instead of text; write it in quotes: "{written}"'

    @property
    def spec_path(self) -> str:
        """Return the field path before the fields of a Pod's spec: `spec.template.spec.`; an Argo Workflow has them next to `podMetadata`."""
        if self.path.endswith("podMetadata"):
            return self.path.removesuffix("podMetadata")
        return f"{self.path.removesuffix('metadata')}spec."

    def at(self, key: str) -> str:
        """Return the field path of one label here, in brackets where the key is no plain word."""
        return f"{self.path}.labels{label_field(key)}"


class Owner(Struct, frozen=True):
    """The controller that an object names in `metadata.ownerReferences`; the user may have forged it."""

    api_version: str
    kind: str
    name: str
    uid: str


class Scope(StrEnum):
    """The metadata that label rules read: that of the Pods, of the object that makes them, or both."""

    TEMPLATE = "template"
    OBJECT = "object"
    BOTH = "both"


class Workload(Struct, frozen=True):
    """A Pod, or an object that makes Pods.

    `name` falls back to `generateName` with a star: in the mutating phase a generated name does not exist yet.
    `places` has each pod template, or the Pod itself; empty if Pods are made from another object, which the field at
    `reference_path` names. `own` is the object's own metadata where that is not a Pod's.
    """

    kind: str
    namespace: str
    name: str
    places: tuple[LabelLocation, ...]
    owner: Owner | None = None
    mirror: bool = False
    own: LabelLocation | None = None
    reference_path: str = ""
    uid: str = ""

    def labelled(self, scope: Scope) -> tuple[LabelLocation, ...]:
        """Return the locations that must have labels; a Pod has one location."""
        if self.own is None or scope is Scope.TEMPLATE:
            return self.places
        return (self.own,) if scope is Scope.OBJECT else (self.own, *self.places)

    @property
    def reference(self) -> str:
        """Return how a message names the object: `Deployment shop/web`."""
        return reference(self.kind, self.namespace, self.name)

    @property
    def label_from_name(self) -> str | None:
        """Return the object's name if it is a valid label value; else None."""
        stem = self.name.rstrip("-*.")
        return stem if LABEL_NAME.fullmatch(stem) else None


class Relabelling(Struct, frozen=True):
    """The labels of a Pod before and after an UPDATE, the only change of a running Pod that rules check."""

    before: LabelLocation
    after: LabelLocation
    kind: str = "Pod"


def reference(kind: str, namespace: str, name: str) -> str:
    """Return the name of an object in messages, without characters that affect a terminal."""
    kind, namespace, name = (shortened(printable(text)) for text in (kind, namespace, name))
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}".rstrip()


def label_field(key: str) -> str:
    """Return a label key as the tail of a field path: `.role`, or `['app.kubernetes.io/name']`."""
    return f".{key}" if key.replace("-", "_").isidentifier() else f"['{printable(key)}']"
