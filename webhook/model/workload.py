"""What the rules judge: a Pod, or the pod template inside an object that makes Pods."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from webhook.model.abbreviation import shortened
from webhook.model.labels import LABEL_NAME

DEFAULT_ACCOUNT = "default"  # of a Pod that names none


class Found(NamedTuple):
    """A label as it stands: under which of its names, with which value."""

    key: str
    value: str


class Lack(NamedTuple):
    """A label that says nothing: under which name it should, and whether it is missing, empty or no text.

    `meant` is the text that it would be in quotes.
    """

    key: str
    how: str
    meant: str = ""


class Place(Struct, frozen=True):
    """Where pod labels stand inside an object.

    `path` is the field path of the metadata that carries them, as kubectl would print it: `metadata` for a Pod,
    `spec.template.metadata` for a Deployment. `account` is the ServiceAccount that the Pods made from here run under, and
    `host_network` whether they are in their node's network. `not_text` has the labels of custom resources that are numbers or booleans, as JSON; among
    `labels` they are empty.
    """

    path: str
    labels: Mapping[str, str]
    host_network: bool = False
    account: str = DEFAULT_ACCOUNT
    not_text: Mapping[str, str] = {}

    def find(self, keys: Iterable[str]) -> Found | None:
        """The first of `keys` that is set here, even to the empty string; None where none is."""
        for key in keys:
            value = self.labels.get(key)
            if value is not None:
                return Found(key, value)
        return None

    def lack(self, keys: Sequence[str]) -> Lack | None:
        """Why no label of `keys` says anything here; None where one does."""
        found = self.find(keys)
        if found is None:
            return Lack(keys[0], "missing")
        if found.key in self.not_text:
            written = self.not_text[found.key]
            kind = "boolean" if written in {"true", "false"} else "number"
            return Lack(found.key, f'the {kind} {written} and no text, so write it in quotes: "{written}"', written)
        return None if found.value else Lack(found.key, "empty")

    @property
    def spec_path(self) -> str:
        """The field path before the fields of a Pod's spec: `spec.template.spec.`; an Argo Workflow has them beside `podMetadata`."""
        if self.path.endswith("podMetadata"):
            return self.path.removesuffix("podMetadata")
        return f"{self.path.removesuffix('metadata')}spec."

    def at(self, key: str) -> str:
        """The field path of one label here, in brackets where the key is no plain word."""
        return f"{self.path}.labels{label_field(key)}"


class Owner(Struct, frozen=True):
    """The controller that an object names in `metadata.ownerReferences`; the user may have forged it."""

    api_version: str
    kind: str
    name: str
    uid: str


class Scope(StrEnum):
    """Whose metadata the rules about labels read: the Pods' own, or that of what makes them."""

    TEMPLATE = "template"
    OBJECT = "object"
    BOTH = "both"


class Workload(Struct, frozen=True):
    """One object that is, or that makes, Pods.

    `name` falls back to `generateName` with a star: in the mutating phase a generated name does not exist yet.
    `places` has each pod template, or the Pod itself; none where Pods are made from what another object says, which
    `reference_path` names. `own` is the object's own metadata where that is not a Pod's.
    """

    kind: str
    namespace: str
    name: str
    places: tuple[Place, ...]
    owner: Owner | None = None
    mirror: bool = False
    own: Place | None = None
    reference_path: str = ""
    uid: str = ""

    def labelled(self, scope: Scope) -> tuple[Place, ...]:
        """The places that must carry labels; a Pod is the one place of its own."""
        if self.own is None or scope is Scope.TEMPLATE:
            return self.places
        return (self.own,) if scope is Scope.OBJECT else (self.own, *self.places)

    @property
    def reference(self) -> str:
        """How a message names the object: `Deployment shop/web`."""
        return reference(self.kind, self.namespace, self.name)

    @property
    def label_from_name(self) -> str | None:
        """The object's name where it would do as a label value; None where it would not."""
        stem = self.name.rstrip("-*.")
        return stem if LABEL_NAME.fullmatch(stem) else None


class Relabelling(Struct, frozen=True):
    """A Pod's labels before and after a change; no other change of a Pod that runs concerns a rule."""

    before: Place
    after: Place
    kind: str = "Pod"


def reference(kind: str, namespace: str, name: str) -> str:
    """How a message names an object."""
    name = shortened(name)
    return f"{kind} {shortened(namespace)}/{name}" if namespace else f"{kind} {name}"


def label_field(key: str) -> str:
    """A label key as the tail of a field path: `.role`, or `['app.kubernetes.io/name']`."""
    return f".{key}" if key.replace("-", "_").isidentifier() else f"['{key}']"
