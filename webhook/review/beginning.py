"""The beginning of a review whose objects are not read, as there are too many bytes of them.

The API server writes what it asks in the order of the fields of its type: uid, kind, resource, names, operation and user come before the
objects, and dryRun and options after them (k8s.io/api, admission/v1, AdmissionRequest). In each object the metadata come before
the spec: a struct's fields are in the order of its type, a custom resource's keys in that of the alphabet.
"""

import re
from itertools import islice
from typing import Final

from msgspec.structs import replace

from webhook.model.kinds import CALICO_STORAGE, CONFIGMAPS, POLICY_RESOURCES
from webhook.model.names import POLICY_CONFIGMAP
from webhook.model.request import Operation, PolicyObject, Request
from webhook.review.decode import REVIEW, UNDECODABLE, AdmissionRequest, BadReview, without_objects
from webhook.review.decoders import decoder
from webhook.review.objects import Labelled, labels_of

# What is kept of such a body. The API server takes headers of 1 MiB at most, in which a user's name and groups come, and usual ones have
# some hundred bytes.
HEAD_BYTES: Final = 1 << 17
MOST_TRIED: Final = 4
# Inside of a text a quote has a backslash before it, so a comma and a quote are not the end of one.
OBJECT: Final = re.compile(rb',"(?:object|oldObject)":(?=\{|null)')
METADATA: Final = re.compile(rb'(?:,"object":)(\{(?:"(?:kind|apiVersion)":"[^"\\]*",)*"metadata":)\{')
# A text, or what opens and closes an object.
TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}]', re.DOTALL)


def beginning(head: bytes, why: str) -> Request:
    """The request in the first bytes of a review, without its objects; `why` they are not read, in words.  Raises BadReview."""
    asked, rest = split(head)
    if not asked.uid:
        raise BadReview("request.uid is empty")
    parsed = replace(without_objects(asked), unread=why)
    resource = (asked.resource.group, asked.resource.resource)
    if resource in POLICY_RESOURCES and not asked.sub_resource:
        return replace(parsed, policy=policy_in(rest, asked))
    deleted = resource == CONFIGMAPS and asked.operation is Operation.DELETE and asked.name == POLICY_CONFIGMAP
    return replace(parsed, policy_file_deleted=deleted)


def split(head: bytes) -> tuple[AdmissionRequest, bytes]:
    """What is asked, and the bytes from the first object on; what looks like an object may be a key of the user's.  Raises BadReview."""
    for found in islice(OBJECT.finditer(head), MOST_TRIED):
        try:
            return REVIEW.decode(head[: found.start()] + b"}}").request, head[found.start() :]
        except UNDECODABLE:
            continue
    raise BadReview("request: what is asked is not at the beginning")


def policy_in(rest: bytes, asked: AdmissionRequest) -> PolicyObject | None:
    """The name and the labels of a network policy; None where they are not there whole, or do not say by which name Calico knows it."""
    if asked.operation is Operation.DELETE:  # whose name alone counts
        return PolicyObject(asked.kind.kind, asked.namespace, asked.name, {})
    found = METADATA.match(rest)
    if found is None or asked.resource.group == CALICO_STORAGE:
        return None
    metadata = first_object(rest[found.end(1) :])
    if metadata is None:
        return None
    try:
        named = decoder(Labelled).decode(b'{"metadata":' + metadata + b"}")
    except UNDECODABLE:
        return None
    name = (named.metadata.name if named.metadata else "") or asked.name
    return PolicyObject(asked.kind.kind, asked.namespace, name, labels_of(named))


def first_object(text: bytes) -> bytes | None:
    """The JSON object that a text begins with; None where it has no end there."""
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
