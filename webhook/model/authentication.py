"""How the sender of a review proved to be the API server."""

from enum import StrEnum


class Authentication(StrEnum):
    """The closed set of proofs; `none` is for servers that ask for none, on loopback or without a cluster."""

    CLIENT_CERTIFICATE = "client-certificate"
    PATH = "path"
    NONE = "none"
