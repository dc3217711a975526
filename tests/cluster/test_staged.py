"""Tests staged policies, and the cluster-wide default deny."""

import time
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.cluster.installation import NAMESPACE, Installation, eventually, names
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.policies import BOTH, CLOSED, DENY
from tests.controlplane.client import MERGE, Answer

Json = dict[str, Any]

PLAIN = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
CALICO = "/apis/projectcalico.org/v3/namespaces/{}/networkpolicies"
STAGED = "/apis/projectcalico.org/v3/namespaces/{}/stagednetworkpolicies"
NETS = "/apis/projectcalico.org/v3/globalnetworkpolicies"
STAGED_NETS = "/apis/projectcalico.org/v3/stagedglobalnetworkpolicies"
NET = "catflap-standing-net"
# Longer than any reaction of the controller that these tests have seen.
QUIET_SECONDS = 2.0
SECOND = 1.0
# A watch whose kind was removed with Calico's API, as by earlier tests, retries after five seconds.
CALICO_SECONDS = 10.0


@pytest.fixture
def catflap(apart: Installation) -> Installation:
    """Use a separate cluster: staging writes to every namespace, and the cluster-wide policy needs `includeExisting: all`."""
    apart.configure()
    return apart


def stand(catflap: Installation, path: str, space: str = "") -> list[str]:
    """Return the policies at a path, by name."""
    return list(names(catflap.cluster.api("GET", path.format(space))))


def closure(catflap: Installation, space: str) -> str:
    """Return the isolation in the record of a Pod's creation."""
    done = catflap.apply(pod("web", space, GOOD))
    assert done.returncode == 0, done.stderr
    [record] = [
        one for one in catflap.server.records() if one.get("closure") and one["objectRef"]["namespace"] == space
    ]
    return str(record["closure"])


def test_staged_policies_show_and_close_nothing(catflap: Installation, namespace_name: str) -> None:
    """There is no enforced policy of catflap's in addition; a Pod is admitted, and its record says so."""
    catflap.cluster.install_calico()
    catflap.configure({"network": {"engine": "calico", "staged": True}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: stand(catflap, STAGED, namespace_name) == BOTH)
    assert (stand(catflap, CALICO, namespace_name), stand(catflap, PLAIN, namespace_name)) == ([], [])
    found = catflap.cluster.api("GET", f"{STAGED.format(namespace_name)}/{DENY}")
    assert found["spec"] == {**CLOSED["projectcalico.org/v3"], "stagedAction": "Set"}
    assert closure(catflap, namespace_name) == "staged"


def test_a_staged_policy_is_protected_as_well(catflap: Installation, namespace_name: str) -> None:
    """Users cannot delete it, and a deleted one is restored, so that its results are reliable."""
    catflap.cluster.install_calico()
    catflap.configure({"network": {"engine": "calico", "staged": True}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: stand(catflap, STAGED, namespace_name) == BOTH)
    path = f"{STAGED.format(namespace_name)}/{DENY}"
    refused = catflap.cluster.call("DELETE", path)
    assert (refused.status, "belongs to catflap" in refused.body["message"]) == (403, True)
    for within in (CALICO_SECONDS, SECOND):
        catflap.emergency("DELETE", path)
        eventually(lambda: stand(catflap, STAGED, namespace_name) == BOTH, within=within)


def test_the_real_ones_stand_before_the_staged_ones_go(catflap: Installation, namespace_name: str) -> None:
    """It switches there and back; in the API server's log each deletion follows a read of the replacement."""
    catflap.cluster.install_calico()
    catflap.configure({"network": {"engine": "calico", "staged": True}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: stand(catflap, STAGED, namespace_name) == BOTH)
    for staged, come, gone in ((False, CALICO, STAGED), (True, STAGED, CALICO)):
        catflap.configure({"network": {"engine": "calico", "staged": staged}})
        eventually(partial(stand, catflap, gone, namespace_name), until=lambda seen: seen == [])
        assert stand(catflap, come, namespace_name) == BOTH
    acts = acts_on_deny(catflap, namespace_name)
    staged_one, real = "stagednetworkpolicies", "networkpolicies"
    assert [act for act in acts if act[0] != "get"] == [
        ("create", staged_one, 201),
        ("create", real, 201),
        ("delete", staged_one, 200),
        ("create", staged_one, 201),
        ("delete", real, 200),
    ]
    read = [before for before, after in pairwise(acts) if after[0] == "delete"]
    assert read == [("get", real, 200), ("get", staged_one, 200)]


def acts_on_deny(catflap: Installation, space: str) -> list[tuple[str, str, int]]:
    """Return the controller's requests for both forms of the default-deny: verb, resource and answer."""
    account = f"system:serviceaccount:{NAMESPACE}:catflap-controller"
    return [
        (event["verb"], event["objectRef"]["resource"], event["responseStatus"]["code"])
        for event in catflap.cluster.audit_events()
        if event["user"]["username"] == account
        and event.get("objectRef", {}).get("namespace") == space
        and event["objectRef"].get("name") == DENY
    ]


def test_where_nothing_can_be_staged_nothing_is_written(catflap: Installation, namespace_name: str) -> None:
    """The log reports it; the file did not ask for enforcement instead."""
    catflap.cluster.remove_calico()
    catflap.configure()
    catflap.apply(namespace(namespace_name))
    eventually(lambda: stand(catflap, PLAIN, namespace_name) == BOTH)
    catflap.configure({"network": {"engine": "auto", "staged": True}})
    eventually(lambda: stand(catflap, PLAIN, namespace_name) == [])
    says = "network.staged: this cluster does not serve staged policies of Calico, so catflap writes no policy"
    eventually(lambda: says in catflap.controller.log())
    new = f"{namespace_name}-new"
    catflap.apply(namespace(new))
    time.sleep(QUIET_SECONDS)
    assert stand(catflap, PLAIN, new) == []
    assert [closure(catflap, space) for space in (namespace_name, new)] == ["staged", "staged"]
    catflap.configure()
    eventually(lambda: stand(catflap, PLAIN, new) == BOTH)


def net(**network: Any) -> Json:
    """Return a policy file with the cluster-wide default deny."""
    return {
        "namespaces": {"includeExisting": "all"},
        "network": {"engine": "calico", "clusterWideDefaultDeny": True, **network},
    }


@pytest.fixture
def netted(catflap: Installation) -> Installation:
    """Wait until the cluster-wide policy exists."""
    catflap.cluster.install_calico()
    catflap.configure(net())
    eventually(lambda: stand(catflap, NETS) == [NET])
    return catflap


def test_one_net_is_below_all_namespaces_but_the_exempt(netted: Installation) -> None:
    """It selects by labels that Calico sets on each Pod, allows name servers, and applies to Pods only."""
    found = netted.cluster.api("GET", f"{NETS}/{NET}")
    exempt = (
        "calico-apiserver", "calico-system", NAMESPACE, "kube-node-lease", "kube-public", "kube-system",
        "tigera-operator",
    )  # fmt: skip
    listed = ", ".join(f"'{name}'" for name in exempt)
    egress = found["spec"].pop("egress")
    assert found["spec"] == {
        "tier": "default",
        "selector": f"has(projectcalico.org/namespace) && projectcalico.org/namespace not in {{{listed}}}",
        "types": ["Ingress", "Egress"],
        "performanceHints": ["AssumeNeededOnEveryNode"],
    }
    assert {port for rule in egress for port in rule["destination"]["ports"]} == {53}
    eventually(lambda: stand(netted, CALICO, "default") == BOTH)


def test_the_net_is_back_within_a_second(netted: Installation) -> None:
    """An authorised user deletes or edits it; each repair has its Event, in the namespace for cluster-scoped objects."""
    before = netted.cluster.api("GET", f"{NETS}/{NET}")
    for within in (CALICO_SECONDS, SECOND):
        netted.emergency("DELETE", f"{NETS}/{NET}")
        found = eventually(lambda: look(netted), until=lambda seen: seen.status == 200, within=within).body
    assert found["spec"] == before["spec"]
    change = {"spec": {"ingress": [{"action": "Allow"}]}}
    netted.emergency("PATCH", f"{NETS}/{NET}", change, content_type=MERGE)
    mended = eventually(lambda: look(netted), until=lambda seen: "ingress" not in seen.body["spec"], within=SECOND).body
    assert (mended["spec"], mended["metadata"]["uid"]) == (before["spec"], found["metadata"]["uid"])
    eventually(
        lambda: [note for note in notes(netted) if NET in note],
        until=lambda seen: (
            seen
            == [
                f"GlobalNetworkPolicy {NET} was deleted, and catflap created it again",
                f"GlobalNetworkPolicy {NET} was deleted, and catflap created it again",
                f"GlobalNetworkPolicy {NET} was edited, and catflap restored it",
            ]
        ),
    )


def look(catflap: Installation) -> Answer:
    """Return the cluster-wide policy, or None."""
    return catflap.cluster.call("GET", f"{NETS}/{NET}")


def notes(catflap: Installation) -> list[str]:
    """Return the notes of Events in the namespace `default`, oldest first."""
    events = catflap.cluster.api("GET", "/apis/events.k8s.io/v1/namespaces/default/events")["items"]
    return [one.get("note", "") for one in sorted(events, key=lambda one: one.get("eventTime") or "")]


def test_users_cannot_change_the_cluster_wide_policy(netted: Installation) -> None:
    """Neither an administrator may change it, nor create another one with catflap's label."""
    body = {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": {"name": "catflap-mine"}}
    for answer in (
        netted.cluster.call("DELETE", f"{NETS}/{NET}"),
        netted.cluster.call("PATCH", f"{NETS}/{NET}", {"spec": {"order": 1}}, content_type=MERGE),
        netted.cluster.call("POST", NETS, {**body, "spec": {"selector": "all()"}}),
    ):
        assert (answer.status, "belongs to catflap" in answer.body["message"]) == (403, True)


def test_the_cluster_wide_policy_is_removed_with_its_setting(netted: Installation) -> None:
    """It switches to its staged form, and is then removed; the namespaces stay isolated one by one."""
    netted.configure(net(staged=True))
    eventually(lambda: (stand(netted, NETS), stand(netted, STAGED_NETS)), until=lambda seen: seen == ([], [NET]))
    netted.configure(net(clusterWideDefaultDeny=False))
    eventually(lambda: (stand(netted, NETS), stand(netted, STAGED_NETS)), until=lambda seen: seen == ([], []))
    eventually(lambda: stand(netted, CALICO, "default") == BOTH)


def test_the_net_waits_for_calico(netted: Installation) -> None:
    """Without Calico the log reports it, and namespaces are isolated one by one; the policy is written once Calico is served."""
    netted.cluster.remove_calico()
    netted.configure(net(engine="auto"))
    says = (
        "network.clusterWideDefaultDeny: this cluster does not serve GlobalNetworkPolicy; catflap isolates each "
        "namespace separately"
    )
    eventually(lambda: says in netted.controller.log())
    eventually(lambda: stand(netted, PLAIN, "default") == BOTH)
    netted.cluster.install_calico()
    eventually(lambda: stand(netted, NETS) == [NET])
    eventually(lambda: stand(netted, PLAIN, "default") == [])
