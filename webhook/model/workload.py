"""What the rules judge: a Pod, or the pod template inside an object that makes Pods."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from webhook.model.abbreviation import printable, shortened
from webhook.model.labels import LABEL_NAME
from webhook.model.pod_selector import PodSelector

DEFAULT_ACCOUNT = "default"  # of a Pod that names none
# How a label that is required has no value.
MISSING, EMPTY = "missing", "empty"


class Found(NamedTuple):
    """A label as it stands: under which of its names, with which value."""

    key: str
    value: str


def absence(value: str | None) -> str:
    """How a label with this value, None for a label that is not set, is absent: "missing" or "empty"; empty where it has a value."""
    return MISSING if value is None else "" if value else EMPTY


class Place(Struct, frozen=True):
    """Where pod labels stand inside an object.

    `path` is the field path of the metadata that carries them, as kubectl would print it: `metadata` for a Pod,
    `spec.template.metadata` for a Deployment. `account` is the ServiceAccount that the Pods made from here run under, and
    `host_network` whether they are in their node's network. `selector` is the one beside the template, which
    the labels must go on meeting. `not_text` has the labels of custom resources that are numbers or booleans, as JSON;
    among `labels` they are empty.
    """

    path: str
    labels: Mapping[str, str]
    host_network: bool = False
    account: str = DEFAULT_ACCOUNT
    selector: PodSelector | None = None
    not_text: Mapping[str, str] = {}

    def lack(self, key: str) -> str:
        """How a label is absent here: "missing", "empty" or no text; empty where it has a value."""
        return self.described(key, absence(self.labels.get(key)))

    def described(self, key: str, lack: str) -> str:
        """How a label is absent: `lack`, unless its value is a number or a boolean, which is called so with what to do."""
        written = self.not_text.get(key)
        if not lack or written is None:
            return lack
        kind = "boolean" if written in {"true", "false"} else "number"
        return f'the {kind} {written} and no text, so write it in quotes: "{written}"'

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
    """How a message names an object; no character of it can change how a terminal shows the lines around it."""
    kind, namespace, name = (shortened(printable(text)) for text in (kind, namespace, name))
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}".rstrip()


def label_field(key: str) -> str:
    """A label key as the tail of a field path: `.role`, or `['app.kubernetes.io/name']`."""
    return f".{key}" if key.replace("-", "_").isidentifier() else f"['{printable(key)}']"
