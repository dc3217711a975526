"""A review that is too large to be read is decided by its beginning: it is refused where a rule enforces."""

import json
import socket
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.programs import Program, serve
from tests.reviews import GOOD, deployment, namespace, pod, review
from tests.server.conftest import WORKERS
from webhook.server.limits import MAX_BODY_BYTES

STANDALONE: Final = ("--standalone", "--policy")
FILLING: Final = "<" * (MAX_BODY_BYTES // 6)
POLICY: Final = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "open", "labels": {"app": "x"}},
    "spec": {"podSelector": {}, "ingress": [{}]},
}


def encoded_in_order(manifest: dict[str, Any], **request: Any) -> bytes:
    """Return a review in the field order of the API server, with `<` escaped to six bytes."""
    whole = review(manifest, **request)
    found = whole["request"]
    order = (
        "uid",
        "kind",
        "resource",
        "subResource",
        "name",
        "namespace",
        "operation",
        "userInfo",
        "object",
        "oldObject",
    )
    whole["request"] = {key: found[key] for key in order if key in found} | {"dryRun": False}
    return json.dumps(whole, separators=(",", ":")).replace("<", "\\u003c").encode()


def oversized(manifest: dict[str, Any]) -> dict[str, Any]:
    """Make an object so large that its review exceeds 8 MiB."""
    return {**manifest, "status": {"message": FILLING}}


STATUS: Final = {"operation": "UPDATE", "subResource": "status", "before": pod(GOOD)}
BINDING: Final = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web", "labels": {"role": "data"}}}
BINDING_REQUEST: Final = {
    "kind": {"group": "", "version": "v1", "kind": "Binding"},
    "resource": {"group": "", "version": "v1", "resource": "pods"},
    "subResource": "binding",
}
ENFORCED: Final = {
    "a Pod": encoded_in_order(oversized(pod(GOOD))),
    "the status of a Pod": encoded_in_order(oversized(pod({**GOOD, "role": "data"})), **STATUS),
    "a Deployment": encoded_in_order(oversized(deployment(GOOD))),
    "a Namespace": encoded_in_order(oversized(namespace())),
    "a policy of ours": encoded_in_order(oversized({**POLICY, "metadata": {"name": "catflap-default-deny"}})),
    "a policy with our label": encoded_in_order(
        oversized({**POLICY, "metadata": {"name": "x", "labels": {"app.kubernetes.io/managed-by": "catflap"}}})
    ),
    "a binding": encoded_in_order(oversized({**BINDING, "kind": "Pod"}), **BINDING_REQUEST),
}


@pytest.mark.parametrize("what", ENFORCED)
def test_an_object_under_an_enforced_rule_is_refused(server: Program, what: str) -> None:
    """The refusal is recorded and gives the reason."""
    before = len(server.records())
    answer = server.post("/validate", ENFORCED[what]).response
    assert answer["allowed"] is False
    why = (
        "belongs to catflap" if "policy" in what else (f"the review of the object has more than {MAX_BODY_BYTES} bytes")
    )
    assert why in answer["status"]["message"]
    [record] = server.records()[before:]
    assert record["decision"] == "denied"
    assert record["denied"]


def test_an_object_under_a_warning_rule_is_admitted_with_a_warning(server: Program) -> None:
    """By default, `no-open-policy` warns."""
    answer = server.post("/validate", encoded_in_order(oversized(POLICY))).response
    assert answer["allowed"] is True
    assert any("the review of the object has more than" in one for one in answer["warnings"])


@pytest.mark.parametrize("worker_class", WORKERS)
def test_in_warn_mode_everything_is_admitted_with_a_warning(tmp_path: Path, worker_class: str) -> None:
    """Objects that catflap protects in every mode are the exception."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: catflap.dev/v1\nkind: GuardPolicy\nmode: warn\n", encoding="utf-8")
    with serve(tmp_path, *STANDALONE, str(policy), "--worker", worker_class) as server:
        for what, body in ENFORCED.items():
            answer = server.post("/validate", body).response
            is_protected = what in {"a Namespace", "a policy of ours", "a policy with our label"}
            assert answer["allowed"] is not is_protected, what
            assert is_protected or answer["warnings"], what


@pytest.mark.parametrize("user", [{"username": "jane", "groups": ["catflap:break-glass"]}])
def test_break_glass_is_admitted(server: Program, user: dict[str, Any]) -> None:
    """The same holds for reviews that are read."""
    answer = server.post("/validate", encoded_in_order(oversized(pod(GOOD)), userInfo=user)).response
    assert answer["allowed"] is True


def test_the_mutating_phase_changes_nothing(server: Program) -> None:
    """The validating phase decides."""
    for body in ENFORCED.values():
        assert server.post("/mutate", body).response == {"uid": json.loads(body)["request"]["uid"], "allowed": True}


def test_the_answer_does_not_wait_for_the_whole_body(server: Program) -> None:
    """The API server may have a hundred MiB to send, and has a timeout."""
    body = ENFORCED["the status of a Pod"]
    context = ssl.create_default_context(cafile=str(server.authority))
    with closing(socket.create_connection(("localhost", server.port), timeout=4)) as raw:
        connection = context.wrap_socket(raw, server_hostname="localhost")
        head = (
            b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500000000\r\n\r\n"
        )
        connection.sendall(head + body[: 1 << 18])
        answer = b""
        while b'"allowed":false' not in answer:
            received = connection.recv(65536)
            assert received
            answer += received
        connection.close()


def test_a_chunked_body_is_refused_as_well(server: Program) -> None:
    """Its size is known only while it arrives."""
    body = ENFORCED["the status of a Pod"]
    with closing(server.connect()) as connection:
        pieces = (body[at : at + 65536] for at in range(0, len(body), 65536))
        connection.request("POST", "/validate", pieces, {"Content-Type": "application/json"}, encode_chunked=True)
        assert json.loads(connection.getresponse().read())["response"]["allowed"] is False


def test_later_reviews_are_answered(server: Program) -> None:
    """Each oversized review closes only its own connection."""
    for _ in range(3):
        assert server.post("/validate", ENFORCED["a Pod"]).response["allowed"] is False
        assert server.post("/validate", encoded_in_order(pod(GOOD))).response["allowed"] is True
