"""Read the beginning of a review whose objects are too large to read.

The API server writes the fields of a request in the order of its type: uid, kind, resource, names, operation and user
precede the objects, and dryRun and options follow them (k8s.io/api, admission/v1, AdmissionRequest). In each object the
metadata precede the spec: the fields of a struct are in the order of its type, the keys of a custom resource are in
alphabetical order.
"""

import re
from itertools import islice
from typing import Final

from msgspec.structs import replace

from webhook.model.kinds import CALICO_STORAGE, CONFIGMAPS, POLICY_RESOURCES
from webhook.model.names import POLICY_CONFIGMAP
from webhook.model.request import Operation, PolicyObject, Request
from webhook.review.decoder_cache import decoder
from webhook.review.envelope import REVIEW, UNDECODABLE, AdmissionRequest, BadReview, without_objects
from webhook.review.kubernetes_objects import LabelledObject

# The part of such a body that catflap keeps. The API server takes headers of 1 MiB at most, and they carry a user's
# name
# and groups; usual headers have some hundred bytes.
HEAD_BYTES: Final = 1 << 17
MOST_TRIED: Final = 4
# Inside a text a backslash precedes each quote, so a comma and a quote are not the end of a text.
OBJECT: Final = re.compile(rb',"(?:object|oldObject)":(?=\{|null)')
METADATA: Final = re.compile(rb'(?:,"object":)(\{(?:"(?:kind|apiVersion)":"[^"\\]*",)*"metadata":)\{')
# A text, or the beginning or the end of an object.
TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}]', re.DOTALL)


def decode_beginning(head: bytes, reason: str) -> Request:
    """Return the request in the first bytes of a review, without its objects.

    `reason` is the reason in words why the objects are not read. Raises BadReview.
    """
    request, rest = split_head(head)
    if not request.uid:
        raise BadReview("request.uid is empty")
    resource = (request.resource.group, request.resource.resource)
    is_policy = resource in POLICY_RESOURCES and not request.sub_resource
    found = policy_metadata(rest, request) if is_policy else None
    # The deletion of a collection has a review for each object, without a name; the name of this one is not read.
    is_deletion = resource == CONFIGMAPS and request.operation is Operation.DELETE
    deleted = is_deletion and request.name in {"", POLICY_CONFIGMAP}
    return replace(without_objects(request), unread=reason, policy=found, policy_file_deleted=deleted)


def split_head(head: bytes) -> tuple[AdmissionRequest, bytes]:
    """Return the request, and the bytes from the first object on.  Raises BadReview.

    A key that a user chose may look like an object.
    """
    for found in islice(OBJECT.finditer(head), MOST_TRIED):
        try:
            return REVIEW.decode(head[: found.start()] + b"}}").request, head[found.start() :]
        except UNDECODABLE:
            continue
    raise BadReview("request: the request is not at the beginning of the review")


def policy_metadata(rest: bytes, request: AdmissionRequest) -> PolicyObject | None:
    """Return the name and the labels of a network policy.

    Return None if they are incomplete, or if they do not show the name by which Calico knows the policy.
    """
    if request.operation is Operation.DELETE:  # only its name matters
        return PolicyObject(request.kind.kind, request.namespace, request.name, {})
    found = METADATA.match(rest)
    if found is None or request.resource.group == CALICO_STORAGE:
        return None
    metadata = first_object(rest[found.end(1) :])
    if metadata is None:
        return None
    try:
        named = decoder(LabelledObject).decode(b'{"metadata":' + metadata + b"}")
    except UNDECODABLE:
        return None
    return PolicyObject(request.kind.kind, request.namespace, named.name or request.name, named.labels)


def first_object(text: bytes) -> bytes | None:
    """Return the JSON object at the beginning of a text; None if the object does not end in the text."""
    depth = 0
    for found in TOKEN.finditer(text):
        match found[0]:
            case b"{":
                depth += 1
            case b"}":
                depth -= 1
                if depth == 0:
                    return text[: found.end()]
    return None
