"""Tests users' network policies of every kind that open an isolated namespace: they cause a warning, or a rejection if configured."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import namespace
from tests.controlplane.client import MERGE, Answer
from tests.controlplane.cluster import Cluster

Json = dict[str, Any]

PLAIN = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OPENED = (
    "no-open-policy: spec.ingress[0]: the rule allows connections to every Pod from anywhere on every port: "
    "the peers are not restricted; select particular peers"
)
REFUSED = 'admission webhook "open-policies.catflap.dev" denied the request: {} has 1 violation:\n- {}'
ENFORCED = {"rules": {"no-open-policy": "enforce"}}
NARROW = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}
CALICO_SERVER = "system:serviceaccount:calico-system:calico-apiserver"


def plain(space: str, *ingress: Mapping[str, Any], name: str = "theirs") -> Json:
    """Return a NetworkPolicy for every Pod of a namespace with these rules."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": space},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [dict(one) for one in ingress]},
    }


@pytest.fixture
def guarded(catflap: Installation, namespace_name: str) -> str:
    """Return a managed namespace."""
    catflap.apply(namespace(namespace_name))
    return namespace_name


def records(catflap: Installation, name: str, space: str = "") -> list[Json]:
    """Return the decisions about a policy."""
    return [
        one
        for one in catflap.server.records()
        if one["type"] == "decision"
        and one["objectRef"].get("name") == name
        and one["objectRef"].get("namespace", "") == space
    ]


def test_an_open_policy_is_stored_with_a_word_to_who_wrote_it(catflap: Installation, guarded: str) -> None:
    """By default kubectl prints it, and the record has it."""
    done = catflap.apply(plain(guarded, {}))
    assert (done.returncode, done.stderr) == (0, f"Warning: {OPENED}\n")
    assert catflap.cluster.call("GET", f"{PLAIN.format(guarded)}/theirs").status == 200
    [record] = records(catflap, "theirs", guarded)
    assert record["decision"] == "allowed"
    assert [f"{one['rule']}: {one['path']}: {one['message']}" for one in record["warned"]] == [OPENED]


def test_where_the_file_says_so_it_is_refused(catflap: Installation, guarded: str) -> None:
    """The message explains it; a policy that names its peers is stored without a warning."""
    catflap.configure(ENFORCED)
    done = catflap.apply(plain(guarded, {}))
    says = REFUSED.format(f"NetworkPolicy {guarded}/theirs", OPENED)
    assert (done.returncode, done.stderr) == (
        1,
        f'Error from server (Forbidden): error when creating "STDIN": {says}\n',
    )
    assert catflap.cluster.call("GET", f"{PLAIN.format(guarded)}/theirs").status == 404
    done = catflap.apply(plain(guarded, NARROW))
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_not_guarded_is_not_judged(catflap: Installation, older: str, namespace_name: str) -> None:
    """An older namespace is not isolated, and an exempt one is not judged."""
    catflap.configure({**ENFORCED, "namespaces": {"exempt": [namespace_name]}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: catflap.spares(namespace_name))
    for space in (older, namespace_name, "kube-public"):
        done = catflap.apply(plain(space, {}), "--dry-run=server")
        assert (done.returncode, done.stderr) == (0, "")
    assert [one["decision"] for one in records(catflap, "theirs", older)] == ["allowed"]
    assert {one["decision"] for one in records(catflap, "theirs", namespace_name)} <= {"exempt"}
    assert records(catflap, "theirs", "kube-public") == []


def test_beyond_the_flows_there_is_nothing_to_open(catflap: Installation, guarded: str) -> None:
    """Within a role there is: the same rule on another port causes a warning if the file has no flow for it."""
    flow = {"from": "frontend", "to": "backend", "ports": ["8080/TCP"]}
    catflap.configure({**ENFORCED, "network": {"engine": "kubernetes", "flows": [flow]}})
    peer = {"podSelector": {"matchLabels": {"role": "frontend"}}}
    rule: Json = {"from": [peer], "ports": [{"port": 8080}]}
    policy = plain(guarded, rule)
    policy["spec"]["podSelector"] = {"matchLabels": {"role": "backend"}}
    assert catflap.apply(policy).returncode == 0
    policy["spec"]["ingress"] = [{**rule, "ports": [{"port": 9090}]}]
    done = catflap.apply(policy)
    assert done.returncode == 1
    assert "on 9090/TCP: no flow of the policy file allows this" in done.stderr


def test_an_existing_object_can_be_edited(catflap: Installation, guarded: str) -> None:
    """Annotations are not judged; an additional rule is, alone, wherever it is in the list."""
    path = f"{PLAIN.format(guarded)}/theirs"
    assert catflap.apply(plain(guarded, {})).returncode == 0
    catflap.configure(ENFORCED)
    assert patched(catflap, path, {"metadata": {"annotations": {"team": "shop"}}}).status == 200
    assert len(records(catflap, "theirs", guarded)) == 1
    assert patched(catflap, path, {"spec": {"ingress": [NARROW, {}]}}).status == 200
    everywhere: Json = {"from": [{"namespaceSelector": {}}]}
    answer = patched(catflap, path, {"spec": {"ingress": [NARROW, {}, everywhere]}})
    assert answer.status == 403
    says = (
        "no-open-policy: spec.ingress[2]: the rule allows connections to every Pod from every Pod of every "
        "namespace on every port: "
        "the peers are not restricted; select particular peers"
    )
    assert answer.body["message"] == REFUSED.format(f"NetworkPolicy {guarded}/theirs", says)
    assert catflap.cluster.call("DELETE", path).status == 200


def patched(catflap: Installation, path: str, change: Mapping[str, Any]) -> Answer:
    """Return the answer to a merge patch."""
    return catflap.cluster.call("PATCH", path, change, content_type=MERGE)


def exception(space: str, days: int) -> Json:
    """Return an exception in a namespace that ends in a number of days."""
    until = str(datetime.now(UTC).date() + timedelta(days=days))
    return {"rule": "no-open-policy", "namespace": space, "owner": "sre", "reason": "until the move", "until": until}


def test_an_exception_has_an_owner_and_an_end(catflap: Installation, guarded: str) -> None:
    """Each use is recorded with its owner; on the day after the end it does not count."""
    lasting = exception(guarded, days=1)
    catflap.configure({**ENFORCED, "exceptions": [lasting]})
    done = catflap.apply(plain(guarded, {}))
    reason = f"exception to no-open-policy until {lasting['until']}, sre: until the move"
    assert (done.returncode, done.stderr) == (0, f"Warning: admitted because of an {reason}\n")
    [record] = records(catflap, "theirs", guarded)
    assert (record["reasonCode"], record["reason"]) == ("ExceptionApplied", reason)
    assert [one["rule"] for one in record["audited"]] == ["no-open-policy"]
    catflap.configure({**ENFORCED, "exceptions": [exception(guarded, days=-1)]})
    assert catflap.apply(plain(guarded, {}, name="later")).returncode == 1


def calico(kind: str, name: str, spec: Mapping[str, Any], *, version: str = "projectcalico.org/v3") -> Json:
    """Return an object of Calico's."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}


FROM_ALL = {"selector": "all()", "ingress": [{"action": "Allow"}]}
ONWARD = {"selector": "all()", "ingress": [{"action": "Pass"}]}
FROM_GLOBAL = {
    "selector": "all()",
    "ingress": [{"action": "Allow", "source": {"namespaceSelector": "global()"}}],
}
NAMED = {"selector": "all()", "ingress": [{"action": "Allow", "source": {"selector": "app == 'web'"}}]}
PASSING = {"order": 100.0, "defaultAction": "Pass"}

OPENING: dict[str, tuple[str, Json]] = {
    "a NetworkPolicy": ("networkpolicies", calico("NetworkPolicy", "theirs", FROM_ALL)),
    "a NetworkPolicy that passes on": ("networkpolicies", calico("NetworkPolicy", "theirs", ONWARD)),
    "a GlobalNetworkPolicy": ("globalnetworkpolicies", calico("GlobalNetworkPolicy", "theirs", FROM_ALL)),
    "a GlobalNetworkPolicy for every global set": (
        "globalnetworkpolicies", calico("GlobalNetworkPolicy", "theirs", FROM_GLOBAL),
    ),
}  # fmt: skip
SETS: dict[str, tuple[str, Json]] = {
    "of the namespace": ("networksets", calico("NetworkSet", "everything", {"nets": ["0.0.0.0/0"]})),
    "of the cluster": ("globalnetworksets", calico("GlobalNetworkSet", "everything", {"nets": ["::/1", "8000::/1"]})),
}
HARMLESS: dict[str, tuple[str, Json]] = {
    "a NetworkPolicy": ("networkpolicies", calico("NetworkPolicy", "theirs", NAMED)),
    "a NetworkPolicy of another tier": (
        "networkpolicies", calico("NetworkPolicy", "platform.theirs", {**ONWARD, "tier": "platform"}),
    ),
    "another tier": ("tiers", calico("Tier", "platform", PASSING)),
    "what is staged": (
        "stagedglobalnetworkpolicies", calico("StagedGlobalNetworkPolicy", "theirs", FROM_ALL),
    ),
}  # fmt: skip


def collection(manifest: Mapping[str, Any], resource: str, space: str) -> str:
    """Return the path of a manifest; these tests send dry runs only."""
    spaced = f"/namespaces/{space}" if resource in {"networkpolicies", "networksets"} else ""
    return f"/apis/{manifest['apiVersion']}{spaced}/{resource}?dryRun=All"


@pytest.mark.parametrize("what", OPENING)
def test_what_opens_in_calicos_words_is_refused(catflap: Installation, guarded: str, what: str) -> None:
    """The message has the path of the field; by default it is a warning."""
    catflap.cluster.install_calico()
    resource, manifest = OPENING[what]
    path = collection(manifest, resource, guarded)
    warned = catflap.cluster.call("POST", path, manifest)
    assert (warned.status, len(warned.warnings)) == (201, 1)
    catflap.configure(ENFORCED)
    answer = catflap.cluster.call("POST", path, manifest)
    assert answer.status == 403, answer.body
    assert "- no-open-policy: spec.ingress[0]: the rule allows connections " in answer.body["message"]


@pytest.mark.parametrize("what", SETS)
def test_a_network_set_of_everything_is_refused(catflap: Installation, guarded: str, what: str) -> None:
    """Calico's selectors select it like Pods, so a policy that names its label opens to all."""
    catflap.cluster.install_calico()
    catflap.configure(ENFORCED)
    resource, manifest = SETS[what]
    answer = catflap.cluster.call("POST", collection(manifest, resource, guarded), manifest)
    assert answer.status == 403, answer.body
    assert "- no-open-policy: spec.nets: the set includes more than half of all public IPv" in answer.body["message"]


def test_calico_itself_keeps_its_tier_from_passing_on(catflap: Installation) -> None:
    """With CRDs, catflap reviews the API that stores them; with another storage, it reviews that one."""
    catflap.cluster.install_calico()
    tier = calico("Tier", "default", PASSING)
    answer = catflap.cluster.call("POST", collection(tier, "tiers", ""), tier)
    assert answer.status == 422
    assert "The 'default' tier must have default action 'Deny'" in answer.body["message"]


@pytest.mark.parametrize("what", HARMLESS)
def test_what_opens_nothing_in_calicos_words_is_not(catflap: Installation, guarded: str, what: str) -> None:
    """It causes no warning, either."""
    catflap.cluster.install_calico()
    catflap.configure(ENFORCED)
    resource, manifest = HARMLESS[what]
    answer = catflap.cluster.call("POST", collection(manifest, resource, guarded), manifest)
    assert (answer.status, answer.warnings) == (201, ())


def minimal(group: str, version: str, kind: str, plural: str, *, scope: str) -> Json:
    """Return a definition that accepts any object of a kind; these tests do not have the original."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, minimal, for tests"},
        },
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


STORED = "crd.projectcalico.org/v1"
MINIMAL = [
    minimal("policy.networking.k8s.io", "v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies", scope="Cluster"),
    minimal("policy.networking.k8s.io", "v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies", scope="Cluster"),
    minimal("crd.projectcalico.org", "v1", "NetworkPolicy", "networkpolicies", scope="Namespaced"),
    minimal("crd.projectcalico.org", "v1", "GlobalNetworkPolicy", "globalnetworkpolicies", scope="Cluster"),
    minimal("crd.projectcalico.org", "v1", "Tier", "tiers", scope="Cluster"),
]


@pytest.fixture(scope="module")
def minimal_kinds(cluster: Cluster) -> Iterator[None]:
    """Install kinds that this control plane does not have, to the extent that reviews need them."""
    for definition in MINIMAL:
        cluster.api("POST", DEFINITIONS, definition)
    try:
        for definition in MINIMAL:
            spec = definition["spec"]
            path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
            eventually(lambda path=path: cluster.call("GET", path).status == 200)  # type: ignore[misc]
        yield
    finally:
        for definition in MINIMAL:
            cluster.call("DELETE", f"{DEFINITIONS}/{definition['metadata']['name']}")


def clusterwide(kind: str, version: str, action: str, *, tier: str = "Admin") -> Json:
    """Return a policy of the policy API that admits every namespace to every Pod."""
    rule = {"name": "in", "action": action, "from": [{"namespaces": {}}]}
    spec = {"tier": tier, "priority": 10, "subject": {"namespaces": {}}, "ingress": [rule]}
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": "theirs"},
        "spec": spec,
    }


IN_SMALL_LETTERS = {"selector": "all()", "types": ["ingress"], "ingress": [{"action": "allow"}]}
ELSEWHERE: dict[str, tuple[str, Json]] = {
    "ClusterNetworkPolicy": (
        "clusternetworkpolicies", clusterwide("ClusterNetworkPolicy", "v1alpha2", "Accept"),
    ),
    "AdminNetworkPolicy": ("adminnetworkpolicies", clusterwide("AdminNetworkPolicy", "v1alpha1", "Allow")),
    "NetworkPolicy, as Calico stores it and reads it in any case of letters": (
        "networkpolicies", calico("NetworkPolicy", "default.theirs", IN_SMALL_LETTERS, version=STORED),
    ),
    "NetworkPolicy, as Calico stores it": (
        "networkpolicies", calico("NetworkPolicy", "default.theirs", FROM_ALL, version=STORED),
    ),
    "GlobalNetworkPolicy, as Calico stores it": (
        "globalnetworkpolicies", calico("GlobalNetworkPolicy", "default.theirs", FROM_ALL, version=STORED),
    ),
    "the tier of our policies, as Calico stores it": (
        "tiers", calico("Tier", "default", PASSING, version=STORED),
    ),
}  # fmt: skip


@pytest.mark.usefixtures("minimal_kinds")
@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_goes_before_or_beneath_network_policies_is_refused(
    catflap: Installation, guarded: str, what: str
) -> None:
    """Return the policy API's admin tier, and the objects in which Calico stores its own."""
    catflap.configure(ENFORCED)
    resource, manifest = ELSEWHERE[what]
    answer = catflap.cluster.call("POST", collection(manifest, resource, guarded), manifest)
    assert answer.status == 403, answer.body
    where = "spec.defaultAction" if resource == "tiers" else "spec.ingress[0]"
    assert f"- no-open-policy: {where}: the rule allows connections to every Pod from " in answer.body["message"]


@pytest.mark.usefixtures("minimal_kinds")
def test_what_comes_after_network_policies_opens_nothing(catflap: Installation) -> None:
    """The baseline tier applies only to Pods that no policy selects, and catflap's policy selects each."""
    catflap.configure(ENFORCED)
    manifest = clusterwide("ClusterNetworkPolicy", "v1alpha2", "Accept", tier="Baseline")
    answer = catflap.cluster.call("POST", collection(manifest, "clusternetworkpolicies", ""), manifest)
    assert (answer.status, answer.warnings) == (201, ())


@pytest.mark.usefixtures("minimal_kinds")
def test_calicos_server_stores_what_was_judged_before_it_came(catflap: Installation, guarded: str) -> None:
    """The account identifies it; a user who writes there is also subject to the protection of catflap's policies."""
    catflap.configure(ENFORCED)
    for name in ("default.theirs", "default.catflap-default-deny"):
        manifest = calico("NetworkPolicy", name, FROM_ALL, version=STORED)
        path = collection(manifest, "networkpolicies", guarded)
        stored = catflap.cluster.call("POST", path, manifest, as_user=CALICO_SERVER, as_groups=["system:masters"])
        assert stored.status == 201, stored.body
        assert records(catflap, name, guarded)[-1]["reasonCode"] == "CalicoStorage"
        assert catflap.cluster.call("POST", path, manifest).status == 403
    assert "belongs to catflap" in catflap.cluster.call("POST", path, manifest).body["message"]


KEPT = {"projectcalico.org/metadata": '{"name": "catflap-default-deny"}'}


@pytest.mark.usefixtures("minimal_kinds")
@pytest.mark.parametrize(
    ("name", "annotations"), [("knp.default.catflap-default-deny", {}), ("theirs", KEPT)], ids=["name", "annotation"]
)
def test_a_policy_that_calico_takes_for_catflaps_is_refused(
    catflap: Installation, guarded: str, name: str, annotations: Mapping[str, str]
) -> None:
    """It is rejected by default too: it would replace catflap's, whatever the mode of a rule."""
    manifest = calico("NetworkPolicy", name, {"selector": "all()"}, version=STORED)
    manifest["metadata"]["annotations"] = dict(annotations)
    answer = catflap.cluster.call("POST", collection(manifest, "networkpolicies", guarded), manifest)
    assert answer.status == 403, answer.body
    assert "belongs to catflap" in answer.body["message"]


@pytest.mark.usefixtures("minimal_kinds")
def test_an_annotation_alone_does_not_make_a_policy_catflaps(catflap: Installation, guarded: str) -> None:
    """The API server sends a review for a change of that annotation."""
    manifest = calico("NetworkPolicy", "theirs", {"selector": "all()"}, version=STORED)
    path = collection(manifest, "networkpolicies", guarded).removesuffix("?dryRun=All")
    assert catflap.cluster.call("POST", path, manifest).status == 201
    assert patched(catflap, f"{path}/theirs", {"metadata": {"annotations": {"team": "shop"}}}).status == 200
    answer = patched(catflap, f"{path}/theirs", {"metadata": {"annotations": KEPT}})
    assert answer.status == 403, answer.body
    assert catflap.cluster.call("DELETE", f"{path}/theirs").status == 200


@pytest.mark.parametrize("count", [1500, 3000, 9000])
def test_a_policy_of_any_size_is_refused_at_once(catflap: Installation, guarded: str, count: int) -> None:
    """One rule has the maximum number of peers and ports; its record stays small."""
    catflap.configure(ENFORCED)
    peers: list[Json] = [{"namespaceSelector": {}} for _ in range(count)]
    policy = plain(guarded, {"from": peers, "ports": [{"port": port + 1} for port in range(count)]}, name="large")
    answer = catflap.cluster.call("POST", PLAIN.format(guarded), policy)
    assert answer.status == 403, answer.body
    assert len(answer.body["message"]) < 1000
    [record] = records(catflap, "large", guarded)
    assert len(json.dumps(record)) < 5000
