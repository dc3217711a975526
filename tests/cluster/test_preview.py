"""Tests `catflap preview` on a real cluster: its predictions are what the server then does."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cluster.custom_resources import Custom, define
from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.manifests import GOOD, Json, deployment, every_kind, namespace, with_host_network
from tests.cluster.test_open_policies import plain
from tests.controlplane.client import MERGE, Answer

HEAD: Final = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", "network": {"engine": "kubernetes"}}
MILD: Final = {"mode": "off", "rules": {}}
STRICT: Final = {"rules": {"no-open-policy": "enforce"}}
SPACES: Final = 5
GOOD_ONES: Final = 36  # in each namespace; 200 objects with the others
ROLELESS: Final = {"app": "web"}
WRONG: Final = {"app": "web", "role": "fronted"}
GENERATED: Final = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink")
COLLECTIONS: Final = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "PodTemplate": "/api/v1/namespaces/{}/podtemplates",
    "ReplicationController": "/api/v1/namespaces/{}/replicationcontrollers",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
}
VIRTUAL_MACHINE: Final = Custom("kubevirt.io", ("v1",), "virtualmachines", "VirtualMachine", "spec.template")
CILIUM_POLICY: Final = Custom("cilium.io", ("v2",), "ciliumnetworkpolicies", "CiliumNetworkPolicy", "spec")
VIEWED: Final = {  # by the ClusterRole `view`
    "pods", "replicationcontrollers", "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps",
    "jobs.batch", "cronjobs.batch", "networkpolicies.networking.k8s.io", "namespaces",
}  # fmt: skip


def policy(folder: Path, name: str, more: Mapping[str, Any]) -> Path:
    """Return a policy file."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**HEAD, **more}), encoding="utf-8")
    return path


def preview(
    catflap: Installation, file: Path, *arguments: str, kubeconfig: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command with the administrator's kubeconfig, or another one."""
    found = str(kubeconfig or catflap.cluster.kubeconfig)
    command = [sys.executable, "-m", "webhook", "preview", "-c", str(file), "--kubeconfig", found, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def refused(done: "subprocess.CompletedProcess[str]") -> set[tuple[str, str, str]]:
    """Return the owners that a preview lists as rejected."""
    found = json.loads(done.stdout)["rows"]
    return {(row["namespace"], row["kind"], row["name"]) for row in found if row["effect"] == "refused"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of policy files."""
    return tmp_path


@pytest.fixture(scope="module")
def town(installation: Installation) -> Iterator[list[str]]:
    """Create namespaces with 200 objects, 20 of them owners with violations, while no rule applied."""
    installation.configure(MILD)
    spaces = [f"town-{number}" for number in range(SPACES)]
    for number, space in enumerate(spaces):
        installation.apply(namespace(space), check=True)
        made = [deployment(f"good-{one:02}", space, GOOD, replicas=0) for one in range(GOOD_ONES)]
        made += [*faulty(space, number)]
        for one in made:
            installation.cluster.api("POST", COLLECTIONS[one["kind"]].format(space), one)
    for space in spaces:
        pods = COLLECTIONS["Pod"].format(space)
        eventually(partial(pods_of, installation, pods, "roleless"), until=lambda count: count == 3)
    yield spaces
    for space in spaces:
        installation.cluster.api("DELETE", f"/api/v1/namespaces/{space}")


def faulty(space: str, number: int) -> Iterator[Json]:
    """Return four owners with violations, of other kinds in each namespace."""
    yield deployment("roleless", space, ROLELESS, replicas=3)
    kinds = [every_kind(space, WRONG)[kind] for kind in ("StatefulSet", "CronJob", "Job", "ReplicaSet", "Pod")]
    yield kinds[number]
    yield with_host_network(every_kind(space, GOOD)["DaemonSet"])
    yield plain(space, {})


def pods_of(catflap: Installation, pods: str, name: str) -> int:
    """Return the number of Pods of a Deployment."""
    found = catflap.cluster.api("GET", pods)["items"]
    return sum(one["metadata"]["name"].startswith(f"{name}-") for one in found)


def anew(catflap: Installation, found: Json) -> bool:
    """Return whether a copy of an object under another name would be rejected."""
    copy = deepcopy(found)
    metadata = copy["metadata"]
    metadata["name"] = f"{metadata['name']}-anew"
    for key in (*GENERATED, "ownerReferences"):
        metadata.pop(key, None)
    copy.pop("status", None)
    if copy["kind"] == "Job":  # fields that the API server sets
        copy["spec"].pop("selector", None)
        for labels in (metadata["labels"], copy["spec"]["template"]["metadata"]["labels"]):
            for key in [key for key in labels if "controller-uid" in key or "job-name" in key]:
                del labels[key]
    path = f"{COLLECTIONS[copy['kind']].format(metadata['namespace'])}?dryRun=All"
    answer = catflap.cluster.call("POST", path, copy)
    assert answer.status in {201, 403}, answer.body
    return answer.refused


def owners(catflap: Installation, space: str) -> Iterator[Json]:
    """Yield every object without an owner."""
    for kind, collection in COLLECTIONS.items():
        listed = catflap.cluster.api("GET", collection.format(space))
        for one in listed["items"]:
            ours = one["metadata"]["name"].startswith("catflap-")
            if not one["metadata"].get("ownerReferences") and not ours:
                yield {**one, "apiVersion": listed["apiVersion"], "kind": kind}


def test_what_is_foretold_is_what_is_refused(catflap: Installation, town: list[str], folder: Path) -> None:
    """Each of 200 objects is created again under the previewed file."""
    selected = [argument for space in town for argument in ("-n", space)]
    done = preview(catflap, policy(folder, "strict", STRICT), "-o", "json", *selected)
    assert (done.returncode, done.stderr) == (1, "")
    totals = json.loads(done.stdout)["totals"]
    catflap.configure(STRICT)
    tried = [one for space in town for one in owners(catflap, space)]
    really = {
        (one["metadata"]["namespace"], one["kind"], one["metadata"]["name"]) for one in tried if anew(catflap, one)
    }
    assert refused(done) == really
    assert (len(tried), len(really)) == (200, 20)
    assert (totals["owners"], totals["refused"], totals["keepRunning"]) == (200, 20, 0)
    assert totals["refusedByNamespace"] == dict.fromkeys(town, 4)


def test_pods_are_counted_by_their_topmost_owner(catflap: Installation, town: list[str], folder: Path) -> None:
    """One line reports it, whatever is in between."""
    done = preview(catflap, policy(folder, "strict", STRICT), "-n", town[0])
    [line] = [line for line in done.stdout.splitlines() if "roleless" in line]
    assert line.split() == [town[0], "Deployment/roleless", "require-role", "3", "refused"]


def test_without_names_the_whole_cluster_is_looked_at(catflap: Installation, town: list[str], folder: Path) -> None:
    """The objects of a named namespace are included."""
    strict = policy(folder, "strict", STRICT)
    everywhere, there = (
        refused(preview(catflap, strict, "-o", "json", *some)) for some in ((), ("-n", town[0], "-n", town[1]))
    )
    assert {one for one in everywhere if one[0] in town[:2]} == there
    assert {one[0] for one in everywhere} >= set(town)


def test_older_owners_are_marked_and_their_pods_are_admitted(catflap: Installation, older: str, folder: Path) -> None:
    """The install record decides."""
    done = preview(catflap, policy(folder, "strict", STRICT), "-n", older)
    [line] = [line for line in done.stdout.splitlines() if "Deployment/old" in line and "require-app" in line]
    assert line.split()[-1] == "refused*"
    assert "older than catflap, so its Pods are admitted" in done.stdout
    [pod_of_old] = (
        one
        for one in catflap.cluster.api("GET", COLLECTIONS["Pod"].format(older))["items"]
        if one["metadata"]["name"].startswith("old-")
    )
    catflap.cluster.api("DELETE", f"{COLLECTIONS['Pod'].format(older)}/{pod_of_old['metadata']['name']}")
    eventually(
        lambda: [
            one["metadata"]["uid"]
            for one in catflap.cluster.api("GET", COLLECTIONS["Pod"].format(older))["items"]
            if one["metadata"]["name"].startswith("old-")
        ],
        until=lambda uids: uids and pod_of_old["metadata"]["uid"] not in uids,
    )


def test_against_the_file_in_force_only_changes_are_reported(
    catflap: Installation, town: list[str], folder: Path
) -> None:
    """From warnings to rejections, and which namespaces are no longer isolated."""
    catflap.configure({"rules": {"require-role": "warn"}})
    stricter = {"namespaces": {"exempt": [town[0]]}}
    done = preview(catflap, policy(folder, "new", stricter), "--against-cluster", "-n", town[0], "-n", town[1])
    assert done.returncode == 1
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [town[1], "Deployment/roleless", "require-role", "3", "warned", "refused"] in lines
    assert [town[0], "Deployment/roleless", "require-role", "3", "warned", "admitted"] in lines
    assert f"namespaces that will no longer be isolated: {town[0]}" in done.stdout
    assert "rules.require-role: not set, was warn" in done.stdout


def test_two_files_are_compared_over_the_cluster(catflap: Installation, town: list[str], folder: Path) -> None:
    """Two equal files have no difference."""
    one, other = policy(folder, "one", STRICT), policy(folder, "other", {"rules": {"no-open-policy": "warn"}})
    done = preview(catflap, one, "--against", str(other), "-n", town[0], "-o", "json")
    [change] = json.loads(done.stdout)["changes"]
    assert (change["kind"], change["before"]["effect"], change["after"]["effect"]) == (
        "NetworkPolicy",
        "warned",
        "refused",
    )
    assert preview(catflap, one, "--against", str(one), "-n", town[0]).returncode == 0


def test_what_may_not_be_listed_is_said(catflap: Installation, town: list[str], folder: Path) -> None:
    """The status is 2, so the partial result is not taken for a complete one."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}]
    subject = {"kind": "User", "name": "dora", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": "look", "apiGroup": "rbac.authorization.k8s.io"}
    metadata = {"name": "look", "namespace": town[0]}
    catflap.apply({**role, "metadata": metadata, "rules": rules}, check=True)
    binding = {**role, "kind": "RoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [subject]}
    catflap.apply(binding, check=True)
    dora = catflap.cluster.kubeconfig_for(user="dora")
    strict = policy(folder, "strict", STRICT)
    done = eventually(
        lambda: preview(catflap, strict, "-n", town[0], "-o", "json", kubeconfig=dora),
        until=lambda done: "deployments.apps:" not in done.stderr,
    )
    assert done.returncode == 2
    assert refused(done) == {(town[0], "Deployment", "roleless")}
    assert "no owner counts as older" in json.loads(done.stdout)["notes"][0]
    unseen = json.loads(done.stdout)["notLookedAt"]
    assert {
        ("pods: the account may not list this resource"),
        "namespaces: the account may not list this resource",
    } <= set(unseen)
    assert [f"catflap: not read: {line}" for line in unseen] == done.stderr.splitlines()


def test_the_right_to_view_a_namespace_suffices(catflap: Installation, town: list[str], folder: Path) -> None:
    """The installation time is unknown, so all objects count as younger."""
    reference = {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"}
    catflap.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "view", "namespace": town[0]},
            "roleRef": reference,
            "subjects": [{"kind": "User", "name": "vera", "apiGroup": "rbac.authorization.k8s.io"}],
        },
        check=True,
    )
    vera = catflap.cluster.kubeconfig_for(user="vera")
    strict = policy(folder, "strict", {"rules": {"no-open-policy": "enforce"}, "network": {"engine": "kubernetes"}})
    done = eventually(
        lambda: preview(catflap, strict, "-n", town[0], "-o", "json", kubeconfig=vera),
        until=lambda done: "deployments.apps:" not in done.stderr,
    )
    unseen = json.loads(done.stdout)["notLookedAt"]  # also vendors' kinds, if other tests installed them
    assert {line.partition(":")[0] for line in unseen} & VIEWED == set()
    assert refused(done) == refused(preview(catflap, strict, "-n", town[0], "-o", "json"))


def test_kinds_that_are_not_read_are_named(catflap: Installation, folder: Path) -> None:
    """The list has exactly those that the cluster serves."""
    for one in (VIRTUAL_MACHINE, CILIUM_POLICY):
        define(catflap.cluster, one)

    def notes() -> str:
        done = preview(catflap, policy(folder, "unread", STRICT), "--cluster", "-o", "json")
        return "\n".join(json.loads(done.stdout)["notes"])

    eventually(notes, until=lambda said: VIRTUAL_MACHINE.name in said and CILIUM_POLICY.name in said)
    assert "sparkapplications" not in notes()


def test_an_unreachable_cluster_ends_it(catflap: Installation, folder: Path) -> None:
    """The message is one line, and no traceback."""
    kubeconfig = folder / "gone.yaml"
    text = catflap.cluster.kubeconfig.read_text(encoding="utf-8")
    server = yaml.safe_load(text)["clusters"][0]["cluster"]["server"]
    kubeconfig.write_text(text.replace(server, "https://127.0.0.1:1"), encoding="utf-8")
    done = preview(catflap, policy(folder, "strict", STRICT), kubeconfig=kubeconfig)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("catflap: the API server https://127.0.0.1:1 did not answer: GET /")


def test_a_long_list_is_read_in_pages(catflap: Installation, namespace_name: str, folder: Path) -> None:
    """There are more objects than a page has, and none is lost or repeated."""
    catflap.configure(MILD)
    catflap.apply(namespace(namespace_name), check=True)
    template = every_kind(namespace_name, {})["PodTemplate"]
    for number in range(1005):
        template["metadata"] = {"name": f"t-{number:04}", "namespace": namespace_name}
        catflap.cluster.api("POST", COLLECTIONS["PodTemplate"].format(namespace_name), template)
    done = preview(catflap, policy(folder, "strict", STRICT), "-n", namespace_name, "-o", "json")
    assert len(refused(done)) == 1005


LASTING: Final = {"Deployment", "StatefulSet", "DaemonSet", "CronJob"}
CONFIGMAP: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"
ROLE: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles/catflap"


def edit(catflap: Installation, file: Path, query: str = "?dryRun=All") -> Answer:
    """Apply a policy file; a dry run by default."""
    body = {"data": {"policy.yaml": file.read_text(encoding="utf-8")}}
    return catflap.cluster.call("PATCH", f"{CONFIGMAP}{query}", body, content_type=MERGE)


def test_an_edit_of_the_policy_is_answered_with_what_it_would_refuse(
    catflap: Installation, town: list[str], folder: Path
) -> None:
    """Kubectl's warnings equal the preview; the file itself is accepted."""
    catflap.configure(MILD)
    strict = policy(folder, "strict", STRICT)
    found = json.loads(preview(catflap, strict, "--against-cluster", "-o", "json").stdout)["changes"]
    newly = {(one["namespace"], one["kind"], one["name"]) for one in found if one["after"]["effect"] == "refused"}
    answer = edit(catflap, strict)
    assert answer.status == 200
    assert int(answer.warnings[0].split()[0]) == len({one for one in newly if one[1] in LASTING}) > len(town) * 2
    assert answer.warnings[0].partition(": ")[0].endswith(" running workloads would be rejected")
    assert "older than catflap" in answer.warnings[1]
    assert max(map(len, answer.warnings)) <= 120
    done = catflap.cluster.kubectl(
        "patch", "configmap", "catflap-policy", "-n", NAMESPACE, "--type=merge", "--dry-run=server",
        "-p", json.dumps({"data": {"policy.yaml": strict.read_text(encoding="utf-8")}}),
    )  # fmt: skip
    assert f"Warning: {answer.warnings[0]}\n" in done.stderr


def test_an_edit_that_changes_nothing_is_answered_without_a_word(
    catflap: Installation, town: list[str], folder: Path
) -> None:
    """Comments change nothing."""
    catflap.configure({"namespaces": {"exempt": town}})
    same = policy(folder, "same", {"namespaces": {"exempt": town[::-1]}})
    answer = edit(catflap, same)
    assert (answer.status, answer.warnings) == (200, ())


def test_without_the_right_to_look_the_edit_passes_all_the_same(
    catflap: Installation, town: list[str], folder: Path
) -> None:
    """The warning says that nothing was checked."""
    assert town
    catflap.configure(MILD)
    kept = catflap.cluster.api("GET", ROLE)
    rules = [rule for rule in kept["rules"] if rule["verbs"] != ["list"]]
    catflap.cluster.api("PATCH", ROLE, {"rules": rules}, content_type=MERGE)
    strict = policy(folder, "strict", STRICT)
    try:
        answer = eventually(
            lambda: edit(catflap, strict), until=lambda one: one.warnings[0].startswith("not previewed: ")
        )
    finally:
        catflap.cluster.api("PATCH", ROLE, {"rules": kept["rules"]}, content_type=MERGE)
    assert (answer.status, len(answer.warnings)) == (200, 1)
    assert "403" in answer.warnings[0]
    eventually(lambda: edit(catflap, strict), until=lambda one: "would be rejected" in one.warnings[0])


def test_a_bad_edit_is_not_previewed(catflap: Installation, folder: Path) -> None:
    """Its faults are the reason, as always."""
    answer = edit(catflap, policy(folder, "bad", {"mode": "loud"}))
    assert (answer.status, answer.warnings) == (403, ())
