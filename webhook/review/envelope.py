"""The envelope of an AdmissionReview: its user, operation and target, with undecoded objects."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from webhook.model.request import Operation, Request, Target, User
from webhook.review.kubernetes_objects import NULL
from webhook.syntax.type_errors import invalid_json_message, type_mismatch

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


REVIEW = msgspec.json.Decoder(AdmissionReview)


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


def fault(bad: Exception, root: str) -> str:
    """Return a decoder's complaint with the path first, such as `request.uid: expected text, got a number`."""
    where = root.removeprefix("$")
    if not isinstance(bad, msgspec.ValidationError):
        return f"{where or 'body'}: {invalid_json_message(bad)}"
    found = type_mismatch(bad)
    return f"{'.'.join(filter(None, (where, found.place))) or 'body'}: {found.words()}"
