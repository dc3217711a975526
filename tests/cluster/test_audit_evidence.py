"""Tests that catflap's log and the API server's log verify each other."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.cluster.installation import WEBHOOKS, Installation, eventually, run_controller, run_server
from tests.cluster.manifests import GOOD, deployment, namespace, pod
from tests.programs import stop
from tests.reviews import encoded
from webhook.audit.chain import seal
from webhook.audit.log_lines import read_records
from webhook.audit.record import timestamp

Report = dict[str, Any]
ALLOW_ALL: Final = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}


class Since(NamedTuple):
    """Return a managed namespace with a judged Pod, and the API server's log since before that."""

    catflap: Installation
    space: str
    begin: int
    log: Path

    def verify(self, *logs: Path, later: timedelta | None = None) -> tuple[int, Report]:
        """Return the exit code and output of `catflap audit verify --against` for the logs, or for copies.

        With `later`, the last event of the API server's log is repeated that much later.
        """
        with self.catflap.cluster.audit_log.open("rb") as log:
            log.seek(self.begin)
            text = log.read()
        self.log.write_bytes(text if later is None else text + again(text.splitlines()[-1], later))
        ours = logs or (self.catflap.server.audit_log, self.catflap.controller.audit_log)
        argv = [sys.executable, "-m", "webhook", "audit", "verify", "-o", "json", *map(str, ours)]
        done = subprocess.run([*argv, "--against", str(self.log)], capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def make(self, *names: str) -> None:
        """Create good Pods, and wait until the API server's log has them."""
        for name in names:
            path = f"/api/v1/namespaces/{self.space}/pods"
            self.catflap.cluster.api("POST", path, pod(name, self.space, GOOD))
        self.wait_for(names[-1])

    def wait_for(self, name: str) -> Report:
        """Return the event of an object's creation once it is in the log; the API server answers a moment earlier."""
        return eventually(lambda: [one for one in self.catflap.cluster.audit_events() if self.is_about(one, name)])[-1]

    def is_about(self, event: Report, name: str) -> bool:
        """Return whether an event is the creation of an object."""
        ref = event.get("objectRef", {})
        return (event["verb"], ref.get("namespace"), ref.get("name")) == ("create", self.space, name)


def again(line: bytes, later: timedelta) -> bytes:
    """Return a copy of an event at a later time."""
    event = json.loads(line)
    at = datetime.fromisoformat(event["requestReceivedTimestamp"]) + later
    return json.dumps(event | {"requestReceivedTimestamp": timestamp(at)}).encode() + b"\n"


@pytest.fixture
def since(apart: Installation, namespace_name: str, tmp_path: Path) -> Since:
    """Return the end of the log."""
    begin = apart.cluster.audit_size()
    apart.apply(namespace(namespace_name))
    found = Since(apart, namespace_name, begin, tmp_path / "api-server.log")
    found.make("judged")
    return found


def test_what_happened_in_order_is_the_same_on_both_sides(since: Since) -> None:
    """The hash of each decision, admitted or rejected, is in the API server's log."""
    since.catflap.apply(deployment("bad", since.space, {}))
    anchored = since.wait_for("bad")["annotations"]
    assert since.verify()[0] == 0
    assert since.verify()[1]["findings"] == []
    [record] = [one for one in since.catflap.server.records() if one.get("id") and is_about(one, since.space, "bad")]
    assert anchored["workloads.catflap.dev/record-chain"] == record["chain"]
    assert anchored["workloads.catflap.dev/record-seq"] == str(record["seq"])
    assert anchored["workloads.catflap.dev/record-hash"] == record["hash"]
    assert anchored["workloads.catflap.dev/reason-code"] == record["reasonCode"] == "RuleViolated"


def test_a_decision_that_the_api_server_never_asked_for_is_found(since: Since) -> None:
    """An unknown sender sent the review. A review that the API server sent is no finding, whether rejected, retried or a dry run."""
    catflap, space = since.catflap, since.space
    path = f"/api/v1/namespaces/{space}/pods"
    catflap.cluster.call("POST", f"{path}?dryRun=All", pod("dry", space, GOOD))
    catflap.cluster.call("POST", path, pod("refused", space, {}))
    catflap.cluster.call("POST", path, pod("judged", space, GOOD))  # it exists already
    since.make("last")
    assert since.verify(later=timedelta(minutes=2))[1]["findings"] == []
    review = encoded(pod("forged", space, GOOD), namespace=space, userInfo={"username": "mallory", "groups": []})
    assert catflap.server.post(catflap.path(), review).status == 200
    code, report = since.verify(later=timedelta(minutes=2))
    assert code == 1
    [found] = report["findings"]
    assert found["damage"] == "inserted"
    assert f"contains no request for this decision (create pods {space}/forged by mallory)" in found["message"]


def is_about(record: Report, space: str, name: str) -> bool:
    """Return whether a decision is about an object."""
    ref = record["objectRef"]
    return (ref.get("namespace"), ref.get("name")) == (space, name)


def test_a_cut_end_that_no_chain_shows_is_shown_by_the_api_server(since: Since, tmp_path: Path) -> None:
    """The last records are missing, and the rest of the chain is valid."""
    since.make("later")
    lines = since.catflap.server.audit_log.read_bytes().splitlines(keepends=True)
    name = f'"name":"later","namespace":"{since.space}"'.encode()
    last = next(index for index, line in enumerate(lines) if name in line)
    cut = tmp_path / "cut.log"
    cut.write_bytes(b"".join(lines[:last]))
    gone = json.loads(lines[last])
    code, report = since.verify(cut)
    assert code == 1
    assert report["chains"][-1]["lastSeq"] == gone["seq"] - 1
    [found] = [one for one in report["findings"] if (one["chain"], one["seq"]) == (gone["chain"], gone["seq"])]
    assert (found["damage"], found["file"]) == ("missing", str(since.log))
    assert f"create pods {since.space}/later" in found["message"]


def test_a_rewritten_record_is_another_one_than_the_api_server_saw(since: Since, tmp_path: Path) -> None:
    """A holder of the writer's key can build a valid chain, but cannot change the API server's log."""
    *lines, last = since.catflap.server.audit_log.read_bytes().splitlines(keepends=True)
    record = json.loads(last)
    forged = {key: value for key, value in record.items() if key != "hash"} | {"user": {"username": "x", "groups": []}}
    rewritten = tmp_path / "rewritten.log"
    rewritten.write_bytes(b"".join(lines) + seal(forged)[0])
    code, report = since.verify(rewritten)
    assert code == 1
    assert [(one["damage"], one["seq"]) for one in report["findings"]] == [("forged", record["seq"])]


@contextmanager
def unregistered(catflap: Installation) -> Iterator[None]:
    """Remove the validating configuration: no review is sent, and nothing fails."""
    path = WEBHOOKS.format("validating")
    found = catflap.cluster.api("GET", path)
    catflap.cluster.api("DELETE", path)
    try:
        eventually(lambda: not refuses(catflap))
        yield
    finally:
        kept = {key: value for key, value in found["metadata"].items() if key in {"name", "labels", "annotations"}}
        catflap.cluster.api("POST", path.rpartition("/")[0], {**found, "metadata": kept})
        eventually(lambda: refuses(catflap))


def refuses(catflap: Installation) -> bool:
    """Return whether a Pod without labels is rejected."""
    bad = pod("bad", "default", {})
    return catflap.cluster.call("POST", "/api/v1/namespaces/default/pods?dryRun=All", bad).refused


def test_a_request_without_a_review_is_found(since: Since) -> None:
    """A user removes the registration for a moment, and does what catflap would have rejected."""
    policies = f"/apis/networking.k8s.io/v1/namespaces/{since.space}/networkpolicies"
    with unregistered(since.catflap):
        since.catflap.apply(deployment("also", since.space, {}), check=True)
        since.catflap.cluster.api("DELETE", f"{policies}/catflap-default-deny")
        since.make("past-us")
    code, report = since.verify()
    assert code == 1
    assert {one["damage"] for one in report["findings"]} == {"skipped"}
    messages = [one["message"] for one in report["findings"]]
    for request in (
        f"create pods {since.space}/past-us",
        f"create deployments {since.space}/also",
        f"delete networkpolicies {since.space}/catflap-default-deny",
    ):
        assert sum(request in message and "did not send this request" in message for message in messages) == 1
    assert sum("sent no more requests" in message for message in messages) == 1


def test_a_request_that_continued_without_an_answer_is_found(since: Since) -> None:
    """The API server fails open there."""
    catflap = since.catflap
    stop(catflap.server.process)
    try:
        path = f"/apis/networking.k8s.io/v1/namespaces/{since.space}/networkpolicies"
        policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "theirs"}}
        catflap.cluster.api("POST", path, {**policy, "spec": ALLOW_ALL})
    finally:
        catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))
    since.wait_for("theirs")
    code, report = since.verify()
    assert code == 1
    [found] = [one for one in report["findings"] if since.space in one["message"]]
    assert found["damage"] == "skipped"
    assert "without an answer from open-policies.catflap.dev" in found["message"]
    assert f"create networkpolicies {since.space}/theirs" in found["message"]


def test_a_controller_that_ends_in_order_closes_its_chain(since: Since) -> None:
    """The chain runs from its start to its stop."""
    catflap = since.catflap
    with run_controller(catflap.cluster, catflap.folder, name="ended") as ended:
        pass
    types = [record["type"] for record in read_records([str(ended.audit_log)])]
    assert (types[0], types[1], types[-1]) == ("start", "configuration", "stop")
