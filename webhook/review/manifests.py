"""Convert manifests of people and tools to the values that rules read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from webhook.model.abbreviation import printable
from webhook.model.kinds import (
    BY_KIND,
    CALICO_STORAGE,
    NO_EXTRA_KINDS,
    PLAIN,
    POLICIES_BY_KIND,
    Makers,
    PodMaker,
    PolicyKind,
)
from webhook.model.request import Document, Operation, PolicyObject, Request, Target, User
from webhook.model.rule import API_SERVER, RefusedLabel, Violation
from webhook.model.workload import Workload, reference
from webhook.netpol import reading
from webhook.review.kubernetes_objects import LabelledObject, convert
from webhook.review.metadata import MetadataError, rejected_labels, wrong_selectors, wrong_types
from webhook.review.type_meta import (
    KIND_NOTES,
    NAMELESS_KINDS,
    TypeMetaError,
    missing_type_meta,
    not_a_mapping,
    wrong_type_meta,
)
from webhook.review.unknown_kinds import not_judged, other_template, version_note
from webhook.review.workloads import workload_from
from webhook.syntax.documents import BadManifestError, LocatedObject, documents
from webhook.syntax.type_errors import TypeMismatch, all_mismatches, invalid_json_message, type_mismatch
from webhook.syntax.yaml_composer import YamlPosition

__all__ = ["BadManifestError", "Manifest", "NotKubernetesError", "create_request", "documents", "read"]

PREVIEW_USER = User(name="system:offline")
KUBELET = User(name="system:node:any", groups=("system:nodes",))
DECODE_ERRORS = (msgspec.ValidationError, RecursionError, UnicodeError)


class BadValuesError(BadManifestError):
    """Some values do not fit their fields; the messages quote the values as the file writes them."""

    def __init__(self, whose: str, faults: Sequence[MetadataError | TypeMismatch]) -> None:
        self.whose = whose
        self.faults = faults
        super().__init__("; ".join(self.said(fault, None) for fault in faults), path=faults[0].path)

    def said(self, fault: MetadataError | TypeMismatch, written: str | None) -> str:
        """Return the message about one fault; `written` is the value in the file if it has no quotes there."""
        return ": ".join(filter(None, (self.whose, fault.place, fault.words(written))))

    def each(self, found: LocatedObject) -> Iterator[tuple[YamlPosition | None, str]]:
        """Yield each fault with its place."""
        for fault in self.faults:
            place = found.place(fault.path)
            yield place, self.said(fault, found.written(fault.path))


class NotKubernetesError(BadManifestError):
    """A document lacks apiVersion or kind; it is another program's file."""


class Manifest(Struct, frozen=True):
    """One object of a file; `workload` is set if it is or makes Pods, `policy` if it is a network policy.

    `resource` is its plural if rules may judge it. `document` is the whole object of a workload. `not_judged` says why no
    rule judges an object that makes Pods or opens networks. `notes` are further notes for the user, and `refused` are the
    labels that the API server would refuse.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    workload: Workload | None = None
    policy: PolicyObject | None = None
    resource: str = ""
    document: Document | None = None
    not_judged: str = ""
    notes: tuple[str, ...] = ()
    refused: tuple[MetadataError, ...] = ()

    @property
    def reference(self) -> str:
        """Return the name of the object in messages, such as `Deployment shop/web`."""
        return reference(self.kind, self.namespace, self.name)

    @property
    def subject(self) -> Workload | PolicyObject | None:
        """Return the object that rules may judge."""
        return self.workload or self.policy


def read(document: Any, *, default_namespace: str, extra: Makers = NO_EXTRA_KINDS) -> Manifest:
    """Return the object in a document; `extra` has the policy file's own kinds.  Raises BadManifestError."""
    in_head = type_meta_errors(document)
    api_version, kind = document["apiVersion"], document["kind"]
    group = api_version.rpartition("/")[0]
    maker = BY_KIND.get((group, kind)) or extra.get((group, kind))
    metadata = document.get("metadata") or {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    namespace = metadata.get("namespace") or ""
    known = POLICIES_BY_KIND.get((group, kind))
    in_selectors = wrong_selectors(document) if known is not None and known.group == PLAIN else ()
    if wrong := (*in_head, *wrong_types(document, maker), *in_selectors):
        named = {fault.path for fault in wrong}
        others = all_mismatches(document, partial(convert_as, maker=maker, known=known)) if maker or known else []
        raise BadValuesError(owner_of(document), (*wrong, *(one for one in others if one.path not in named)))
    found = Manifest(
        api_version,
        kind,
        namespace,
        name,
        notes=tuple(notes_on(api_version, kind, name, judged=maker is not None or known is not None)),
        refused=tuple(rejected_labels(document, maker)),
    )
    if known is not None:
        namespaced = (namespace or default_namespace) if known.namespaced else ""
        policy = policy_from(known, namespaced, name, document)
        return msgspec.structs.replace(found, namespace=namespaced, policy=policy, resource=known.resource)
    if maker is None:
        return msgspec.structs.replace(found, not_judged=printable(not_judged(document, api_version, kind, extra)))
    workload = manifest_workload(maker, document, printable(f"{kind} {name}".strip()))
    workload = msgspec.structs.replace(workload, namespace=namespace or default_namespace)
    return msgspec.structs.replace(
        found,
        namespace=workload.namespace,
        name=workload.name,
        workload=workload,
        resource=maker.resource,
        not_judged=printable(other_template(document, kind, maker.templates)) if (group, kind) in extra else "",
        document=Document(
            with_namespace(document, workload.namespace), is_preview=True, is_offline="uid" not in metadata
        ),
    )


def type_meta_errors(document: Any) -> tuple[TypeMetaError, ...]:
    """Return the faults of an object's names, after a check of its kind and its metadata.  Raises BadManifestError."""
    if not isinstance(document, dict):
        raise NotKubernetesError(not_a_mapping(document))
    if lacking := missing_type_meta(document):
        raise NotKubernetesError(f"not a Kubernetes object: {lacking}")
    found = tuple(wrong_type_meta(document))
    if any(len(fault.path) == 1 for fault in found):
        raise BadValuesError(owner_of(document), found)
    return found


def owner_of(document: Mapping[str, Any]) -> str:
    """Return the kind and the name of an object, as far as they are text."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return printable(" ".join(word for word in (document["kind"], name) if isinstance(word, str) and word))


def notes_on(api_version: str, kind: str, name: str, *, judged: bool) -> Iterator[str]:
    """Yield notes on the head of an object; only judged kinds need a name, because some others have none."""
    if note := version_note(api_version, kind):
        yield printable(note)
    if instead := KIND_NOTES.get((api_version.rpartition("/")[0], kind)):
        yield instead
    if judged and not name:
        yield NAMELESS_KINDS


def manifest_workload(maker: PodMaker, document: dict[str, Any], reference: str) -> Workload:
    """Return the workload in a document; raises BadManifestError."""
    try:
        return workload_from(maker, document)
    except DECODE_ERRORS as bad:
        raise unreadable_error(reference, bad, document, partial(convert_as, maker=maker)) from None


def convert_as(document: dict[str, Any], *, maker: PodMaker | None = None, known: PolicyKind | None = None) -> None:
    """Check that an object has the shape of its kind.  Raises msgspec.ValidationError."""
    if maker is not None:
        workload_from(maker, document)
    elif known is not None:
        convert(document, LabelledObject)
        if known.group != CALICO_STORAGE:  # its API server checks no types
            convert(document, reading.shape_of((known.group, known.resource)))


def unreadable_error(
    reference: str, bad: Exception, document: dict[str, Any], reads: Callable[[Any], Any]
) -> BadManifestError:
    """Return the error for an object that has another shape than its kind, or that JSON cannot express."""
    if isinstance(bad, msgspec.ValidationError):
        return BadValuesError(reference, all_mismatches(document, reads) or [type_mismatch(bad, document)])
    return BadManifestError(f"{reference}: {invalid_json_message(bad)}")


def with_namespace(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return an object with the namespace in which it is created, as the API server records it."""
    metadata = document.get("metadata") or {}
    return {**document, "metadata": {**metadata, "namespace": namespace}} if namespace else document


def policy_from(kind: PolicyKind, namespace: str, name: str, document: dict[str, Any]) -> PolicyObject:
    """Return a network policy with the traffic that it allows; raises BadManifestError."""
    try:
        convert_as(document, known=kind)
        labels = convert(document, LabelledObject).labels
        contents = reading.read((kind.group, kind.resource), document)
    except DECODE_ERRORS as bad:
        raise unreadable_error(f"{kind.kind} {name}".strip(), bad, document, partial(convert_as, known=kind)) from None
    return contents.added_to(PolicyObject(kind.kind, namespace, name, labels))


def refused_by_api_server(manifest: Manifest, found: LocatedObject) -> tuple[RefusedLabel, ...]:
    """Return the labels of a manifest that the API server refuses; `found` gives their spelling in the file."""
    return tuple(
        RefusedLabel(
            Violation(API_SERVER, fault.place, fault.words(written), fault.remedy(written)),
            always_named=fault.is_template,
        )
        for fault, written in ((one, found.written(one.path)) for one in manifest.refused)
    )


def create_request(manifest: Manifest) -> Request:
    """Return the request that would create the manifest's object.

    The kubelet reports a stored static Pod, and no admission stops it (kubernetes, pkg/kubelet/pod/mirror_client.go).
    """
    mirror = manifest.workload is not None and manifest.workload.mirror
    is_reported = mirror and manifest.document is not None and not manifest.document.is_offline
    group, _, version = manifest.api_version.rpartition("/")
    return Request(
        uid="offline",
        operation=Operation.CREATE,
        user=KUBELET if is_reported else PREVIEW_USER,
        target=Target(
            group=group,
            version=version,
            resource=manifest.resource,
            subresource="",
            kind=manifest.kind,
            namespace=manifest.namespace,
            name=manifest.name,
        ),
        workload=manifest.workload,
        policy=manifest.policy,
        document=manifest.document,
    )
