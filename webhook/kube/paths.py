"""Paths of the API server, built from segments: the one place where a name becomes part of a path.

A name may come from whoever sent a review. HTTP libraries resolve `../` before they send a path, and Go's server decodes `%2e`
before it reads one, so a name that contains either would lead to another object. The API server itself takes no object
name that is `.` or `..`, or that contains `/` or `%` (apimachinery, pkg/api/validation/path/name.go).
"""

import re
from typing import Final
from urllib.parse import quote

from webhook.kube.errors import BAD_REQUEST, ApiError

LONGEST_SEGMENT: Final = 253  # of the longest names (DNS subdomains) that the API server takes
NO_SEGMENT: Final = frozenset({"", ".", ".."})
FORBIDDEN: Final = re.compile(r"[/%]|[^\x20-\x7e]")
# What may be part of a segment as it is (RFC 3986, 3.3: pchar, without `%`).
UNESCAPED: Final = "!$&'()*+,;=:@"
SEGMENT: Final = re.compile(r"(?!\.{1,2}$)(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%(?!2[EeFf5])[0-9A-Fa-f]{2})+")


def is_segment(text: str) -> bool:
    """Whether a text can be one segment of a path, such as the name of an object or of a namespace."""
    return text not in NO_SEGMENT and len(text) <= LONGEST_SEGMENT and not FORBIDDEN.search(text)


def under(base: str, *segments: str) -> str:
    """The path of what is below `base`, with each segment percent-encoded.

    Raises ApiError (400) for a text that is no single segment: the API server has no object of that name.
    """
    for segment in segments:
        if not is_segment(segment):
            shown = segment if len(segment) <= LONGEST_SEGMENT else f"{segment[:LONGEST_SEGMENT]}…"
            raise ApiError(
                BAD_REQUEST,
                f"{shown!r} is no name of an object or namespace: expected 1 to {LONGEST_SEGMENT} printable ASCII characters "
                "without '/' and '%', and neither '.' nor '..'",
            )
    return "/".join((base, *(quote(segment, safe=UNESCAPED) for segment in segments)))


def collection(version: str, resource: str, namespace: str = "") -> str:
    """The path of all objects of a resource in an API version (`v1`, `apps/v1`), of one namespace or of all.

    Raises ApiError (400) for a text that is no segment.
    """
    spaced = ("namespaces", namespace) if namespace else ()
    return under("/apis" if "/" in version else "/api", *version.split("/"), *spaced, resource)


def name_selector(name: str) -> str:
    """The field selector of the one object with a name.

    Commas, equals signs and backslashes are escaped (apimachinery, pkg/fields, EscapeValue).
    """
    return "metadata.name=" + re.sub(r"([\\,=])", r"\\\1", name)


def checked(path: str) -> str:
    """A path that is about to be sent, if each of its segments is plain; raises ApiError (400) otherwise.

    Every request passes here, so that a path that was put together elsewhere cannot lead to another object either.
    """
    root, *segments = path.split("/")
    if root or not all(map(SEGMENT.fullmatch, segments)):
        raise ApiError(BAD_REQUEST, f"{path[:LONGEST_SEGMENT]!r} is no path of the API server's")
    return path
