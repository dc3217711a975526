"""Tests manifests of other tools: `check` and the server have the same verdict."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.manifests import GOOD, SELECTED, deployment, every_kind, join_manifests, namespace, pod
from webhook.config.default import DEFAULT_POLICY
from webhook.model.names import BREAK_GLASS_GROUP

Objects = list[dict[str, Any]]
Check = Callable[..., tuple[int, Objects]]

# The kinds with Pods that `kubectl create --dry-run=client -o yaml` can generate.
CREATE: dict[str, Sequence[str]] = {
    "deployment": ("create", "deployment", "web", "--image=nginx"),
    "job": ("create", "job", "web", "--image=nginx"),
    "cronjob": ("create", "cronjob", "web", "--image=nginx", "--schedule=0 0 * * *"),
    "pod": ("run", "web", "--image=nginx"),
    "labelled pod": ("run", "web", "--image=nginx", "--labels=app=web,role=frontend"),
}
NO_PODS: dict[str, Sequence[str]] = {
    "namespace": ("create", "namespace", "web"),
    "service": ("create", "service", "clusterip", "web", "--tcp=80"),
    "configmap": ("create", "configmap", "web", "--from-literal=a=b"),
    "quota": ("create", "quota", "web", "--hard=pods=5"),
    "role": ("create", "role", "web", "--verb=get", "--resource=pods"),
    "ingress": ("create", "ingress", "web", "--rule=a.example/=web:80"),
}


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Run `catflap check --format json` on a text, under the default policy."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(DEFAULT_POLICY, encoding="utf-8")

    def run(text: str, *arguments: str) -> tuple[int, Objects]:
        argv = [sys.executable, "-m", "webhook", "check", "-c", str(policy), "--format", "json", *arguments]
        done = subprocess.run([*argv, "-"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


def agree(catflap: Installation, check: Check, text: str, space: str) -> Objects:
    """Check a file offline, apply it as a dry run, and assert that both reject the same objects for the same violations."""
    status, objects = check(text, "--namespace", space)
    done = catflap.apply(text, "--dry-run=server", "--namespace", space)
    refused = [one for one in objects if not one["allowed"]]
    assert (status, done.returncode) == ((1, 1) if refused else (0, 0)), done.stderr
    assert done.stderr.count(" denied the request: ") == len(refused)
    for one in refused:
        assert f"{one['kind']} {one['namespace']}/{one['name']} has {len(one['violations'])} violation" in done.stderr
        for fault in one["violations"]:
            assert f"- {fault['rule']}: {fault['path']}: {fault['message']}" in done.stderr
    return objects


@pytest.fixture
def space(catflap: Installation, namespace_name: str) -> str:
    """Return an existing namespace."""
    catflap.apply(namespace(namespace_name))
    path = f"/api/v1/namespaces/{namespace_name}/serviceaccounts/default"
    eventually(lambda: not catflap.cluster.call("GET", path).refused)
    return namespace_name


@pytest.mark.parametrize("what", [*CREATE, *NO_PODS])
def test_what_kubectl_create_writes(catflap: Installation, check: Check, space: str, what: str) -> None:
    """Of all kinds that it generates, only those that create Pods without a role are rejected."""
    arguments = {**CREATE, **NO_PODS}[what]
    text = catflap.cluster.kubectl(*arguments, "--dry-run=client", "--output=yaml").stdout
    objects = agree(catflap, check, text, space)
    assert [one["allowed"] for one in objects] == [what == "labelled pod" or what in NO_PODS]


def test_what_helm_create_makes(catflap: Installation, check: Check, space: str, tmp_path: Path) -> None:
    """Its Deployment has an alias of the app label and no role; its test Pod, a hook, is judged like any other."""
    catflap.cluster.helm("create", str(tmp_path / "made"))
    text = catflap.cluster.helm("template", "web", str(tmp_path / "made"), "--namespace", space).stdout
    objects = agree(catflap, check, text, space)
    refused = {one["kind"]: [fault["rule"] for fault in one["violations"]] for one in objects if not one["allowed"]}
    assert refused["Deployment"] == ["require-role"]


def test_what_kustomize_builds(catflap: Installation, check: Check, space: str, tmp_path: Path) -> None:
    """A common label fixes a template that lacks it."""
    (tmp_path / "base.yaml").write_text(join_manifests(deployment("web", space, {"app": "web"})), encoding="utf-8")
    kustomization: dict[str, Any] = {"resources": ["base.yaml"]}
    verdicts = []
    for labels in ([], [{"pairs": {"role": "data"}, "includeTemplates": True}]):
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({**kustomization, "labels": labels}), "utf-8")
        text = catflap.cluster.kubectl("kustomize", str(tmp_path)).stdout
        verdicts.append(agree(catflap, check, text, space)[0]["allowed"])
    assert verdicts == [False, True]


def test_what_kubectl_get_prints_of_live_objects(catflap: Installation, check: Check, space: str) -> None:
    """A List of all running objects, with status, managed fields and defaults, is accepted when it is applied again."""
    for one in every_kind(space, GOOD).values():
        assert catflap.apply(one).returncode == 0
    path = f"/api/v1/namespaces/{space}/pods"
    eventually(lambda: len(catflap.cluster.api("GET", path)["items"]) >= 5)
    kinds = "pods,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs,replicationcontrollers,podtemplates"
    text = catflap.cluster.kubectl("--namespace", space, "get", kinds, "--output=yaml", "--show-managed-fields").stdout
    status, objects = check(text)
    assert status == 0
    assert {one["kind"] for one in objects} == set(every_kind(space, GOOD))
    lists = json.dumps(catflap.cluster.api("GET", path))
    assert check(lists)[0] == 0  # the API's own PodList, whose items have no kind


def test_a_list(catflap: Installation, check: Check, space: str) -> None:
    """One rejected item is not hidden by the others."""
    items = [pod("good", space, GOOD), pod("bad", space, SELECTED), deployment("web", space, GOOD)]
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})
    assert [one["allowed"] for one in agree(catflap, check, text, space)] == [True, False, True]


@pytest.mark.parametrize("engine", ["kubernetes", "calico"])
def test_what_render_prints_is_what_the_controller_writes(
    catflap: Installation, namespace_name: str, engine: str, tmp_path: Path
) -> None:
    """`kubectl apply` accepts it with strict validation, and changes no existing object."""
    if engine == "calico":
        catflap.cluster.install_calico()
    catflap.configure({"network": {"engine": engine}})
    catflap.apply(namespace(namespace_name))
    group = {"kubernetes": "networking.k8s.io", "calico": "projectcalico.org"}[engine]
    resource = f"networkpolicies.{group}"
    get = ("--namespace", namespace_name, "get", resource, "--output=json")
    before = eventually(
        lambda: json.loads(catflap.cluster.kubectl(*get).stdout), until=lambda seen: len(seen["items"]) == 2
    )
    (tmp_path / "policy.yaml").write_text(DEFAULT_POLICY, encoding="utf-8")
    argv = [sys.executable, "-m", "webhook", "render", "--policy", str(tmp_path / "policy.yaml")]
    argv += ["--namespace", namespace_name, "--engine", engine]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    emergency = ("--as=emergency", "--as-group=system:masters", f"--as-group={BREAK_GLASS_GROUP}")
    applied = catflap.apply(text, "--validate=strict", "--server-side", "--force-conflicts", *emergency)
    assert applied.returncode == 0, applied.stderr
    after = json.loads(catflap.cluster.kubectl(*get).stdout)
    assert [one["spec"] for one in after["items"]] == [one["spec"] for one in before["items"]]


@pytest.mark.parametrize("name", [NAMESPACE, "kube-system", "default"])
def test_render_prints_nothing_where_the_controller_writes_nothing(
    catflap: Installation, name: str, tmp_path: Path
) -> None:
    """Its own namespace, one of Kubernetes', and one that is older than catflap."""
    (tmp_path / "policy.yaml").write_text(DEFAULT_POLICY, encoding="utf-8")
    argv = [sys.executable, "-m", "webhook", "render", "-c", str(tmp_path / "policy.yaml"), "-n", name]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert f"namespace {name} gets no policies: " in done.stderr
    ours = (
        "--namespace",
        name,
        "get",
        "networkpolicies",
        "--selector=app.kubernetes.io/managed-by=catflap",
        "--output=name",
    )
    assert catflap.cluster.kubectl(*ours).stdout == ""
