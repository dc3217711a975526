"""The ASGI app and the WSGI app give the same bytes for the same review."""

import http.client
import json
import re
from typing import Any

import pytest

from tests.programs import Program
from tests.reviews import GOOD, deployment, encoded, namespace, pod

ALIASED = {"app.kubernetes.io/name": "web", "app.kubernetes.io/component": "frontend"}


def configmap(text: str) -> dict[str, Any]:
    """Return the ConfigMap with the policy file."""
    metadata = {"name": "catflap-policy"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"policy.yaml": text}}


ANCHOR = re.compile(rb'"record-[a-z]+":"[0-9a-f]+",?')
REVIEWS = {
    "a good Pod": ("/validate", encoded(pod(GOOD))),
    "a Pod without labels": ("/validate", encoded(pod())),
    "a Deployment with a typo": ("/validate", encoded(deployment({"app": "web", "role": "fronted"}))),
    "a Pod with aliases": ("/mutate", encoded(pod(ALIASED))),
    "a namespace": ("/mutate", encoded(namespace())),
    "an exempt namespace": ("/validate", encoded(pod(), namespace="kube-system")),
    "a bad policy file": ("/validate", encoded(configmap("mode: loud"), namespace="catflap-system")),
    "no JSON": ("/validate", b"{"),
    "a query, as the API server appends it": ("/validate?timeout=5s", encoded(pod(GOOD))),
    "9 MiB": ("/validate", b" " * (9 << 20)),
}


@pytest.mark.parametrize("what", REVIEWS)
def test_both_apps_give_the_same_bytes(worker_servers: dict[str, Program], what: str) -> None:
    """Status and body are equal, except for the position in each server's own chain of records."""
    path, body = REVIEWS[what]
    asgi, wsgi = (worker_servers[worker_class].post(path, body) for worker_class in ("asgi", "gthread"))
    assert (asgi.status, ANCHOR.sub(b"", asgi.body)) == (wsgi.status, ANCHOR.sub(b"", wsgi.body))
    assert asgi.headers["content-type"] == wsgi.headers["Content-Type"] == "application/json"


def test_a_good_pod_is_admitted(server: Program) -> None:
    """The response has no status and no patch: the API server accepts neither from a validating webhook that admits."""
    response = server.post("/validate", encoded(pod(GOOD))).response
    record = server.records()[-1]
    assert response == {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "allowed": True,
        "auditAnnotations": {
            "closure": "unchecked",
            "decision": "allowed",
            "policy-digest": "597718279e1a869b",
            "reason-code": "NoViolation",
            "record-chain": record["chain"],
            "record-seq": str(record["seq"]),
            "record-hash": record["hash"],
        },
    }


def test_a_refusal_is_an_answer_not_an_error(server: Program) -> None:
    """A bad object is HTTP 200 with every violation, for people and for programs."""
    answer = server.post("/validate", encoded(deployment({"role": "fronted"})))
    assert answer.status == http.client.OK
    status = answer.response["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert [cause["field"] for cause in status["details"]["causes"]] == [
        "spec.template.metadata.labels.role",
        "spec.template.metadata.labels.app",
    ]
    assert "did you mean 'frontend'?" in status["message"]


def test_a_bad_policy_file_is_refused_with_line_and_column(server: Program) -> None:
    """The refusal needs no lookup in the cluster."""
    text = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nmode: loud\n"
    status = server.post("/validate", encoded(configmap(text), namespace="catflap-system")).response["status"]
    assert status["message"] == (
        "ConfigMap catflap-system/catflap-policy has 1 violation:\n"
        "- policy-file: mode: 'loud' is unknown; expected one of enforce, warn, audit, off (line 3, column 1)"
    )
    assert server.post(
        "/validate", encoded(configmap(text.replace("loud", "warn")), namespace="catflap-system")
    ).response["allowed"]


def test_one_connection_serves_many_reviews(server: Program) -> None:
    """The API server keeps its connections, and the server keeps them after any review."""
    connection = server.connect()
    seen = set()
    for body in (encoded(pod(GOOD)), b"{", encoded(pod()), encoded(pod(GOOD))):
        connection.request("POST", "/validate", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        seen.add(connection.sock.getsockname())
    connection.close()
    assert len(seen) == 1


def test_the_record_is_written_before_the_answer(server: Program) -> None:
    """The record exists when the answer arrives."""
    uid = "11111111-0000-0000-0000-000000000001"
    server.post("/validate", encoded(pod(), uid=uid, dryRun=True))
    record = next(record for record in server.records() if record.get("id") == uid)
    assert (record["decision"], record["dryRun"], record["user"]["username"]) == ("denied", True, "jane")
    assert [fault["rule"] for fault in record["denied"]] == ["require-app", "require-role"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/validate", 405), ("PUT", "/mutate", 405), ("POST", "/other", 404)]
)
def test_another_request_is_a_plain_http_error(server: Program, method: str, path: str, status: int) -> None:
    """Neither app takes it for a review."""
    connection = server.connect()
    connection.request(method, path)
    assert connection.getresponse().status == status
    connection.close()


def test_decisions_are_counted(server: Program) -> None:
    """Decisions are counted by phase and verdict, violations by rule; the metrics name the active policy and exclude the controller's."""
    server.post("/validate", encoded(pod()))
    metrics = server.status("/metrics").body.decode()
    lines = [line for line in metrics.splitlines() if line.startswith("catflap_decisions_total")]
    counts = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
    assert counts['catflap_decisions_total{decision="denied",phase="validate"}'] >= 1
    assert 'catflap_policy_info{digest="597718279e1a869b"} 1.0' in metrics
    faults = 'catflap_violations_total{effect="denied",rule="require-role"} '
    assert float(metrics.partition(faults)[2].partition("\n")[0]) >= 1
    assert "catflap_managed_namespaces" not in metrics


def test_a_patch_comes_with_its_type(server: Program) -> None:
    """The API server refuses one of the two without the other."""
    response = server.post("/mutate", encoded(pod(ALIASED))).response
    assert response["patchType"] == "JSONPatch"
    assert json.dumps(response["patch"])
    assert "patch" not in server.post("/mutate", encoded(pod(GOOD))).response
