"""Tests that a scan spends no more on objects of maximum size than on their names."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.cluster.manifests import namespace
from tests.controlplane.cluster import Cluster
from tests.controlplane.protobuf import open_policy, post
from webhook.kube.api import connect
from webhook.kube.listing import ObjectLister

POLICIES: Final = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
# About 1.4 MiB in etcd, and 9 MiB of JSON.
PEERS: Final = 360_000
# Two of these make a page that is too large; each one alone does not.
HALF: Final = PEERS // 2


@pytest.fixture
def large(cluster: Cluster, namespace_name: str) -> Iterator[str]:
    """Return a namespace with one policy that is too large to decode, two large ones, and a small one."""
    cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    account = f"/api/v1/namespaces/{namespace_name}/serviceaccounts"
    cluster.api("POST", account, {"metadata": {"name": "writer"}})
    binding = ["--clusterrole=edit", f"--serviceaccount={namespace_name}:writer", f"--namespace={namespace_name}"]
    cluster.kubectl("create", "rolebinding", "writer", *binding)
    token = cluster.api("POST", f"{account}/writer/token", {"spec": {}})["status"]["token"]
    for name, peers in (("largest", PEERS), ("large-1", HALF), ("large-2", HALF), ("small", 1)):
        body = open_policy(name, namespace_name, peers=peers)
        assert post(cluster, POLICIES.format(namespace_name), body, token=token) == 201, name
    yield namespace_name
    for name in ("largest", "large-1", "large-2", "small"):
        cluster.api("DELETE", f"{POLICIES.format(namespace_name)}/{name}")


def test_an_object_that_is_too_large_is_named_and_the_others_are_listed(cluster: Cluster, large: str) -> None:
    """The size of one policy does not hide the others."""
    listing = ObjectLister(connect(str(cluster.kubeconfig)), namespaces=[large], makers=())
    found = [one["metadata"]["name"] for one in listing.objects() if one["kind"] == "NetworkPolicy"]
    assert sorted(found) == ["large-1", "large-2", "small"]
    assert listing.unlisted == [f"networkpolicies.networking.k8s.io {large}/largest: the JSON has more than 8 MiB"]
    assert not listing.failed
