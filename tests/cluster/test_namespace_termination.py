"""Tests the deletion, re-creation and restoration of catflap's namespace: Pods are admitted, and the next installation registers."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.installation import CHART, NAMESPACE, WEBHOOKS, eventually, run_controller, run_server
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.standalone_install import (
    NAME,
    OURS,
    PODS,
    STATE,
    assert_guarded,
    assert_open,
    clean_cluster,
    install,
    issue,
    standalone_cluster,
    status,
)
from tests.controlplane.client import MERGE
from tests.controlplane.cluster import Cluster
from tests.ports import free_port
from tests.programs import Program, stop
from webhook.kube.webhook_configurations import ADMISSION_POLICY_KINDS, own_admission_policy_path

__all__ = ["clean_cluster", "standalone_cluster"]

Json = dict[str, Any]

HOME = f"/api/v1/namespaces/{NAMESPACE}"
PHASES = ("validating", "mutating")
WORDS = ("validating", "mutating", "namespaceUid")
QUIET_SECONDS = 5.0  # longer than the longest interval between two passes of a controller with pending work
HELD = {"metadata": {"finalizers": ["example.com/hold"]}}
FREE: Json = {"metadata": {"finalizers": None}}


@pytest.fixture
def port(clean_cluster: Cluster, tmp_path: Path, namespace_name: str) -> int:
    """Return the endpoint of the servers of an installed release without processes; a namespace for Pods exists."""
    found = free_port()
    issue(tmp_path, NAME, "localhost")
    clean_cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(clean_cluster, tmp_path, found)
    return found


@contextmanager
def running(cluster: Cluster, folder: Path, port: int, *names: str) -> Iterator[list[Program]]:
    """Run a server and controllers that have registered."""
    with ExitStack() as stack:
        stack.enter_context(run_server(cluster, folder, port, ready=False))
        controllers = [
            stack.enter_context(run_controller(cluster, folder, port, name=name, ready=False))
            for name in names or ("controller",)
        ]
        eventually(lambda: registered(cluster) == [True, True])
        yield controllers


def registered(cluster: Cluster) -> list[bool]:
    """Return whether each configuration is stored."""
    return [cluster.call("GET", WEBHOOKS.format(phase)).status == 200 for phase in PHASES]


def references(cluster: Cluster, phase: str) -> list[Json]:
    """Return the ownerReferences of a configuration, empty if it is not stored."""
    found = cluster.call("GET", WEBHOOKS.format(phase)).body
    return list(found["metadata"].get("ownerReferences", ()))


def is_repaired(cluster: Cluster, phase: str, expected: Sequence[list[Json]]) -> bool:
    """Return whether both configurations are stored, one of them with any of the expected ownerReferences."""
    return registered(cluster) == [True, True] and references(cluster, phase) in expected


def copies(cluster: Cluster) -> list[list[Json]]:
    """Return the ownerReferences of each stored object of the ValidatingAdmissionPolicy copy."""
    answers = [cluster.call("GET", own_admission_policy_path(kind)) for kind in ADMISSION_POLICY_KINDS]
    return [one.body["metadata"].get("ownerReferences", []) for one in answers if one.status == 200]


def reference(cluster: Cluster, name: str = NAMESPACE, **fields: Any) -> Json:
    """Return a reference to a live Namespace."""
    uid = cluster.api("GET", f"/api/v1/namespaces/{name}")["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "Namespace", "name": name, "uid": uid, **fields}


def deleted(cluster: Cluster) -> None:
    """Delete the namespace, and wait until it is gone."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    eventually(lambda: cluster.call("GET", HOME).status == 404)


def patched(cluster: Cluster, phase: str, found: list[Json]) -> None:
    """Set these ownerReferences, as any user with the right may."""
    body = {"metadata": {"ownerReferences": found}}
    cluster.call("PATCH", WEBHOOKS.format(phase), body, content_type=MERGE)


@pytest.mark.parametrize("names", [("controller",), ("one", "two")], ids=["one replica", "two replicas"])
def test_with_its_namespace_catflap_leaves_and_comes_back(
    clean_cluster: Cluster, tmp_path: Path, port: int, namespace_name: str, names: tuple[str, ...]
) -> None:
    """It happens at once, while the namespace exists. Nothing is registered again before the next installation."""
    with running(clean_cluster, tmp_path, port, *names) as controllers:
        assert_guarded(clean_cluster, namespace_name)
        assert [references(clean_cluster, phase) for phase in PHASES] == [[reference(clean_cluster)]] * 2
        accounts = f"{HOME}/serviceaccounts/catflap-controller"
        clean_cluster.api(
            "PATCH", accounts, HELD, content_type=MERGE
        )  # neither the namespace nor the account is deleted
        clean_cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
        eventually(lambda: registered(clean_cluster) == [False, False])
        assert clean_cluster.api("GET", HOME)["status"]["phase"] == "Terminating"
        assert_open(clean_cluster, namespace_name)
        eventually(lambda: sum(leaving(one) for one in controllers) == 2)
        time.sleep(QUIET_SECONDS)
        assert registered(clean_cluster) == [False, False]
        assert {one.status("/readyz").status for one in controllers} == {503}
        assert not any("was deleted: catflap does not create it" in one.log() for one in controllers)
        clean_cluster.api("PATCH", accounts, FREE, content_type=MERGE)
        eventually(lambda: clean_cluster.call("GET", HOME).status == 404)
        assert registered(clean_cluster) == [False, False]
    install(clean_cluster, tmp_path, port)
    with running(clean_cluster, tmp_path, port):
        assert_guarded(clean_cluster, namespace_name, "again")
        eventually(lambda: status(clean_cluster) == "registered")


def leaving(controller: Program) -> int:
    """Return how many configurations a controller removed for this reason, by its records."""
    return sum(one["reasonCode"] == "RegistrationRemoved" for one in controller.records("write"))


def test_the_registration_is_removed_by_the_controller_or_the_garbage_collector(
    clean_cluster: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """The controller's account may be deleted before its next pass: then the garbage collector removes them."""
    for number in range(3):
        with running(clean_cluster, tmp_path, port):
            assert_guarded(clean_cluster, namespace_name, f"good-{number}")
            deleted(clean_cluster)
            eventually(lambda: registered(clean_cluster) == [False, False])
            assert_open(clean_cluster, namespace_name)
        install(clean_cluster, tmp_path, port)


def test_the_registration_is_removed_though_no_process_of_catflap_runs(
    clean_cluster: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """Until then Pods are rejected; afterwards the namespace can be created again. The copy of the rules is removed as well."""
    policy = {"network": {"engine": "kubernetes"}, "validatingAdmissionPolicy": True}
    (tmp_path / "policy.yaml").write_text(json.dumps({"policy": policy}), encoding="utf-8")
    files = ("--values", str(tmp_path / "values.yaml"), "--values", str(tmp_path / "policy.yaml"))
    clean_cluster.helm("upgrade", "catflap", str(CHART), *OURS, *files)
    with running(clean_cluster, tmp_path, port):
        assert_guarded(clean_cluster, namespace_name)
        eventually(lambda: copies(clean_cluster) == [[reference(clean_cluster)]] * 2)
    refused = clean_cluster.call("POST", PODS.format(namespace_name), pod("late", namespace_name, GOOD))
    assert refused.status == 500
    clean_cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    eventually(
        lambda: clean_cluster.call("POST", PODS.format(namespace_name), pod("late", namespace_name, GOOD)).status == 201
    )
    assert registered(clean_cluster) == [False, False]
    eventually(lambda: copies(clean_cluster) == [])
    bare = f"{PODS.format(namespace_name)}?dryRun=All"
    eventually(lambda: clean_cluster.call("POST", bare, pod("any", namespace_name, {})).status == 201)
    eventually(lambda: clean_cluster.call("POST", "/api/v1/namespaces", namespace(NAMESPACE)).status == 201)
    install(clean_cluster, tmp_path, port)
    with running(clean_cluster, tmp_path, port):
        assert_guarded(clean_cluster, namespace_name, "again")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _right, _other: [],
        lambda right, _: [{**right, "uid": "00000000-0000-4000-8000-000000000000"}],
        lambda right, _: [{**right, "blockOwnerDeletion": True}],
        lambda right, _: [{**right, "controller": True}],
        lambda right, other: [other, {**right, "uid": "00000000-0000-4000-8000-000000000000"}],
        lambda _right, other: [other],
    ],
    ids=["none", "another uid", "blocking", "controller", "another uid, beside another's", "another's alone"],
)
def test_the_reference_is_kept_right(
    clean_cluster: Cluster,
    tmp_path: Path,
    port: int,
    namespace_name: str,
    wrong: Callable[[Json, Json], list[Json]],
) -> None:
    """Either the controller or the garbage collector removes them. That is no administrator's deletion, and foreign objects stay."""
    with running(clean_cluster, tmp_path, port) as [controller]:
        right, other = reference(clean_cluster), reference(clean_cluster, namespace_name)
        eventually(lambda: status(clean_cluster) == "registered")
        for phase in PHASES:
            given = wrong(right, other)
            patched(clean_cluster, phase, given)
            kept = [other] if other in given else []
            expected = ([*kept, right], [right])  # where it was deleted and created again, the other one is gone
            eventually(partial(is_repaired, clean_cluster, phase, expected))
        assert "was deleted: catflap does not create it" not in controller.log()


def test_what_a_backup_brings_back_does_not_count_as_turned_off(
    clean_cluster: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """The state of the earlier namespace says "on", and its configurations are gone or restored with a missing owner."""
    with running(clean_cluster, tmp_path, port):
        assert_guarded(clean_cluster, namespace_name)
        eventually(lambda: clean_cluster.api("GET", STATE)["data"].get("validating") == "on")
        backup = [clean_cluster.api("GET", WEBHOOKS.format(phase)) for phase in PHASES]
        words = {key: clean_cluster.api("GET", STATE)["data"][key] for key in WORDS}
    deleted(clean_cluster)
    eventually(lambda: registered(clean_cluster) == [False, False])
    install(clean_cluster, tmp_path, port)
    clean_cluster.api("PATCH", STATE, {"data": {**words, "status": "registered"}}, content_type=MERGE)
    with running(clean_cluster, tmp_path, port) as [controller]:
        assert_guarded(clean_cluster, namespace_name, "restored")
        assert "was deleted: catflap does not create it" not in controller.log()
        for one in backup:
            one["metadata"] = {
                key: one["metadata"][key] for key in ("name", "labels", "annotations", "ownerReferences")
            }
            clean_cluster.kubectl("replace", "--force", "--filename", "-", stdin=json.dumps(one))
        eventually(lambda: [references(clean_cluster, phase) for phase in PHASES] == [[reference(clean_cluster)]] * 2)


def test_a_release_that_wanted_none_for_a_moment_is_registered_again(
    clean_cluster: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """No controller saw that the release removed the registration, or one saw it too late."""
    given = ("--values", str(tmp_path / "values.yaml"), *OURS)
    off = ("--set", "registration.enabled=false")
    with running(clean_cluster, tmp_path, port) as [controller]:
        assert_guarded(clean_cluster, namespace_name)
        eventually(lambda: clean_cluster.api("GET", STATE)["data"].get("validating") == "on")
        for _ in range(3):
            clean_cluster.helm("upgrade", "catflap", str(CHART), *given, *off)
            clean_cluster.helm("upgrade", "catflap", str(CHART), *given)
            eventually(lambda: registered(clean_cluster) == [True, True])
        stop(controller.process)
        clean_cluster.helm("upgrade", "catflap", str(CHART), *given, *off)
        assert registered(clean_cluster) == [False, False]
        clean_cluster.helm("upgrade", "catflap", str(CHART), *given)
        clean_cluster.helm("upgrade", "catflap", str(CHART), *given)  # which keeps the state of its predecessor
        with run_controller(clean_cluster, tmp_path, port, name="later", ready=False):
            eventually(lambda: registered(clean_cluster) == [True, True])
            eventually(lambda: clean_cluster.api("GET", STATE)["data"].get("validating") == "on")
            clean_cluster.kubectl("delete", "validatingwebhookconfiguration", "catflap")
            eventually(lambda: "turned off" in status(clean_cluster))
            clean_cluster.helm("upgrade", "catflap", str(CHART), *given)  # an administrator's "off" outlives it
            time.sleep(QUIET_SECONDS)
            assert registered(clean_cluster) == [False, True]


def test_a_rollback_to_a_release_without_registration_takes_it_away(
    clean_cluster: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """An upgrade to such a release does so, as the release may have no servers."""
    given = ("--values", str(tmp_path / "values.yaml"), *OURS)
    clean_cluster.helm("upgrade", "catflap", str(CHART), *given, "--set", "registration.enabled=false")
    clean_cluster.helm("upgrade", "catflap", str(CHART), *given)
    with running(clean_cluster, tmp_path, port):
        assert_guarded(clean_cluster, namespace_name)
        clean_cluster.helm("rollback", "catflap", "2", *OURS)
        assert registered(clean_cluster) == [False, False]
    assert_open(clean_cluster, namespace_name)


@pytest.mark.parametrize("name", ["", "other"], ids=["by the same name", "by another name"])
def test_a_second_release_is_refused(clean_cluster: Cluster, tmp_path: Path, port: int, name: str) -> None:
    """Helm refuses before it creates anything: two releases would overwrite each other's registration."""
    assert port
    given = ("--namespace", "elsewhere", "--create-namespace", "--values", str(tmp_path / "values.yaml"))
    done = clean_cluster.helm("install", "second", str(CHART), *given, "--set", f"fullnameOverride={name}", check=False)
    assert done.returncode != 0
    assert "cannot be imported into the current release" in done.stderr
    clean_cluster.helm("uninstall", "second", "--namespace", "elsewhere", "--ignore-not-found", "--no-hooks")


def test_a_release_moves_to_another_namespace(
    clean_cluster: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """Its former namespace is deleted without an uninstall; cluster-scoped objects are taken over only after an uninstall."""
    with running(clean_cluster, tmp_path, port):
        assert_guarded(clean_cluster, namespace_name)
        clean_cluster.helm(
            "uninstall", "catflap", *OURS, "--no-hooks"
        )  # the registration stays, and the release's other objects do not
    assert registered(clean_cluster) == [True, True]
    deleted(clean_cluster)
    eventually(lambda: registered(clean_cluster) == [False, False])
    assert_open(clean_cluster, namespace_name)
    given = ("--namespace", "elsewhere", "--create-namespace", "--values", str(tmp_path / "values.yaml"))
    clean_cluster.helm("install", "catflap", str(CHART), *given)
    clean_cluster.helm("uninstall", "catflap", "--namespace", "elsewhere", "--no-hooks")
