"""Tests that rejections and repairs appear in `kubectl get events` and `kubectl describe`."""

import re
from functools import partial
from typing import Any

from tests.cluster.api_requests import catflap_requests, count_requests
from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import GOOD, deployment, namespace, pod
from tests.controlplane.client import MERGE


def told(catflap: Installation, space: str, reason: str) -> list[Any]:
    """Return the Events of a namespace with this reason."""
    found = catflap.cluster.api("GET", f"/apis/events.k8s.io/v1/namespaces/{space}/events")["items"]
    return [one for one in found if one["reason"] == reason]


def test_a_refused_workload_has_an_event_in_its_namespace(catflap: Installation, namespace_name: str) -> None:
    """There is one Event for all retries, and none for a dry run or an admitted object."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(deployment("good", namespace_name, GOOD))
    catflap.apply(deployment("trial", namespace_name, {}), "--dry-run=server")
    path = f"/apis/apps/v1/namespaces/{namespace_name}/deployments"
    for _ in range(5):
        assert catflap.cluster.call("POST", path, deployment("bad", namespace_name, {"app": "x"})).status == 403
    [event] = eventually(partial(told, catflap, namespace_name, "WorkloadRefused"))
    assert event["note"].startswith("Deployment bad was rejected: require-role: spec.template.metadata.labels.role: ")
    assert event["type"] == "Warning"
    assert (event["regarding"]["kind"], event["regarding"]["name"]) == ("Namespace", namespace_name)
    shown = catflap.cluster.kubectl("get", "events", "--namespace", namespace_name).stdout
    assert "Deployment bad was rejected" in shown
    assert len(told(catflap, namespace_name, "WorkloadRefused")) == 1


def test_a_refused_change_has_an_event_on_the_object(catflap: Installation, namespace_name: str) -> None:
    """`kubectl describe` shows it."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(deployment("web", namespace_name, GOOD))
    labels = {"spec": {"template": {"metadata": {"labels": {"role": None}}}}}
    path = f"/apis/apps/v1/namespaces/{namespace_name}/deployments/web"
    assert catflap.cluster.call("PATCH", path, labels, content_type=MERGE).status == 403
    eventually(partial(told, catflap, namespace_name, "WorkloadRefused"))
    shown = catflap.cluster.kubectl("describe", "deployment", "web", "--namespace", namespace_name).stdout
    assert "Deployment web was rejected: require-role" in shown


def test_refused_pods_of_a_controller_have_one_event_on_their_owner(catflap: Installation, namespace_name: str) -> None:
    """GL#499: the Deployment is older than the rule, and its ReplicaSet retries for ever: one Event results."""
    catflap.apply(namespace(namespace_name))
    catflap.configure({"mode": "audit"})
    assert catflap.apply(deployment("web", namespace_name, {}, replicas=0)).returncode == 0
    catflap.configure()
    scale = {"spec": {"replicas": 3}}
    path = f"/apis/apps/v1/namespaces/{namespace_name}/deployments/web"
    before = catflap.cluster.audit_size()
    catflap.cluster.api("PATCH", path, scale, content_type=MERGE)
    refusals = eventually(partial(refused, catflap, namespace_name, before), until=lambda seen: seen >= 5)
    [event] = told(catflap, namespace_name, "WorkloadRefused")
    assert event["regarding"]["kind"] == "ReplicaSet"
    assert event["note"].startswith(f"a Pod of ReplicaSet {event['regarding']['name']} was rejected: require-app: ")
    written = count_requests(catflap_requests(catflap, after=before))
    events = [one for one in written if one.resource == "events"]
    assert sum(written[one] for one in events) < refusals, written
    assert all(one.granted for one in events), written
    shown = catflap.cluster.kubectl("describe", "replicaset", event["regarding"]["name"], "-n", namespace_name).stdout
    assert "WorkloadRefused" in shown
    catflap.cluster.api("DELETE", path)


def refused(catflap: Installation, space: str, after: int) -> int:
    """Return the number of rejected Pods of a namespace."""
    return sum(
        one["verb"] == "create" and one["responseStatus"]["code"] == 403
        for one in catflap.cluster.audit_events(after=after)
        if one.get("objectRef", {}).get("resource") == "pods" and one["objectRef"].get("namespace") == space
    )


def test_a_refused_edit_of_a_policy_has_an_event_on_it(catflap: Installation, namespace_name: str) -> None:
    """A user tried to open what catflap isolates, which concerns the users of the namespace."""
    catflap.apply(namespace(namespace_name))
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace_name}/networkpolicies/catflap-default-deny"
    eventually(lambda: catflap.cluster.call("GET", path).status == 200)
    assert catflap.cluster.call("DELETE", path).status == 403
    [event] = eventually(partial(told, catflap, namespace_name, "NetworkPolicyRefused"))
    assert event["regarding"]["name"] == "catflap-default-deny"


def test_admission_is_not_waited_for_by_events(catflap: Installation, namespace_name: str) -> None:
    """A hundred rejections under a hundred names get as many answers and few Events; the rest is counted."""
    catflap.apply(namespace(namespace_name))
    before = catflap.cluster.audit_size()
    path = f"/api/v1/namespaces/{namespace_name}/pods"
    for number in range(100):
        assert catflap.cluster.call("POST", path, pod(f"p{number}", namespace_name, {})).status == 403
    eventually(partial(limited, catflap), until=lambda seen: seen >= 80)
    written = count_requests(catflap_requests(catflap, after=before))
    assert sum(count for one, count in written.items() if one.resource == "events") < 20, written


def limited(catflap: Installation) -> float:
    """Return the number of rate-limited Events."""
    shown = catflap.server.status("/metrics").body.decode()
    [value] = re.findall(r'^catflap_events_total{outcome="limited"} (.+)$', shown, re.MULTILINE)
    return float(value)
