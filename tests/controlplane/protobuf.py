"""Kubernetes objects in protobuf, in which some bytes become many in the JSON of a review.

The field numbers are those of k8s.io/api/networking/v1/generated.proto and k8s.io/apimachinery/pkg/runtime/generated.proto.
"""

import ssl
from http.client import HTTPSConnection
from typing import Final

from tests.controlplane.cluster import Cluster

PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
LOW_BITS, CONTINUED = 0x7F, 0x80
MAGIC: Final = b"k8s\x00"  # k8s.io/apimachinery/pkg/runtime/serializer/protobuf


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """Return an integer in base 128."""
    low, high = value & LOW_BITS, value >> 7
    return bytes([low | CONTINUED, *varint(high)]) if high else bytes([low])


def unknown(api_version: str, kind: str, raw: bytes) -> bytes:
    """Return the envelope around every object."""
    types = field(1, api_version.encode()) + field(2, kind.encode())
    return MAGIC + field(1, types) + field(2, raw)


def open_policy(name: str, space: str, *, peers: int) -> bytes:
    """Return a NetworkPolicy with one rule for as many peers, each of which is every namespace; four bytes a peer."""
    metadata = field(1, name.encode()) + field(3, space.encode())
    every_namespace = field(2, field(2, b""))
    spec = field(1, b"") + field(2, every_namespace * peers) + field(4, b"Ingress")
    return unknown("networking.k8s.io/v1", "NetworkPolicy", field(1, metadata) + field(2, spec))


def post(cluster: Cluster, path: str, body: bytes, *, token: str) -> int:
    """Create an object under a ServiceAccount's token; the status of the answer."""
    context = ssl.create_default_context(cafile=str(cluster.authority_file))
    host, _, port = cluster.server.removeprefix("https://").partition(":")
    connection = HTTPSConnection(host, int(port), context=context, timeout=60)
    try:
        headers = {"Content-Type": PROTOBUF, "Accept": "application/json", "Authorization": f"Bearer {token}"}
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
