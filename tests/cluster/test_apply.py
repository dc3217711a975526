"""Tests `kubectl apply`: good objects are stored, others are rejected with a fix in the message, and a new namespace is isolated."""

from typing import Any

import pytest

from tests.cluster.barriers import wait_until_handled
from tests.cluster.installation import Installation, eventually, names
from tests.cluster.manifests import GOOD, deployment, every_kind, join_manifests, namespace, pod

REFUSAL = """\
Error from server (Forbidden): error when creating "STDIN": admission webhook "workloads.catflap.dev" denied the request: \
Deployment {space}/bad has 2 violations:
- known-role: spec.template.metadata.labels.role: unknown role 'fronted' (did you mean 'frontend'?); \
the roles are frontend, backend, data
- require-app: spec.template.metadata.labels.app: the label 'app' is missing; set it to the name of the application
To fix it, set in the manifest:
  spec:
    template:
      metadata:
        labels:
          role: "frontend"  # or: backend, data
          app: "bad"
"""
ALIASES = {"app.kubernetes.io/name": "web", "app.kubernetes.io/component": "frontend"}


def policies(catflap: Installation, engine: str, space: str) -> Any:
    """Return the network policies of one engine in a namespace."""
    group = {"kubernetes": "networking.k8s.io/v1", "calico": "projectcalico.org/v3"}[engine]
    return catflap.cluster.api("GET", f"/apis/{group}/namespaces/{space}/networkpolicies")


def pods(catflap: Installation, space: str) -> Any:
    """Return the Pods of a namespace."""
    return catflap.cluster.api("GET", f"/api/v1/namespaces/{space}/pods")


def test_one_file_with_a_namespace_a_good_and_a_bad_deployment(
    catflap: Installation, engine: str, namespace_name: str
) -> None:
    """The main task: the good object runs, the message explains the bad one, and the namespace is isolated."""
    good = deployment("good", namespace_name, GOOD, replicas=2)
    bad = deployment("bad", namespace_name, {"role": "fronted"})
    applied = catflap.apply(join_manifests(namespace(namespace_name), good, bad))
    assert applied.returncode == 1
    assert applied.stdout == f"namespace/{namespace_name} created\ndeployment.apps/good created\n"
    assert applied.stderr == REFUSAL.format(space=namespace_name)
    eventually(lambda: pods(catflap, namespace_name)["items"], until=lambda found: len(found) == 2)
    sets = catflap.cluster.api("GET", f"/apis/apps/v1/namespaces/{namespace_name}/replicasets")
    assert len(sets["items"]) == 1
    found = eventually(lambda: names(policies(catflap, engine, namespace_name)), until=lambda seen: len(seen) == 2)
    assert found == ["catflap-allow-dns", "catflap-default-deny"]
    stored = catflap.cluster.api("GET", f"/api/v1/namespaces/{namespace_name}")
    assert stored["metadata"]["labels"]["catflap.dev/guard"] == "enabled"


def test_the_default_deny_says_all_pods_both_ways_nothing_open(
    catflap: Installation, engine: str, namespace_name: str
) -> None:
    """The policies are read back from the API server, after its defaulting."""
    catflap.apply(namespace(namespace_name))
    found = eventually(lambda: policies(catflap, engine, namespace_name), until=lambda seen: len(names(seen)) == 2)
    deny = next(one for one in found["items"] if one["metadata"]["name"] == "catflap-default-deny")
    uid = catflap.cluster.api("GET", f"/api/v1/namespaces/{namespace_name}")["metadata"]["uid"]
    assert (
        deny["spec"]
        == {
            "kubernetes": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
            "calico": {"tier": "default", "selector": "all()", "types": ["Ingress", "Egress"]},
        }[engine]
    )
    assert deny["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "catflap"
    assert deny["metadata"]["annotations"]["catflap.dev/namespace-uid"] == uid
    assert {entry["manager"] for entry in deny["metadata"]["managedFields"]} == {"catflap"}


def test_a_dry_run_writes_nothing_and_is_recorded_as_one(
    catflap: Installation, engine: str, namespace_name: str
) -> None:
    """KY PR#15143: it creates neither the namespace nor policies, and the verdicts are the real ones."""
    catflap.apply(namespace(namespace_name))
    eventually(lambda: names(policies(catflap, engine, namespace_name)), until=lambda seen: len(seen) == 2)
    other = f"{namespace_name}-dry"
    applied = catflap.apply(
        join_manifests(
            namespace(other), deployment("bad", namespace_name, {}), deployment("good", namespace_name, GOOD)
        ),
        "--dry-run=server",
    )
    assert "deployment.apps/good created (server dry run)" in applied.stdout
    assert "Deployment " + namespace_name + "/bad has 2 violations" in applied.stderr
    wait_until_handled(catflap)
    assert catflap.cluster.call("GET", f"/api/v1/namespaces/{other}").status == 404
    deployments = catflap.cluster.api("GET", f"/apis/apps/v1/namespaces/{namespace_name}/deployments")
    assert deployments["items"] == []
    ours = [one for one in catflap.server.records() if one.get("objectRef", {}).get("namespace") == namespace_name]
    assert {one["dryRun"] for one in ours if one["objectRef"]["resource"] == "deployments"} == {True}


@pytest.mark.parametrize("kind", sorted(every_kind("x", {})))
def test_every_kind_that_makes_pods_is_judged_where_it_is_applied(
    catflap: Installation, namespace_name: str, kind: str
) -> None:
    """Without labels it is rejected by its own name; with them it is stored."""
    catflap.apply(namespace(namespace_name))
    refused = catflap.apply(every_kind(namespace_name, {})[kind])
    assert refused.returncode == 1
    assert f"{kind} {namespace_name}/one-{kind.lower()} has 2 violations:" in refused.stderr
    admitted = catflap.apply(every_kind(namespace_name, GOOD)[kind])
    assert admitted.returncode == 0, admitted.stderr


def test_an_alias_counts_and_the_pod_gets_the_plain_label(catflap: Installation, namespace_name: str) -> None:
    """The label is on the stored Pod, and the template stays as the user wrote it."""
    catflap.apply(namespace(namespace_name))
    applied = catflap.apply(deployment("aliased", namespace_name, ALIASES))
    assert applied.returncode == 0, applied.stderr
    found = eventually(lambda: pods(catflap, namespace_name)["items"])
    labels = found[0]["metadata"]["labels"]
    assert (labels["app"], labels["role"]) == ("web", "frontend")
    stored = catflap.cluster.api("GET", f"/apis/apps/v1/namespaces/{namespace_name}/deployments/aliased")
    assert set(stored["spec"]["template"]["metadata"]["labels"]) == {"tier", *ALIASES}


def test_a_generated_name_is_named_in_the_refusal(catflap: Installation, namespace_name: str) -> None:
    """The Pod may have no name yet when it is judged. The message names it in either case."""
    catflap.apply(namespace(namespace_name))
    unnamed = pod("x", namespace_name, {})
    unnamed["metadata"] = {"generateName": "batch-", "namespace": namespace_name}
    answer = catflap.cluster.call("POST", f"/api/v1/namespaces/{namespace_name}/pods", unnamed)
    assert answer.status == 403
    assert f"Pod {namespace_name}/batch-" in answer.body["message"]


def test_the_api_servers_own_audit_log_names_the_decision(catflap: Installation, namespace_name: str) -> None:
    """KY#17180: the annotations name exactly the violated rules, so that both logs can be joined."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(deployment("bad", namespace_name, {}))
    events = [
        event
        for event in catflap.cluster.audit_events()
        if event.get("objectRef", {}).get("namespace") == namespace_name and event["objectRef"].get("name") == "bad"
    ]
    annotations = [event["annotations"] for event in events if event["verb"] == "create"]
    assert annotations[-1]["workloads.catflap.dev/decision"] == "denied"
    assert annotations[-1]["workloads.catflap.dev/violated-rules"] == "require-app,require-role"
