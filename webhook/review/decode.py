"""The bytes of an AdmissionReview to a request; every fault of the review becomes a `BadReview` with its path."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from webhook.model.kinds import BY_RESOURCE, LABELLING_SUBRESOURCE, NETWORK_POLICIES, POD, PodMaker
from webhook.model.request import Operation, PolicyObject, Request, Target, User
from webhook.review.objects import decode_json, named_from, templates_differ, workload_from

NAMESPACES = ("", "namespaces")
NULL = b"null"
# What decoding raises for JSON that is none, that is not UTF-8, or that is nested too deeply.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class BadReview(Exception):  # noqa: N818 (the review is bad, not the program)
    """The review breaks the protocol; the message says where, as a path from `$`, and how."""


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
    groups: list[str] | None = None


class AdmissionRequest(Struct, rename="camel"):
    """`request`, as far as we read it."""

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


class AdmissionReview(Struct, rename="camel"):
    """The envelope; https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/."""

    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: AdmissionRequest


class Kind(Struct):
    """An object's own word on what it is."""

    kind: str = ""


REVIEW = msgspec.json.Decoder(AdmissionReview)


def decode(body: bytes) -> Request:
    """One request from the body of a POST; raises BadReview."""
    try:
        review = REVIEW.decode(body)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "$")) from None
    return parse(review.request)


def parse(request: AdmissionRequest) -> Request:
    """The wire's request as ours."""
    if not request.uid:
        raise BadReview("request.uid is empty")
    resource = (request.resource.group, request.resource.resource)
    parsed = Request(
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
    if resource in NETWORK_POLICIES and not request.sub_resource and request.operation is not Operation.CONNECT:
        return with_policy(parsed, request)
    if not changes_labels(request, resource):
        return parsed
    if resource == NAMESPACES:
        return with_namespace(parsed, request)
    maker = BY_RESOURCE.get(resource)
    return with_workload(parsed, request, maker) if maker else parsed


def changes_labels(request: AdmissionRequest, resource: tuple[str, str]) -> bool:
    """Whether a request can bring labels that a rule speaks of."""
    if request.operation is Operation.UPDATE and resource == (POD.group, POD.resource):
        return request.sub_resource in {"", LABELLING_SUBRESOURCE}
    return not request.sub_resource and request.operation in {Operation.CREATE, Operation.UPDATE}


def with_namespace(parsed: Request, request: AdmissionRequest) -> Request:
    """The request with its namespace object."""
    check_kind(request, "Namespace")
    try:
        namespace = named_from(request.object, decode_json)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "request.object")) from None
    return msgspec.structs.replace(parsed, namespace=namespace)


def with_policy(parsed: Request, request: AdmissionRequest) -> Request:
    """The request with what it says of a network policy; a DELETE carries it as the old object only."""
    found = []
    for path, source in (("request.object", request.object), ("request.oldObject", request.old_object)):
        try:
            found.append(None if bytes(source) == NULL else named_from(source, decode_json))
        except UNDECODABLE as bad:
            raise BadReview(fault(bad, path)) from None
    new, old = found
    if new is None and old is None:
        raise BadReview(f"request.object: a {request.operation} carries an object, got null")
    name = next((one.name for one in (new, old) if one is not None and one.name), request.name)
    policy = PolicyObject(name=name, labels=new.labels if new else {}, before=old.labels if old else {})
    return msgspec.structs.replace(parsed, policy=policy)


def with_workload(parsed: Request, request: AdmissionRequest, maker: PodMaker) -> Request:
    """The request with its workload, and with what stood before an UPDATE."""
    check_kind(request, maker.kind)
    try:
        workload = workload_from(maker, request.object, decode_json)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "request.object")) from None
    if not workload.namespace:  # a bare manifest leaves it to the URL
        workload = msgspec.structs.replace(workload, namespace=request.namespace)
    if request.operation is Operation.CREATE:
        return msgspec.structs.replace(parsed, workload=workload)
    if bytes(request.old_object) == NULL:
        raise BadReview("request.oldObject: an UPDATE carries the object as it was, got null")
    try:
        before = workload_from(maker, request.old_object, decode_json)
        changed = templates_differ(maker, request.object, request.old_object)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "request.oldObject")) from None
    return msgspec.structs.replace(parsed, workload=workload, before=before, template_changed=changed)


def check_kind(request: AdmissionRequest, expected: str) -> None:
    """The resource, the request's kind and the object's own kind must tell one story."""
    if bytes(request.object) == NULL:
        raise BadReview(f"request.object: a {request.operation} carries an object, got null")
    if request.kind.kind != expected:
        raise BadReview(
            f"request.kind.kind: {request.resource.resource} are of kind {expected}, got {request.kind.kind!r}"
        )
    try:
        own = decode_json(request.object, Kind).kind
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "request.object")) from None
    if own != expected:
        raise BadReview(f"request.object.kind: expected {expected!r}, got {own!r}")


def fault(bad: Exception, root: str) -> str:
    """A decoder's complaint with the path first: `request.uid: expected str, got int`."""
    if isinstance(bad, RecursionError):
        return f"{root.removeprefix('$') or 'body'}: nested too deeply"
    if isinstance(bad, UnicodeDecodeError):
        return f"{root.removeprefix('$') or 'body'}: not UTF-8"
    says, _, path = str(bad).partition(" - at `")
    where = path.rstrip("`").replace("$", root, 1).removeprefix("$").removeprefix(".") or root.removeprefix("$")
    return f"{where or 'body'}: {says}"
