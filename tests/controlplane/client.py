"""A small client for tests that ask the API server much: connections are kept, and no request costs a process or a discovery."""

import http.client
import json
import select
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
TIMEOUT_SECONDS: Final = 60.0  # the API server itself gives up after this time


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response of the API server; `warnings` are those that webhooks and policies add."""

    status: int
    body: Any
    warnings: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Return whether the status is an error."""
        return self.status >= http.HTTPStatus.BAD_REQUEST


class ApiError(Exception):
    """The API server refused; the whole answer is in `answer`."""

    def __init__(self, request: str, answer: Answer) -> None:
        says = answer.body.get("message", answer.body) if isinstance(answer.body, dict) else answer.body
        super().__init__(f"{request}: {answer.status} {says}")
        self.answer = answer
        self.status = answer.status


class Client:
    """HTTP to one API server as its administrator, or as another user."""

    def __init__(self, *, port: int, context: ssl.SSLContext, timeout: float = TIMEOUT_SECONDS) -> None:
        self._port = port
        self._context = context
        self._timeout = timeout
        self._idle: list[http.client.HTTPSConnection] = []  # `append` and `pop` are atomic

    def api(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = JSON,
        as_user: str | None = None,
        as_groups: Sequence[str] = (),
    ) -> Any:
        """Send one request and return the decoded answer; raises `ApiError` when it is refused."""
        answer = self.call(method, path, body, content_type=content_type, as_user=as_user, as_groups=as_groups)
        if answer.refused:
            raise ApiError(f"{method} {path}", answer)
        return answer.body

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = JSON,
        as_user: str | None = None,
        as_groups: Sequence[str] = (),
    ) -> Answer:
        """Send one request and return the answer, whatever its status."""
        payload = b"" if body is None else json.dumps(body).encode()
        connection = self._take()
        try:
            connection.putrequest(method, path)
            for name, value in _headers(content_type, payload, as_user, as_groups):
                connection.putheader(name, value)
            connection.endheaders(payload)
            answer = _answer(connection.getresponse())
        except BaseException:
            connection.close()  # half an exchange is on it
            raise
        self._idle.append(connection)
        return answer

    @contextmanager
    def stream(self, path: str) -> Iterator[tuple[http.client.HTTPSConnection, http.client.HTTPResponse]]:
        """Yield a connection and the unread answer to a GET on it, such as a watch; it may be silent for ever."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=self._timeout, context=self._context)
        try:
            connection.request("GET", path, headers={"Accept": JSON})
            response = connection.getresponse()
            assert connection.sock
            connection.sock.settimeout(None)
            yield connection, response
        finally:
            connection.close()

    def close(self) -> None:
        """Hang up; a later request would call again."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> http.client.HTTPSConnection:
        """Return a connection that no other thread uses."""
        try:
            kept = self._idle.pop()
        except IndexError:
            return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=self._timeout, context=self._context)
        # Readable without a question asked means that the server has closed it.  To try again after a failure would be simpler,
        # but might send a request twice.
        if kept.sock and select.select([kept.sock], [], [], 0)[0]:
            kept.close()
        return kept


def _headers(content_type: str, payload: bytes, user: str | None, groups: Sequence[str]) -> list[tuple[str, str]]:
    headers = [("Accept", JSON), ("Content-Length", str(len(payload)))]
    if payload:
        headers.append(("Content-Type", content_type))
    if user is not None:
        headers.append(("Impersonate-User", user))
    return headers + [("Impersonate-Group", group) for group in groups]


def _answer(response: http.client.HTTPResponse) -> Answer:
    content = response.read()
    is_json = response.headers.get_content_type() == JSON
    return Answer(
        status=response.status,
        body=json.loads(content) if is_json else content.decode(),
        warnings=tuple(_warning_text(header) for header in response.headers.get_all("Warning", [])),
    )


def _warning_text(header: str) -> str:
    # RFC 7234 §5.5: `299 - "text"`, with quotation marks and backslashes in the text escaped.
    quoted = header.split(" ", 2)[2]
    return quoted.removeprefix('"').removesuffix('"').replace(r"\"", '"').replace("\\\\", "\\")
