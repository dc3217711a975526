"""A bad review gets the documented 4xx from both apps: never a 500, and never a hang."""

import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.programs import Program
from tests.reviews import GOOD, encoded, pod, review

DEEP = 50_000


def without(*path: str) -> bytes:
    """Return a valid review without the field at `path`."""
    body = review(pod(GOOD))
    parent = body
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return json.dumps(body).encode()


def changed(value: Any, *path: str) -> bytes:
    """Return a valid review with another value at `path`."""
    body = review(pod(GOOD))
    parent = body
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return json.dumps(body).encode()


GOOD_BODY = encoded(pod(GOOD))

MALFORMED = {
    "empty": (b"", "body: not JSON: it ends before its last value is complete"),
    "truncated": (GOOD_BODY[:-20], "body: not JSON: it ends before its last value is complete"),
    "no JSON": (b"hello", "body: not JSON: it is invalid from byte 0 on"),
    "not UTF-8": (GOOD_BODY.replace(b'"jane"', b'"\xff\xfe"'), "not UTF-8"),
    "not UTF-8 in the object": (GOOD_BODY.replace(b'"frontend"', b'"\xff"'), "request.object: not UTF-8"),
    "an array": (b"[]", "body: expected a mapping, got a list"),
    "null": (b"null", "body: expected a mapping, got null"),
    "another version": (
        changed("admission.k8s.io/v1beta1", "apiVersion"),
        "apiVersion: 'admission.k8s.io/v1beta1' is unknown",
    ),
    "another kind": (changed("Pod", "kind"), "kind: 'Pod' is unknown"),
    "no request": (without("request"), "request: this key is missing"),
    "no uid": (without("request", "uid"), "request.uid: this key is missing"),
    "an empty uid": (changed("", "request", "uid"), "request.uid is empty"),
    "a number as uid": (changed(5, "request", "uid"), "request.uid: expected text, got a number"),
    "an unknown operation": (changed("PATCH", "request", "operation"), "request.operation: 'PATCH' is unknown"),
    "not an object": (changed(None, "request", "object"), "request.object: a CREATE must contain an object, got null"),
    "an object of another kind": (
        changed("Node", "request", "object", "kind"),
        "request.object.kind: expected 'Pod', got 'Node'",
    ),
    "a resource of another kind": (
        changed("deployments", "request", "resource", "resource"),
        None,
    ),
    "labels that are numbers": (
        changed({"app": 5}, "request", "object", "metadata", "labels"),
        "request.object.metadata.labels",
    ),
    "labels that are a list": (
        changed(["app"], "request", "object", "metadata", "labels"),
        "request.object.metadata.labels: expected a mapping, got a list",
    ),
    "an UPDATE without what was before": (
        changed("UPDATE", "request", "operation"),
        "request.oldObject: an UPDATE must contain the old object, got null",
    ),
    "nested 50,000 deep in the object": (
        GOOD_BODY.replace(b'"spec": {', b'"deep": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b', "spec": {', 1),
        "nested too deeply",
    ),
    "nested 50,000 deep and cut": (b'{"request":' * DEEP, "body"),
}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_a_malformed_review_is_a_400_with_its_path(server: Program, path: str, what: str) -> None:
    """The message begins with the path of the fault."""
    body, says = MALFORMED[what]
    answer = server.post(path, body)
    if says is None:  # a resource without rules is answered, and the record gives that reason
        assert answer.status == 200
        return
    assert answer.status == 400, answer.body
    assert says in json.loads(answer.body)["error"]


def test_more_than_8_mib_is_a_413(server: Program) -> None:
    """This holds with and without a Content-Length."""
    big = b" " * (9 << 20)
    assert server.post("/validate", big).status == 413
    chunked = server.connect()
    chunked.request("POST", "/validate", iter([big]), {"Content-Type": "application/json"}, encode_chunked=True)
    assert chunked.getresponse().status == 413
    chunked.close()


def test_just_under_8_mib_is_judged(server: Program) -> None:
    """The limit fits two objects of the API server's largest size."""
    body = encoded(pod(GOOD, annotations={"filler": "x" * ((8 << 20) - 2000)}))
    assert server.post("/validate", body).response["allowed"] is True


@pytest.mark.parametrize("content_type", ["text/plain", "application/yaml", "", "application/jsonp"])
def test_another_content_type_is_a_415(server: Program, content_type: str) -> None:
    """A review is JSON."""
    assert server.post("/validate", GOOD_BODY, {"Content-Type": content_type}).status == 415


def test_json_with_parameters_is_json(server: Program) -> None:
    """The charset does not matter."""
    assert server.post("/validate", GOOD_BODY, {"Content-Type": "Application/JSON; charset=utf-8"}).status == 200


def disconnect_after(server: Program, start: bytes) -> None:
    """Send the beginning of a request and disconnect."""
    context = ssl.create_default_context(cafile=str(server.authority))
    with (
        socket.create_connection(("127.0.0.1", server.port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        connection.sendall(start)


BEGINNINGS: dict[str, Callable[[], bytes]] = {
    "in the headers": lambda: b"POST /validate HTTP/1.1\r\nHost: x\r\n",
    "in the body": lambda: (
        b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    ),
    "with a length that is no number": lambda: (
        b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: x\r\n\r\n{}"
    ),
    "before anything": lambda: b"",
}


@pytest.mark.parametrize("when", BEGINNINGS)
def test_a_client_that_disconnects_harms_no_other(server: Program, when: str) -> None:
    """The next request is answered, and the log has no traceback."""
    before = server.log()
    disconnect_after(server, BEGINNINGS[when]())
    assert server.post("/validate", GOOD_BODY).status == 200
    assert "Traceback" not in server.log()[len(before) :]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300) | st.builds(lambda cut: GOOD_BODY[:cut], st.integers(0, len(GOOD_BODY))))
def test_no_bytes_get_a_500(server: Program, body: bytes) -> None:
    """Any bytes get an answer or a 400."""
    assert server.post("/validate", body).status in {200, 400}
