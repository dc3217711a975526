"""Decode the bytes of an AdmissionReview into a request; each fault becomes a `BadReview` with its path."""

import re
from typing import Final

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
from webhook.model.request import Document, NamespaceObject, Operation, PolicyObject, Request, Target
from webhook.model.workload import Workload
from webhook.netpol.reading import read_json
from webhook.review.envelope import UNDECODABLE, AdmissionRequest, BadReview, envelope, fault, without_objects
from webhook.review.kubernetes_objects import NULL, KubernetesObject, decode_json
from webhook.review.template_changes import is_restart, templates_differ
from webhook.review.workloads import DecodedWorkload, decode_workload

# Up to this size of both objects together, a number of any length takes 0.1 ms at most.
SMALL = 1 << 15
# The largest float64 has 309 digits before the point, the smallest has 324 zeros after it (IEEE 754, binary64). The API
# server writes 25 characters at most (Go, encoding/json: floatEncoder).
LONGEST_NUMBER: Final = 400
# This table turns every byte of a number into a digit, and every other byte into a blank.
_DIGITS: Final = bytes(ord("0") if byte in b"+-.0123456789eE" else ord(" ") for byte in range(256))
_RUN: Final = b"0" * (LONGEST_NUMBER + 1)
# A text, or a number.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[-+.0-9eE]+', re.DOTALL)


class ConfigMap(Struct):
    """The part of a ConfigMap that catflap reads."""

    data: dict[str, str] | None = None


def decode(body: bytes, extra: Makers = NO_EXTRA_KINDS) -> Request:
    """Return the request in the body of a POST; `extra` has the policy file's own kinds.  Raises BadReview."""
    found = envelope(body)
    return with_objects(without_objects(found), found, extra)


def with_objects(parsed: Request, request: AdmissionRequest, extra: Makers) -> Request:
    """Return a parsed request with its objects as values, from the undecoded objects of `request`.  Raises BadReview."""
    resource = (request.resource.group, request.resource.resource)
    check_numbers(request)
    if resource in POLICY_RESOURCES and not request.sub_resource and request.operation is not Operation.CONNECT:
        return with_policy(parsed, request)
    if (*resource, request.sub_resource) in BINDINGS and request.operation is Operation.CREATE:
        binding = decode_object(request.object, "request.object")
        return msgspec.structs.replace(parsed, bound_labels=binding.labels)
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
    new = decode_kind(request, "Namespace")
    old = None
    if request.operation is not Operation.CREATE:
        old = namespace_object(decode_object(request.old_object, "request.oldObject"))
    return msgspec.structs.replace(parsed, namespace=namespace_object(new), namespace_before=old)


def namespace_object(found: KubernetesObject) -> NamespaceObject:
    """Return the name and the labels of a namespace."""
    return NamespaceObject(name=found.name, labels=found.labels)


def with_policy_file(parsed: Request, request: AdmissionRequest) -> Request:
    """Return the request with the policy file that its ConfigMap contains, or that a DELETE removes.

    The function reads nothing of any other ConfigMap.
    """
    if request.operation is Operation.DELETE:
        # The deletion of a collection has a review for each object, without a name.
        name = request.name or decode_object(request.old_object, "request.oldObject").name
        return msgspec.structs.replace(parsed, policy_file_deleted=name == POLICY_CONFIGMAP)
    if decode_kind(request, "ConfigMap").name != POLICY_CONFIGMAP:
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
    found = decode_object(source, path)
    said = PolicyObject(target.kind, target.namespace, found.name or target.name, found.labels)
    if operation is Operation.DELETE:
        return said
    try:
        contents = read_json((target.group, target.resource), bytes(source))
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, path)) from None
    return contents.added_to(said)


def decode_object(source: Raw, path: str) -> KubernetesObject:
    """Return the kind and the metadata of an object."""
    try:
        found: KubernetesObject = decode_json(source, KubernetesObject)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, path)) from None
    return found


def with_workload(parsed: Request, request: AdmissionRequest, maker: PodMaker) -> Request:
    """Return the request with its workload, and with the workload before an UPDATE."""
    if maker.custom:  # the API server knows the kind; the kind in the policy file is for manifests
        maker = maker._replace(kind=request.kind.kind)
    check_target(request, maker.kind)
    new = decoded_workload(maker, request.object, "request.object")
    check_own_kind(new.kind, maker.kind)
    parsed = msgspec.structs.replace(parsed, workload=placed(new.workload, request.namespace))
    if request.operation is Operation.CREATE:
        return msgspec.structs.replace(parsed, document=Document(request.object, user_uid=request.user_info.uid))
    if bytes(request.old_object) == NULL:
        raise BadReview("request.oldObject: an UPDATE must contain the old object, got null")
    old = decoded_workload(maker, request.old_object, "request.oldObject", like=new)
    try:
        changed = templates_differ(maker, new, old)
        restarted = changed and is_restart(maker, new, old)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, "request.oldObject")) from None
    before, document = (
        placed(old.workload, request.namespace),
        Document(request.object, request.old_object, request.user_info.uid),
    )
    return msgspec.structs.replace(
        parsed, before=before, template_changed=changed, restarted=restarted, document=document
    )


def decoded_workload(
    maker: PodMaker, source: Raw, path: str, *, like: DecodedWorkload | None = None
) -> DecodedWorkload:
    """Return the workload in an object.  Raises BadReview."""
    try:
        return decode_workload(maker, source, like=like)
    except UNDECODABLE as bad:
        raise BadReview(fault(bad, path)) from None


def check_numbers(request: AdmissionRequest) -> None:
    """Check that no number is longer than the API server writes; numbers in small objects cost nothing."""
    if request.size <= SMALL:
        return
    for path, source in (("request.object", request.object), ("request.oldObject", request.old_object)):
        if has_long_number(bytes(source)):
            raise BadReview(f"{path}: a number has more than {LONGEST_NUMBER} characters")


def has_long_number(source: bytes) -> bool:
    """Return whether a JSON text has a number of more than 400 characters outside of its texts.

    The time is proportional to the size.
    """
    if _RUN not in source.translate(_DIGITS):
        return False
    return any(
        found.end() - found.start() > LONGEST_NUMBER and source[found.start()] != ord('"')
        for found in _TOKEN.finditer(source)
    )


def placed(workload: Workload, namespace: str) -> Workload:
    """Return a workload in the namespace of its request, because a bare manifest leaves it to the URL."""
    return workload if workload.namespace else msgspec.structs.replace(workload, namespace=namespace)


def decode_kind(request: AdmissionRequest, expected: str) -> KubernetesObject:
    """Return the kind and the metadata of the object, whose kind must be the expected one."""
    check_target(request, expected)
    found = decode_object(request.object, "request.object")
    check_own_kind(found.kind, expected)
    return found


def check_target(request: AdmissionRequest, expected: str) -> None:
    """Check that there is an object, and that the resource and the request's kind agree."""
    if bytes(request.object) == NULL:
        raise BadReview(f"request.object: a {request.operation} must contain an object, got null")
    if request.kind.kind != expected:
        raise BadReview(
            f"request.kind.kind: {request.resource.resource} must have the kind {expected}, got {request.kind.kind!r}"
        )


def check_own_kind(own: str, expected: str) -> None:
    """Check the kind that the object names itself."""
    if own != expected:
        raise BadReview(f"request.object.kind: expected {expected!r}, got {own!r}")
