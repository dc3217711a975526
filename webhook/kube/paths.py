"""Build paths of the API server from segments: the only module that puts a name into a path.

A name may come from the sender of a review. HTTP libraries resolve `../` before they send a path, and Go's server decodes `%2e`
before it reads one, so a name that contains either would lead to another object. The API server itself accepts no object
name that is `.` or `..`, or that contains `/` or `%` (apimachinery, pkg/api/validation/path/name.go).
"""

import re
from typing import Final
from urllib.parse import quote

from webhook.kube.errors import BAD_REQUEST, ApiError

LONGEST_SEGMENT: Final = 253  # the longest names (DNS subdomains) that the API server accepts
RESERVED_SEGMENTS: Final = frozenset({"", ".", ".."})
FORBIDDEN: Final = re.compile(r"[/%]|[^\x20-\x7e]")
# The characters of a segment that need no encoding (RFC 3986, 3.3: pchar, without `%`).
UNESCAPED: Final = "!$&'()*+,;=:@"
SEGMENT: Final = re.compile(r"(?!\.{1,2}$)(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%(?!2[EeFf5])[0-9A-Fa-f]{2})+")


def is_segment(text: str) -> bool:
    """Return whether a text can be one segment of a path, such as the name of an object or of a namespace."""
    return text not in RESERVED_SEGMENTS and len(text) <= LONGEST_SEGMENT and not FORBIDDEN.search(text)


def under(base: str, *segments: str) -> str:
    """Return the path of the segments below `base`, each percent-encoded.

    Raises ApiError (400) for a text that is not a single segment: the API server has no object of that name.
    """
    for segment in segments:
        if not is_segment(segment):
            shown = segment if len(segment) <= LONGEST_SEGMENT else f"{segment[:LONGEST_SEGMENT]}…"
            raise ApiError(
                BAD_REQUEST,
                f"{shown!r} is not a valid name of an object or namespace: expected 1 to {LONGEST_SEGMENT} "
                "printable ASCII characters "
                "without '/' and '%', and neither '.' nor '..'",
            )
    return "/".join((base, *(quote(segment, safe=UNESCAPED) for segment in segments)))


def collection(version: str, resource: str, namespace: str = "") -> str:
    """Return the path of all objects of a resource in an API version (`v1`, `apps/v1`), of one namespace or of all.

    Raises ApiError (400) for a text that is not a segment.
    """
    spaced = ("namespaces", namespace) if namespace else ()
    return under("/apis" if "/" in version else "/api", *version.split("/"), *spaced, resource)


def name_selector(name: str) -> str:
    """Return the field selector of the object with a name.

    Escape commas, equals signs and backslashes (apimachinery, pkg/fields, EscapeValue).
    """
    return "metadata.name=" + re.sub(r"([\\,=])", r"\\\1", name)


def validated_path(path: str) -> str:
    """Return a path that is about to be sent, if each of its segments is valid; raises ApiError (400) otherwise.

    Every request passes this check, so a path that another module built cannot lead to another object either.
    """
    root, *segments = path.split("/")
    if root or not all(map(SEGMENT.fullmatch, segments)):
        raise ApiError(BAD_REQUEST, f"{path[:LONGEST_SEGMENT]!r} is not a path of the API server")
    return path
