"""Decode the bytes of an AdmissionReview into a request; each fault becomes a `BadReview` with its path."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from webhook.model.kinds import (
    BINDINGS,
    BY_RESOURCE,
    CONFIGMAPS,
    LABELLING_SUBRESOURCES,
    NAMESPACES,
    NO_EXTRA_KINDS,
    POLICY_RESOURCES,
    Makers,
    PodMaker,
)
from webhook.model.names import POLICY_CONFIGMAP, POLICY_CONFIGMAP_KEY
from webhook.model.request import Document, NamespaceObject, Operation, PolicyObject, Request, Target, User
from webhook.model.workload import Workload
from webhook.netpol.reading import read_json
from webhook.review.numbers import LONGEST_NUMBER, has_long_number
from webhook.review.objects import decode_json, named_from, only_restarted, templates_differ, workload_from
from webhook.syntax.misfits import misfit, undecodable

NULL = b"null"
# Up to this size of both objects together, a number of any length takes 0.1 ms at most.
SMALL = 1 << 15
# The exceptions of decoding for a text that is not JSON, not UTF-8, or nested too deeply.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class BadReview(Exception):  # noqa: N818 (the review is bad, not the program)
    """The review breaks the protocol; the message gives the path from `$` and the fault."""


class GroupVersionKind(Struct):
    """`request.kind`."""

    kind: str
    group: str = ""
    version: str = ""


class GroupVersionResource(Struct):
    """`request.resource`."""

    resource: str
    group: str = ""
    version: str = ""


class UserInfo(Struct):
    """`request.userInfo`."""

    username: str = ""
    uid: str = ""
    groups: list[str] | None = None


class AdmissionRequest(Struct, rename="camel"):
    """`request`, as far as catflap reads it."""

    uid: str
    kind: GroupVersionKind
    resource: GroupVersionResource
    operation: Operation
    user_info: UserInfo
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    dry_run: bool | None = None
    object: Raw = Raw(NULL)
    old_object: Raw = Raw(NULL)

    @property
    def size(self) -> int:
        """Return the number of bytes of JSON in both objects together."""
        return len(bytes(self.object)) + len(bytes(self.old_object))


class AdmissionReview(Struct, rename="camel"):
    """The envelope; https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/."""

    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: AdmissionRequest


class Kind(Struct):
    """The kind that an object names itself."""

    kind: str = ""


class ConfigMap(Struct):
    """The part of a ConfigMap that catflap reads."""

    data: dict[str, str] | None = None


REVIEW = msgspec.json.Decoder(AdmissionReview)


def decode(body: bytes, extra: Makers = NO_EXTRA_KINDS) -> Request:
    """Return the request in the body of a POST; `extra` has the policy file's own kinds.  Raises BadReview."""
    return parse(envelope(body), extra)


def envelope(body: bytes) -> AdmissionRequest:
    """Return the request in a POST with undecoded objects; 1 MiB takes 2 ms at most.  Raises BadReview."""
    try:
        request = REVIEW.decode(body).request
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "$")) from None
    if not request.uid:
        raise BadReview("request.uid is empty")
    return request


def without_objects(request: AdmissionRequest) -> Request:
    """Return the user, the operation and the target of a request, without its objects."""
    return Request(
        uid=request.uid,
        operation=request.operation,
        user=User(request.user_info.username, tuple(request.user_info.groups or ())),
        target=Target(
            group=request.resource.group,
            version=request.resource.version,
            resource=request.resource.resource,
            subresource=request.sub_resource,
            kind=request.kind.kind,
            namespace=request.namespace,
            name=request.name,
        ),
        dry_run=bool(request.dry_run),
    )


def parse(request: AdmissionRequest, extra: Makers) -> Request:
    """Return the request with its objects as values.  Raises BadReview."""
    parsed, resource = without_objects(request), (request.resource.group, request.resource.resource)
    check_numbers(request)
    if resource in POLICY_RESOURCES and not request.sub_resource and request.operation is not Operation.CONNECT:
        return with_policy(parsed, request)
    if (*resource, request.sub_resource) in BINDINGS and request.operation is Operation.CREATE:
        return msgspec.structs.replace(parsed, bound_labels=named(request.object, "request.object").labels)
    if resource == CONFIGMAPS and request.operation is not Operation.CONNECT and not request.sub_resource:
        return with_policy_file(parsed, request)
    if not changes_labels(request, resource):
        return parsed
    if resource == NAMESPACES:
        return with_namespace(parsed, request)
    maker = BY_RESOURCE.get(resource) or extra.get(resource)
    return with_workload(parsed, request, maker) if maker else parsed


def changes_labels(request: AdmissionRequest, resource: tuple[str, str]) -> bool:
    """Return whether a request can set labels that a rule checks."""
    if request.sub_resource:
        by_way = LABELLING_SUBRESOURCES.get(resource, ())
        return request.operation is Operation.UPDATE and request.sub_resource in by_way
    return request.operation in {Operation.CREATE, Operation.UPDATE}


def with_namespace(parsed: Request, request: AdmissionRequest) -> Request:
    """Return the request with its namespace object, and with the namespace before an UPDATE."""
    check_kind(request, "Namespace")
    new = named(request.object, "request.object")
    old = None if request.operation is Operation.CREATE else named(request.old_object, "request.oldObject")
    return msgspec.structs.replace(parsed, namespace=new, namespace_before=old)


def with_policy_file(parsed: Request, request: AdmissionRequest) -> Request:
    """Return the request with the policy file that its ConfigMap contains, or that a DELETE removes.

    The function reads nothing of any other ConfigMap.
    """
    if request.operation is Operation.DELETE:
        return msgspec.structs.replace(parsed, policy_file_deleted=request.name == POLICY_CONFIGMAP)
    check_kind(request, "ConfigMap")
    if named(request.object, "request.object").name != POLICY_CONFIGMAP:
        return parsed
    before = None if bytes(request.old_object) == NULL else held(request.old_object, "request.oldObject")
    return msgspec.structs.replace(
        parsed, policy_file=held(request.object, "request.object"), policy_file_before=before
    )


def held(source: Raw, path: str) -> str:
    """Return the policy file in a ConfigMap; empty if it has none, and an empty text is no policy."""
    try:
        data = decode_json(source, ConfigMap).data or {}
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, path)) from None
    return str(data.get(POLICY_CONFIGMAP_KEY, ""))


def with_policy(parsed: Request, request: AdmissionRequest) -> Request:
    """Return the request with its network policy; a DELETE carries the policy as the old object only."""
    new, old = (
        None if bytes(source) == NULL else policy_object(parsed.target, source, path, request.operation)
        for path, source in (("request.object", request.object), ("request.oldObject", request.old_object))
    )
    if new is None and old is None:
        raise BadReview(f"request.object: a {request.operation} must contain an object, got null")
    return msgspec.structs.replace(parsed, policy=new or old, policy_before=old)


def policy_object(target: Target, source: Raw, path: str, operation: Operation) -> PolicyObject:
    """Return a network policy with the traffic that it allows, except for a DELETE."""
    found = named(source, path)
    said = PolicyObject(target.kind, target.namespace, found.name or target.name, found.labels)
    if operation is Operation.DELETE:
        return said
    try:
        contents = read_json((target.group, target.resource), bytes(source))
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, path)) from None
    return contents.added_to(said)


def named(source: Raw, path: str) -> NamespaceObject:
    """Return the name and the labels of an object."""
    try:
        return named_from(source, decode_json)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, path)) from None


def with_workload(parsed: Request, request: AdmissionRequest, maker: PodMaker) -> Request:
    """Return the request with its workload, and with the workload before an UPDATE."""
    if maker.custom:  # the API server knows the kind; the kind in the policy file is for manifests
        maker = maker._replace(kind=request.kind.kind)
    check_kind(request, maker.kind)
    try:
        workload = placed(workload_from(maker, request.object, decode_json), request.namespace)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "request.object")) from None
    if request.operation is Operation.CREATE:
        document = Document(request.object, user_uid=request.user_info.uid)
        return msgspec.structs.replace(parsed, workload=workload, document=document)
    if bytes(request.old_object) == NULL:
        raise BadReview("request.oldObject: an UPDATE must contain the old object, got null")
    try:
        before = placed(workload_from(maker, request.old_object, decode_json), request.namespace)
        changed = templates_differ(maker, request.object, request.old_object)
        restarted = changed and only_restarted(maker, request.object, request.old_object)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "request.oldObject")) from None
    document = Document(request.object, request.old_object, request.user_info.uid)
    return msgspec.structs.replace(
        parsed, workload=workload, before=before, template_changed=changed, restarted=restarted, document=document
    )


def check_numbers(request: AdmissionRequest) -> None:
    """Check that no number is longer than the API server writes; numbers in small objects cost nothing."""
    if request.size <= SMALL:
        return
    for path, source in (("request.object", request.object), ("request.oldObject", request.old_object)):
        if has_long_number(bytes(source)):
            raise BadReview(f"{path}: a number has more than {LONGEST_NUMBER} characters")


def placed(workload: Workload, namespace: str) -> Workload:
    """Return a workload in the namespace of its request, because a bare manifest leaves it to the URL."""
    return workload if workload.namespace else msgspec.structs.replace(workload, namespace=namespace)


def check_kind(request: AdmissionRequest, expected: str) -> None:
    """Check that the resource, the request's kind and the object's own kind agree."""
    if bytes(request.object) == NULL:
        raise BadReview(f"request.object: a {request.operation} must contain an object, got null")
    if request.kind.kind != expected:
        raise BadReview(
            f"request.kind.kind: {request.resource.resource} must have the kind {expected}, got {request.kind.kind!r}"
        )
    try:
        own = decode_json(request.object, Kind).kind
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "request.object")) from None
    if own != expected:
        raise BadReview(f"request.object.kind: expected {expected!r}, got {own!r}")


def fault(bad: Exception, root: str) -> str:
    """Return a decoder's complaint with the path first, such as `request.uid: expected text, got a number`."""
    where = root.removeprefix("$")
    if not isinstance(bad, msgspec.ValidationError):
        return f"{where or 'body'}: {undecodable(bad)}"
    found = misfit(bad)
    return f"{'.'.join(filter(None, (where, found.place))) or 'body'}: {found.words()}"
