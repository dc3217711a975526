"""Catflap's own namespace is deleted, made again or restored from a backup: Pods get in, and catflap registers where it is installed again."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.alone import (
    NAME,
    OURS,
    PODS,
    STATE,
    alone,
    assert_guarded,
    assert_open,
    fresh,
    install,
    issue,
    status,
)
from tests.cluster.installation import CHART, NAMESPACE, WEBHOOKS, controlled, eventually, served
from tests.cluster.manifests import GOOD, namespace, pod
from tests.controlplane.client import MERGE
from tests.controlplane.cluster import Cluster
from tests.programs import Program, free_port, stop
from webhook.kube.registrations import TWINS, twin_path

__all__ = ["alone", "fresh"]

Json = dict[str, Any]

HOME = f"/api/v1/namespaces/{NAMESPACE}"
PHASES = ("validating", "mutating")
WORDS = ("validating", "mutating", "namespaceUid")
QUIET_SECONDS = 5.0  # longer than the longest pause between two looks of a controller that has something to do
HELD = {"metadata": {"finalizers": ["example.com/hold"]}}
FREE: Json = {"metadata": {"finalizers": None}}


@pytest.fixture
def port(fresh: Cluster, tmp_path: Path, namespace_name: str) -> int:
    """Of the servers of a release that is installed, of which no process runs yet; a namespace for Pods exists."""
    found = free_port()
    issue(tmp_path, NAME, "localhost")
    fresh.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(fresh, tmp_path, found)
    return found


@contextmanager
def running(cluster: Cluster, folder: Path, port: int, *names: str) -> Iterator[list[Program]]:
    """A server and controllers that have registered."""
    with ExitStack() as stack:
        stack.enter_context(served(cluster, folder, port, ready=False))
        controllers = [
            stack.enter_context(controlled(cluster, folder, port, name=name, ready=False))
            for name in names or ("controller",)
        ]
        eventually(lambda: registered(cluster) == [True, True])
        yield controllers


def registered(cluster: Cluster) -> list[bool]:
    """Whether each configuration is stored."""
    return [cluster.call("GET", WEBHOOKS.format(phase)).status == 200 for phase in PHASES]


def references(cluster: Cluster, phase: str) -> list[Json]:
    """The ownerReferences of a configuration that is stored, none of one that is not."""
    found = cluster.call("GET", WEBHOOKS.format(phase)).body
    return list(found["metadata"].get("ownerReferences", ()))


def copies(cluster: Cluster) -> list[list[Json]]:
    """The ownerReferences of each object of the copy of the rules that is stored."""
    answers = [cluster.call("GET", twin_path(kind)) for kind in TWINS]
    return [one.body["metadata"].get("ownerReferences", []) for one in answers if one.status == 200]


def reference(cluster: Cluster, name: str = NAMESPACE, **fields: Any) -> Json:
    """A reference to a live Namespace."""
    uid = cluster.api("GET", f"/api/v1/namespaces/{name}")["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "Namespace", "name": name, "uid": uid, **fields}


def deleted(cluster: Cluster) -> None:
    """The namespace is deleted, and gone."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    eventually(lambda: cluster.call("GET", HOME).status == 404)


def patched(cluster: Cluster, phase: str, found: list[Json]) -> None:
    """Give a configuration these ownerReferences, as anybody with the right may."""
    body = {"metadata": {"ownerReferences": found}}
    cluster.call("PATCH", WEBHOOKS.format(phase), body, content_type=MERGE)


@pytest.mark.parametrize("names", [("controller",), ("one", "two")], ids=["one replica", "two replicas"])
def test_with_its_namespace_catflap_leaves_and_comes_back(
    fresh: Cluster, tmp_path: Path, port: int, namespace_name: str, names: tuple[str, ...]
) -> None:
    """At once, while the namespace still exists; nothing is registered again before it is installed again."""
    with running(fresh, tmp_path, port, *names) as controllers:
        assert_guarded(fresh, namespace_name)
        assert [references(fresh, phase) for phase in PHASES] == [[reference(fresh)]] * 2
        accounts = f"{HOME}/serviceaccounts/catflap-controller"
        fresh.api("PATCH", accounts, HELD, content_type=MERGE)  # so that neither the namespace nor the account goes
        fresh.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
        eventually(lambda: registered(fresh) == [False, False])
        assert fresh.api("GET", HOME)["status"]["phase"] == "Terminating"
        assert_open(fresh, namespace_name)
        eventually(lambda: sum(leaving(one) for one in controllers) == 2)
        time.sleep(QUIET_SECONDS)
        assert registered(fresh) == [False, False]
        assert {one.status("/readyz").status for one in controllers} == {503}
        assert not any("was deleted: it stays so" in one.log() for one in controllers)
        fresh.api("PATCH", accounts, FREE, content_type=MERGE)
        eventually(lambda: fresh.call("GET", HOME).status == 404)
        assert registered(fresh) == [False, False]
    install(fresh, tmp_path, port)
    with running(fresh, tmp_path, port):
        assert_guarded(fresh, namespace_name, "again")
        eventually(lambda: status(fresh) == "registered")


def leaving(controller: Program) -> int:
    """How many configurations a controller removed for this reason, by its records."""
    return sum(one["reasonCode"] == "RegistrationRemoved" for one in controller.records("write"))


def test_the_registration_goes_whoever_is_faster(
    fresh: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """The account of the controller may be gone before the controller looks: then the garbage collector is the one."""
    for number in range(3):
        with running(fresh, tmp_path, port):
            assert_guarded(fresh, namespace_name, f"good-{number}")
            deleted(fresh)
            eventually(lambda: registered(fresh) == [False, False])
            assert_open(fresh, namespace_name)
        install(fresh, tmp_path, port)


def test_the_registration_goes_though_no_process_of_ours_runs(
    fresh: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """Until then its Pods are refused; afterwards the namespace can be made again. The copy of the rules goes as well."""
    policy = {"network": {"engine": "kubernetes"}, "twin": True}
    (tmp_path / "policy.yaml").write_text(json.dumps({"policy": policy}), encoding="utf-8")
    files = ("--values", str(tmp_path / "values.yaml"), "--values", str(tmp_path / "policy.yaml"))
    fresh.helm("upgrade", "catflap", str(CHART), *OURS, *files)
    with running(fresh, tmp_path, port):
        assert_guarded(fresh, namespace_name)
        eventually(lambda: copies(fresh) == [[reference(fresh)]] * 2)
    refused = fresh.call("POST", PODS.format(namespace_name), pod("late", namespace_name, GOOD))
    assert refused.status == 500
    fresh.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    eventually(lambda: fresh.call("POST", PODS.format(namespace_name), pod("late", namespace_name, GOOD)).status == 201)
    assert registered(fresh) == [False, False]
    eventually(lambda: copies(fresh) == [])
    bare = f"{PODS.format(namespace_name)}?dryRun=All"
    eventually(lambda: fresh.call("POST", bare, pod("any", namespace_name, {})).status == 201)
    eventually(lambda: fresh.call("POST", "/api/v1/namespaces", namespace(NAMESPACE)).status == 201)
    install(fresh, tmp_path, port)
    with running(fresh, tmp_path, port):
        assert_guarded(fresh, namespace_name, "again")


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
    fresh: Cluster,
    tmp_path: Path,
    port: int,
    namespace_name: str,
    wrong: Callable[[Json, Json], list[Json]],
) -> None:
    """Whoever is faster, the controller or the garbage collector; nobody has turned catflap off by that. Another's stays."""
    with running(fresh, tmp_path, port) as [controller]:
        right, other = reference(fresh), reference(fresh, namespace_name)
        eventually(lambda: status(fresh) == "registered")
        for phase in PHASES:
            given = wrong(right, other)
            patched(fresh, phase, given)
            kept = [other] if other in given else []
            expected = ([*kept, right], [right])  # where it was deleted and created again the other one is gone
            eventually(lambda: registered(fresh) == [True, True] and references(fresh, phase) in expected)  # noqa: B023
        assert "was deleted: it stays so" not in controller.log()


def test_what_a_backup_brings_back_does_not_count_as_turned_off(
    fresh: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """The words of the earlier namespace say "on", and what was on is gone with it; or it is restored with an owner that is gone."""
    with running(fresh, tmp_path, port):
        assert_guarded(fresh, namespace_name)
        eventually(lambda: fresh.api("GET", STATE)["data"].get("validating") == "on")
        backup = [fresh.api("GET", WEBHOOKS.format(phase)) for phase in PHASES]
        words = {key: fresh.api("GET", STATE)["data"][key] for key in WORDS}
    deleted(fresh)
    eventually(lambda: registered(fresh) == [False, False])
    install(fresh, tmp_path, port)
    fresh.api("PATCH", STATE, {"data": {**words, "status": "registered"}}, content_type=MERGE)
    with running(fresh, tmp_path, port) as [controller]:
        assert_guarded(fresh, namespace_name, "restored")
        assert "was deleted: it stays so" not in controller.log()
        for one in backup:
            one["metadata"] = {
                key: one["metadata"][key] for key in ("name", "labels", "annotations", "ownerReferences")
            }
            fresh.kubectl("replace", "--force", "--filename", "-", stdin=json.dumps(one))
        eventually(lambda: [references(fresh, phase) for phase in PHASES] == [[reference(fresh)]] * 2)


def test_a_release_that_wanted_none_for_a_moment_is_registered_again(
    fresh: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """Though no controller saw that the release took the registration away, or one saw it too late."""
    given = ("--values", str(tmp_path / "values.yaml"), *OURS)
    off = ("--set", "registration.enabled=false")
    with running(fresh, tmp_path, port) as [controller]:
        assert_guarded(fresh, namespace_name)
        eventually(lambda: fresh.api("GET", STATE)["data"].get("validating") == "on")
        for _ in range(3):
            fresh.helm("upgrade", "catflap", str(CHART), *given, *off)
            fresh.helm("upgrade", "catflap", str(CHART), *given)
            eventually(lambda: registered(fresh) == [True, True])
        stop(controller.process)
        fresh.helm("upgrade", "catflap", str(CHART), *given, *off)
        assert registered(fresh) == [False, False]
        fresh.helm("upgrade", "catflap", str(CHART), *given)
        fresh.helm("upgrade", "catflap", str(CHART), *given)  # which keeps what the one before said
        with controlled(fresh, tmp_path, port, name="later", ready=False):
            eventually(lambda: registered(fresh) == [True, True])
            eventually(lambda: fresh.api("GET", STATE)["data"].get("validating") == "on")
            fresh.kubectl("delete", "validatingwebhookconfiguration", "catflap")
            eventually(lambda: "turned off" in status(fresh))
            fresh.helm("upgrade", "catflap", str(CHART), *given)  # an administrator's "off" outlives it
            time.sleep(QUIET_SECONDS)
            assert registered(fresh) == [False, True]


def test_a_rollback_to_a_release_without_registration_takes_it_away(
    fresh: Cluster, tmp_path: Path, port: int, namespace_name: str
) -> None:
    """As an upgrade to it does: such a release may have no servers."""
    given = ("--values", str(tmp_path / "values.yaml"), *OURS)
    fresh.helm("upgrade", "catflap", str(CHART), *given, "--set", "registration.enabled=false")
    fresh.helm("upgrade", "catflap", str(CHART), *given)
    with running(fresh, tmp_path, port):
        assert_guarded(fresh, namespace_name)
        fresh.helm("rollback", "catflap", "2", *OURS)
        assert registered(fresh) == [False, False]
    assert_open(fresh, namespace_name)


@pytest.mark.parametrize("name", ["", "other"], ids=["by the same name", "by another name"])
def test_a_second_release_is_refused(fresh: Cluster, tmp_path: Path, port: int, name: str) -> None:
    """By helm, before anything of it is made: two would undo each other's registration."""
    assert port
    given = ("--namespace", "elsewhere", "--create-namespace", "--values", str(tmp_path / "values.yaml"))
    done = fresh.helm("install", "second", str(CHART), *given, "--set", f"fullnameOverride={name}", check=False)
    assert done.returncode != 0
    assert "cannot be imported into the current release" in done.stderr
    fresh.helm("uninstall", "second", "--namespace", "elsewhere", "--ignore-not-found", "--no-hooks")


def test_a_release_moves_to_another_namespace(fresh: Cluster, tmp_path: Path, port: int, namespace_name: str) -> None:
    """Its former namespace is deleted without an uninstall; what belongs to none is taken over only after an uninstall."""
    with running(fresh, tmp_path, port):
        assert_guarded(fresh, namespace_name)
        fresh.helm(
            "uninstall", "catflap", *OURS, "--no-hooks"
        )  # the registration stays, and nothing of the release does
    assert registered(fresh) == [True, True]
    deleted(fresh)
    eventually(lambda: registered(fresh) == [False, False])
    assert_open(fresh, namespace_name)
    given = ("--namespace", "elsewhere", "--create-namespace", "--values", str(tmp_path / "values.yaml"))
    fresh.helm("install", "catflap", str(CHART), *given)
    fresh.helm("uninstall", "catflap", "--namespace", "elsewhere", "--no-hooks")
