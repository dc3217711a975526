"""Methods by which the sender of a review proves to be the API server."""

from enum import StrEnum


class Authentication(StrEnum):
    """The authentication methods; `none` is for servers that require none, on loopback or without a cluster."""

    CLIENT_CERTIFICATE = "client-certificate"
    PATH = "path"
    NONE = "none"
