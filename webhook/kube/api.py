"""Send requests with plain dicts to the API server.

The kubernetes client provides connections, credentials and their renewal; its generated models are not used.
"""

import math
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any

import msgspec
import urllib3
import yaml
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from msgspec import Struct

from webhook.files import UnreadableFileError, is_readable
from webhook.kube.connection_errors import describe_failure
from webhook.kube.errors import CONFLICT, INVALID, NOT_FOUND, ApiError
from webhook.kube.kubeconfig_errors import KUBECONFIG, describe_kubeconfig_error
from webhook.kube.paging import TooLarge, pages
from webhook.kube.paths import validated_path
from webhook.kube.watch_response import WatchResponse
from webhook.model.names import FIELD_MANAGER
from webhook.model.path_tokens import without_tokens
from webhook.model.timeouts import LOOKUP_SECONDS
from webhook.syntax.type_errors import invalid_json_message

__all__ = [
    "CONFLICT",
    "INVALID",
    "NOT_FOUND",
    "PAGE_SIZE",
    "Api",
    "ApiError",
    "Json",
    "NoClusterError",
    "abbreviated",
    "connect",
    "connect_as_kubectl",
]

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
SUCCESS = range(200, 300)
WRITING = {"fieldManager": FIELD_MANAGER}
# For a list of all objects, or a write that the API server has to compile: no user waits for these.
LONG_SECONDS = 30.0
# The page size of kubectl.
PAGE_SIZE = 500
POOL_SIZE = 16
# The parts of a long message that are kept.
MESSAGE_HEAD, MESSAGE_TAIL = 250, 450
# The exceptions of the client for an invalid kubeconfig.
UNUSABLE = (
    ConfigException,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    yaml.YAMLError,
    UnreadableFileError,
)

Json = dict[str, Any]


class NoClusterError(Exception):
    """There is no kubeconfig and no ServiceAccount to reach a cluster with; the message says how to name one."""


class Call(Struct, frozen=True):
    """One request to the API server; its text form is for messages."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: Json | None = None
    content_type: str = JSON

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Api:
    """A pool of connections to one API server; safe to share between threads, but not across a fork."""

    def __init__(self, raw: client.ApiClient, *, deadline: float = math.inf, patience: float = LOOKUP_SECONDS) -> None:
        self._raw = raw
        self._deadline = deadline
        self._patience = patience

    def within(self, seconds: float) -> "Api":
        """Return an `Api` with the same connections and a time limit for all its requests together."""
        return Api(self._raw, deadline=monotonic() + seconds)

    def with_long_timeout(self) -> "Api":
        """Return an `Api` with the same connections, for slow writes."""
        return Api(self._raw, patience=LONG_SECONDS)

    def get(self, path: str, **query: str) -> Json | None:
        """Return the object or list at `path`; None where there is none (404).  Raises ApiError."""
        return self._found(path, query, LOOKUP_SECONDS)

    def list(self, path: str, **query: str) -> Json:
        """Return the whole list at `path`, with a long timeout; empty where there is none (404).  Raises ApiError."""
        return self._found(path, query, LONG_SECONDS) or {}

    def pages(self, path: str, *, size: int = PAGE_SIZE, **query: str) -> Iterator[Json]:
        """Yield the list at `path` in pages of at most `size` objects and of bounded size.  Raises ApiError, also for 404."""

        def read(limit: int, token: str, most: int) -> bytes:
            wanted = {**query, "limit": str(limit), **({"continue": token} if token else {})}
            return self._read(Call("GET", path, wanted), LONG_SECONDS, most)

        return pages(read, size=size)

    def create(self, path: str, body: Json) -> Json | None:
        """Create an object in the collection at `path`; return None where the name exists.  Raises ApiError."""
        try:
            return self._call(Call("POST", path, WRITING, body))
        except ApiError as error:
            if error.status == CONFLICT:
                return None
            raise

    def try_create(self, path: str, body: Json) -> None:
        """Send the creation of an object as a dry run, which stores nothing.  Raises ApiError."""
        self._call(Call("POST", path, {**WRITING, "dryRun": "All"}, body))

    def replace(self, path: str, body: Json) -> Json:
        """Replace an object in the version that its resourceVersion names.  Raises ApiError."""
        return self._call(Call("PUT", path, WRITING, body))

    def merge(self, path: str, body: Json) -> Json:
        """Apply a JSON merge patch.  Raises ApiError."""
        return self._call(Call("PATCH", path, WRITING, body, MERGE_PATCH))

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Delete an object if its uid and version are unchanged; return False where it is gone.  Raises ApiError."""
        preconditions = {"uid": uid, "resourceVersion": version}
        try:
            self._call(Call("DELETE", path, body={"preconditions": preconditions}))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return False
            raise
        return True

    def stream(self, path: str, *, read_timeout: float, **query: str) -> Any:
        """Return the unread response of a long request; the caller closes it.  Raises ApiError."""
        response = self._send(Call("GET", path, query), (LOOKUP_SECONDS, read_timeout))
        if response.status not in SUCCESS:
            response.drain_conn()
            response.release_conn()
            raise ApiError(response.status, f"GET {path}: {response.status}")
        return WatchResponse(response, path)

    def clock(self) -> datetime:
        """Return the API server's own time, to the second; creationTimestamps have the same clock.  Raises ApiError."""
        response = self._send(Call("GET", "/version"), (LOOKUP_SECONDS, LOOKUP_SECONDS))
        response.drain_conn()
        response.release_conn()
        return parsedate_to_datetime(response.headers["Date"])

    def close(self) -> None:
        """Close the idle connections."""
        self._raw.close()

    def _found(self, path: str, query: dict[str, str], patience: float) -> Json | None:
        try:
            return self._call(Call("GET", path, query), patience)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def _call(self, call: Call, patience: float | None = None) -> Json:
        answer = self._read(call, patience)
        try:
            return msgspec.json.decode(answer)  # type: ignore[no-any-return]
        except msgspec.DecodeError as bad:
            raise ApiError(0, f"{call}: cannot read the answer: {invalid_json_message(bad)}") from bad

    def _read(self, call: Call, patience: float | None = None, most: int | None = None) -> bytes:
        """Return the JSON of a successful response.  Raises ApiError, TooLarge above `most` bytes."""
        left = min(patience or self._patience, self._deadline - monotonic())
        if left <= 0:
            raise ApiError(0, f"{call}: no time is left to call the API server")
        response = self._send(call, (left, left))
        try:
            content = read_body(response, most)
        except urllib3.exceptions.HTTPError as bad:
            raise ApiError(0, f"{call}: {describe_failure(bad)}") from bad
        finally:
            response.release_conn()
        if response.status not in SUCCESS:
            raise ApiError(
                response.status, f"{call}: {response.status}: {abbreviated(without_tokens(error_message(content)))}"
            )
        return content

    def _send(self, call: Call, timeout: tuple[float, float]) -> urllib3.BaseHTTPResponse:
        path, headers = validated_path(call.path), {"Accept": JSON, "Content-Type": call.content_type}
        try:
            _, url, headers, _, _ = self._raw.param_serialize(
                call.method,
                path,
                query_params=list(call.query.items()),
                header_params=headers,
                auth_settings=["BearerToken"],
            )
            response = self._raw.call_api(call.method, url, headers, call.body, _request_timeout=timeout)
        except (client.ApiException, urllib3.exceptions.HTTPError) as bad:
            status, server = getattr(bad, "status", 0) or 0, self._raw.configuration.host
            raise ApiError(status, f"{call}: {describe_failure(bad)}", server=server) from bad
        return response.response  # type: ignore[no-any-return]


def read_body(response: urllib3.BaseHTTPResponse, most: int | None) -> bytes:
    """Return the body of a response.  Raises TooLarge above `most` bytes, and leaves the rest unread."""
    if most is None or response.status not in SUCCESS:
        return response.data
    content = response.read(most + 1)
    if len(content) > most:
        response.close()
        raise TooLarge
    return content


def error_message(content: bytes) -> str:
    """Return the message of an error response: the message of its Status, else the beginning of the body."""
    try:
        return str(msgspec.json.decode(content).get("message", ""))
    except (msgspec.DecodeError, AttributeError):
        return content[:200].decode(errors="replace")


def abbreviated(message: str) -> str:
    """Return the beginning and the end of a message: the API server quotes an invalid value of any length between path and reason."""
    middle = len(message) - MESSAGE_HEAD - MESSAGE_TAIL
    return f"{message[:MESSAGE_HEAD]} … {message[-MESSAGE_TAIL:]}" if middle > 0 else message


def connect(kubeconfig: str | None, context: str | None = None) -> Api:
    """Return an `Api` for a kubeconfig file and one of its contexts, or for the Pod's ServiceAccount where no file is named.

    Raises NoClusterError where neither exists or the file is invalid.
    """
    settings = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=settings)
        else:
            is_readable(kubeconfig, KUBECONFIG)
            config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=settings)
    except UNUSABLE as bad:
        where = f"--kubeconfig {kubeconfig}" if kubeconfig else "the Pod's ServiceAccount"
        raise NoClusterError(
            f"cannot use {where}: {describe_kubeconfig_error(bad)}; name a kubeconfig with --kubeconfig"
        ) from bad
    return connection_pool(settings)


def connect_as_kubectl(kubeconfig: str | None, context: str | None) -> Api:
    """Return an `Api` for the cluster that kubectl would use: the file, else $KUBECONFIG, else ~/.kube/config, else the Pod's own.

    Raises NoClusterError where there is none.
    """
    settings = client.Configuration()
    try:
        if kubeconfig is not None:
            is_readable(kubeconfig, KUBECONFIG)
        config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=settings)
    except UNUSABLE as bad:
        if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            return connect(None)
        named = os.environ.get("KUBECONFIG")
        default = f"the kubeconfig of the variable KUBECONFIG ({named})" if named else "the default kubeconfig"
        where = f"--kubeconfig {kubeconfig}" if kubeconfig else default
        raise NoClusterError(
            f"cannot use {where}: {describe_kubeconfig_error(bad)}; name a kubeconfig with --kubeconfig"
        ) from bad
    return connection_pool(settings)


def connection_pool(settings: client.Configuration) -> Api:
    """Return an `Api` with connections for these settings."""
    settings.retries = urllib3.Retry(total=1, read=0, status=0, redirect=0)
    settings.connection_pool_maxsize = POOL_SIZE
    return Api(client.ApiClient(settings))
