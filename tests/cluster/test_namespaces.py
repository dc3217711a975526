"""Tests which namespaces are isolated and when, and how policies follow the life of a namespace."""

from typing import Any

from tests.cluster.api_requests import writes
from tests.cluster.barriers import wait_until_handled
from tests.cluster.installation import NAMESPACE, Installation, eventually, names
from tests.cluster.load_scenarios import create
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.policies import BOTH, path, stored_policies
from tests.controlplane.client import MERGE

PLAIN = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
CALICO = "/apis/projectcalico.org/v3/namespaces/{}/networkpolicies"
# Longer than any reaction of the controller that these tests have seen, and than the interval of its cluster info.


def closed(catflap: Installation, space: str, path: str = PLAIN) -> list[str]:
    """Return the policies of a namespace by name."""
    return list(names(catflap.cluster.api("GET", path.format(space))))


def labels(catflap: Installation, space: str) -> dict[str, str]:
    """Return the labels of a namespace."""
    return catflap.cluster.api("GET", f"/api/v1/namespaces/{space}")["metadata"]["labels"]  # type: ignore[no-any-return]


def test_earlier_namespaces_are_left_alone(catflap: Installation, older: str) -> None:
    """A running system never gets a default-deny unexpectedly."""
    assert closed(catflap, older) == []
    assert "catflap.dev/guard" not in labels(catflap, older)


def test_an_exempt_namespace_gets_neither_stamp_nor_policy(catflap: Installation, namespace_name: str) -> None:
    """The exact name is exempt."""
    catflap.configure({"namespaces": {"exempt": [namespace_name]}})
    catflap.apply(namespace(namespace_name))
    wait_until_handled(catflap)
    assert closed(catflap, namespace_name) == []


def test_catflaps_own_and_the_system_namespaces_stay_open(catflap: Installation) -> None:
    """The file does not matter."""
    for space in (NAMESPACE, "kube-system", "kube-public", "kube-node-lease"):
        assert closed(catflap, space) == []


def test_an_older_namespace_is_closed_once_it_is_included(catflap: Installation, older: str) -> None:
    """A prefix exempts it; its managed label follows, and no policy is reported as lost."""
    catflap.configure({"namespaces": {"includeExisting": [f"{older[:9]}*"]}})
    assert eventually(lambda: closed(catflap, older), until=lambda seen: seen == BOTH)
    eventually(lambda: labels(catflap, older).get("catflap.dev/guard") == "enabled")
    assert [one["reasonCode"] for one in written(catflap, older)][:2] == ["PolicyUpdated", "PolicyUpdated"]
    events = catflap.cluster.api("GET", f"/apis/events.k8s.io/v1/namespaces/{older}/events")["items"]
    assert [one for one in events if one["reason"] == "PolicyRestored"] == []


def relabel(catflap: Installation, space: str, value: str | None) -> None:
    """Set or remove the managed label, as an authorised user."""
    change = {"metadata": {"labels": {"catflap.dev/guard": value}}}
    catflap.cluster.api("PATCH", f"/api/v1/namespaces/{space}", change, content_type=MERGE)


def test_the_stamp_is_what_holds_an_older_namespace(catflap: Installation, older: str) -> None:
    """It stays isolated when the file no longer includes it; after an authorised user removes the label, it is left as it is."""
    catflap.configure({"namespaces": {"includeExisting": [older]}})
    eventually(lambda: closed(catflap, older) == BOTH)
    eventually(lambda: labels(catflap, older).get("catflap.dev/guard") == "enabled")
    catflap.configure()
    wait_until_handled(catflap)
    assert closed(catflap, older) == BOTH
    relabel(catflap, older, None)
    eventually(lambda: closed(catflap, older), until=lambda seen: seen == [])
    assert catflap.apply(pod("web", older, GOOD)).returncode == 0
    assert "catflap.dev/guard" not in labels(catflap, older)
    assert closed(catflap, older) == []


def test_the_stamp_of_a_younger_one_says_nothing(catflap: Installation, namespace_name: str) -> None:
    """An authorised user removes it, and it returns; no policy was written or missing."""
    catflap.apply(namespace(namespace_name))
    eventually(lambda: closed(catflap, namespace_name) == BOTH)
    before = catflap.cluster.api("GET", PLAIN.format(namespace_name))["items"]
    relabel(catflap, namespace_name, None)
    eventually(lambda: labels(catflap, namespace_name).get("catflap.dev/guard") == "enabled")
    assert catflap.cluster.api("GET", PLAIN.format(namespace_name))["items"] == before


def test_a_namespace_born_unstamped_is_guarded_by_its_age(catflap: Installation, namespace_name: str) -> None:
    """The mutating phase fails open; the label comes later, and the policy does not depend on it."""
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/catflap"
    kept = catflap.cluster.api("GET", path)
    catflap.cluster.api("DELETE", path)
    try:
        catflap.apply(namespace(namespace_name))
        eventually(lambda: closed(catflap, namespace_name) == BOTH)
        eventually(lambda: labels(catflap, namespace_name).get("catflap.dev/guard") == "enabled")
    finally:
        kept["metadata"] = {key: kept["metadata"][key] for key in ("name", "labels", "annotations")}
        catflap.cluster.api("POST", path.rpartition("/")[0], kept)


def test_a_namespace_goes_in_normal_time_with_its_policies(
    catflap: Installation, engine: str, namespace_name: str
) -> None:
    """KY#6097, KY#5999, KY#7724: catflap does not delay it, does not write to it while it terminates, and touches no other."""
    beside = f"{namespace_name}-beside"
    create(catflap, [namespace_name, beside])
    eventually(lambda: [stored_policies(catflap, engine, space) for space in (namespace_name, beside)] == [BOTH, BOTH])
    wait_until_handled(catflap)  # the label of the namespace follows its policies
    before, begin = catflap.cluster.api("GET", path(engine, beside))["items"], catflap.cluster.audit_size()
    catflap.cluster.kubectl("delete", "namespace", namespace_name, "--timeout=30s")
    assert writes(catflap, namespace_name, after=begin) == []
    assert writes(catflap, beside, after=begin) == []
    assert catflap.cluster.api("GET", path(engine, beside))["items"] == before
    catflap.apply(namespace(namespace_name))
    eventually(lambda: stored_policies(catflap, engine, namespace_name) == BOTH)


def test_an_update_of_a_namespace_costs_no_write(catflap: Installation, engine: str, namespace_name: str) -> None:
    """KY#17452: a label, an annotation, or no change; counted in the API server's audit log."""
    create(catflap, [namespace_name])
    eventually(lambda: stored_policies(catflap, engine, namespace_name) == BOTH)
    wait_until_handled(catflap)  # the label of the namespace follows its policies
    begin = catflap.cluster.audit_size()
    catflap.cluster.kubectl("label", "namespace", namespace_name, "team=x")
    catflap.cluster.kubectl("annotate", "namespace", namespace_name, "note=x")
    own = f"/api/v1/namespaces/{namespace_name}"
    catflap.cluster.api("PUT", own, catflap.cluster.api("GET", own))
    wait_until_handled(catflap)
    assert writes(catflap, namespace_name, after=begin) == []


def test_each_write_is_on_record(catflap: Installation, namespace_name: str) -> None:
    """The number of records equals the number of writes in the API server's log."""
    catflap.apply(namespace(namespace_name))
    eventually(lambda: closed(catflap, namespace_name) == BOTH)
    records = eventually(lambda: written(catflap, namespace_name), until=lambda seen: len(seen) == 2)
    assert [record["objectRef"]["name"] for record in records] == ["catflap-default-deny", "catflap-allow-dns"]
    assert len(writes(catflap, namespace_name)) == 2


def written(catflap: Installation, space: str) -> list[dict[str, Any]]:
    """Return the records of the controller's writes into a namespace."""
    records = catflap.controller.records()
    return [one for one in records if one["type"] == "write" and one["objectRef"]["namespace"] == space]


def test_the_installation_is_dated_in_two_places(catflap: Installation) -> None:
    """One is in catflap's namespace, one in kube-system; both are immutable, and both have the second of the registration."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/catflap"
    registered = catflap.cluster.api("GET", path)["metadata"]["creationTimestamp"]
    for space in (NAMESPACE, "kube-system"):
        found = catflap.cluster.api("GET", f"/api/v1/namespaces/{space}/configmaps/catflap-epoch")
        assert found["immutable"] is True
        assert found["data"] == {"installed": registered, "closing": registered}


def test_auto_follows_calico_as_it_comes(catflap: Installation, namespace_name: str) -> None:
    """Plain policies come first, then Calico's once its API is served, in old and new namespaces."""
    catflap.configure({"network": {"engine": "auto"}})
    catflap.cluster.remove_calico()
    eventually(
        lambda: (
            catflap.controller.log()
            .rpartition("cluster info")[2]
            .startswith(": ClusterInfo(engine=<PolicyEngine.KUBERNETES")
        )
    )
    catflap.apply(namespace(namespace_name))
    eventually(lambda: closed(catflap, namespace_name) == BOTH)
    catflap.cluster.install_calico()
    eventually(lambda: closed(catflap, namespace_name, CALICO) == BOTH)


def test_a_policy_that_says_something_else_is_rewritten_in_place(catflap: Installation, namespace_name: str) -> None:
    """The object keeps its uid, so it was not deleted and created again."""
    catflap.configure({"network": {"engine": "kubernetes"}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: closed(catflap, namespace_name) == BOTH)
    path = f"{PLAIN.format(namespace_name)}/catflap-allow-dns"
    before = catflap.cluster.api("GET", path)
    catflap.configure({"network": {"engine": "kubernetes", "dns": "openshift"}})
    after = eventually(lambda: catflap.cluster.api("GET", path), until=lambda seen: seen["spec"] != before["spec"])
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["egress"][0]["ports"][0]["port"] == 5353


SERVICES = "/api/v1/namespaces/kube-system/services"
CACHES = "/apis/apps/v1/namespaces/kube-system/daemonsets"


def open_networks(catflap: Installation, space: str) -> set[str]:
    """Return the networks of the name servers that a namespace may query."""
    rules = catflap.cluster.api("GET", f"{PLAIN.format(space)}/catflap-allow-dns")["spec"]["egress"]
    return {peer["ipBlock"]["cidr"] for rule in rules for peer in rule["to"] if "ipBlock" in peer}


def make_service(catflap: Installation) -> str:
    """Create a DNS Service; return the address that the API server assigned."""
    made = catflap.cluster.api(
        "POST",
        SERVICES,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns"},
            "spec": {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]},
        },
    )
    return str(made["spec"]["clusterIP"])


def node_cache(addresses: str) -> dict[str, Any]:
    """Create a NodeLocal DNSCache that listens on these addresses."""
    labels = {"k8s-app": "node-local-dns"}
    containers = [
        {"name": "node-cache", "image": "node-cache", "args": ["-localip", addresses, "-conf", "/etc/Corefile"]}
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "node-local-dns", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"hostNetwork": True, "containers": containers}},
        },
    }


def test_the_addresses_of_name_servers_are_followed(catflap: Installation, namespace_name: str) -> None:
    """They are those of the DNS Service and of the cache on each node, as they are added, changed and removed; an Event names them."""
    cache = "169.254.20.10/32"
    catflap.configure({"network": {"engine": "kubernetes"}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: closed(catflap, namespace_name) == BOTH)
    assert open_networks(catflap, namespace_name) == {cache}
    first = make_service(catflap)
    try:
        eventually(lambda: open_networks(catflap, namespace_name) == {cache, f"{first}/32"})
        catflap.cluster.api("POST", CACHES, node_cache(f"169.254.77.10,{first}"))
        eventually(lambda: open_networks(catflap, namespace_name) == {cache, f"{first}/32", "169.254.77.10/32"})
        events = catflap.cluster.api("GET", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")["items"]
        notes = [one["note"] for one in events if one["reason"] == "NameServersFound"]
        assert any(first in note and "169.254.77.10" in note for note in notes)
    finally:
        catflap.cluster.call("DELETE", f"{SERVICES}/kube-dns")
        catflap.cluster.call("DELETE", f"{CACHES}/node-local-dns")
    eventually(lambda: open_networks(catflap, namespace_name) == {cache})
