"""Tests the isolation time if its record is lost: it is derived from existing policies."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.cluster.barriers import wait_until_handled
from tests.cluster.installation import NAMESPACE, Installation, eventually, installed, run_controller, run_server
from tests.cluster.manifests import GOOD, deployment, namespace, pod
from tests.cluster.policies import BOTH, DENY, all_policies_path, path, stored_policies
from tests.controlplane.cluster import running
from tests.controlplane.tools import Tools
from tests.programs import stop

Json = dict[str, Any]

PLACES = (NAMESPACE, "kube-system")
EPOCH = "/api/v1/namespaces/{}/configmaps/catflap-epoch"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/catflap"
DATED_SECONDS = 1.5  # creation times have whole seconds, and the same second counts as later
# Longer than any reaction of the controller that these tests have seen.


@pytest.fixture(scope="module")
def dated(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Start a separate cluster, as its install record is deleted, with one namespace older than catflap and one younger."""
    with running(tools) as cluster:
        cluster.api("POST", "/api/v1/namespaces", namespace("ancient"))
        cluster.api("POST", "/apis/apps/v1/namespaces/ancient/deployments", deployment("old", "ancient", {}))
        time.sleep(DATED_SECONDS)
        with installed(cluster, tmp_path_factory.mktemp("catflap")) as catflap:
            catflap.configure()
            catflap.apply(namespace("shop"))
            eventually(lambda: stored_policies(catflap, "kubernetes", "shop") == BOTH)
            eventually(lambda: all(data is not None for data in epochs(catflap)))
            yield catflap


def epochs(catflap: Installation) -> list[dict[str, str] | None]:
    """Return the record in both places."""
    answers = [catflap.cluster.call("GET", EPOCH.format(place)) for place in PLACES]
    return [None if answer.refused else answer.body["data"] for answer in answers]


def ended(catflap: Installation) -> None:
    """Stop both processes."""
    for program in (catflap.server, catflap.controller):
        if program.process.poll() is None:
            stop(program.process)


def begun(catflap: Installation) -> None:
    """Start both processes, and wait until they are ready."""
    catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))
    catflap.controller = catflap.revived.enter_context(run_controller(catflap.cluster, catflap.folder))


def unregistered(catflap: Installation) -> Json:
    """Delete the registration."""
    kept: Json = catflap.cluster.api("GET", CONFIGURATION)
    kept["metadata"] = {key: kept["metadata"][key] for key in ("name", "labels", "annotations")}
    catflap.cluster.api("DELETE", CONFIGURATION)
    return kept


def registered(catflap: Installation, kept: Json) -> str:
    """Create the registration again, in a later second than all before; return that time."""
    time.sleep(DATED_SECONDS)
    made: str = catflap.cluster.api("POST", CONFIGURATION.rpartition("/")[0], kept)["metadata"]["creationTimestamp"]
    return made


def forgotten(catflap: Installation) -> None:
    """Delete both records, while no process can restore them."""
    ended(catflap)
    for place in PLACES:
        catflap.cluster.api("DELETE", EPOCH.format(place))


def deny(catflap: Installation) -> Json:
    """Return the metadata of the policy that isolates the younger namespace."""
    found: Json = catflap.cluster.api("GET", path("kubernetes", "shop", DENY))["metadata"]
    return found


def closure(catflap: Installation, space: str, name: str) -> str:
    """Return the isolation in the record of a Pod's creation."""
    done = catflap.apply(pod(name, space, GOOD))
    assert done.returncode == 0, done.stderr
    record = next(one for one in reversed(catflap.server.records()) if one.get("closure"))
    assert record["objectRef"]["name"] == name
    return str(record["closure"])


@pytest.mark.parametrize("place", PLACES)
def test_one_record_lost_is_written_again(dated: Installation, place: str) -> None:
    """The other copy restores it when the controller starts; no policy is written, and no namespace changes its state."""
    before, policy = epochs(dated), deny(dated)
    dated.cluster.api("DELETE", EPOCH.format(place))
    ended(dated)
    begun(dated)
    assert eventually(lambda: epochs(dated), until=lambda seen: None not in seen) == before
    wait_until_handled(dated)
    assert deny(dated) == policy
    assert stored_policies(dated, "kubernetes", "ancient") == []


def test_with_both_lost_the_oldest_policy_decides(dated: Installation, namespace_name: str) -> None:
    """The registration was created again as well: isolated namespaces stay isolated, others do not, and the log reports it."""
    policy = deny(dated)
    forgotten(dated)
    made = registered(dated, unregistered(dated))
    begun(dated)
    oldest = min(
        one["metadata"]["creationTimestamp"]
        for one in dated.cluster.api("GET", all_policies_path("kubernetes"))["items"]
    )
    wanted = {"installed": made, "closing": oldest}
    assert eventually(lambda: epochs(dated), until=lambda seen: None not in seen) == [wanted, wanted]
    says = (
        f"catflap isolates namespaces that were created since {oldest}, and treats owners of Pods as older if "
        f"they were created before {made}"
    )
    eventually(lambda: says in dated.controller.log())
    dated.apply(namespace(namespace_name))
    eventually(lambda: stored_policies(dated, "kubernetes", namespace_name) == BOTH)
    assert closure(dated, "shop", namespace_name) == "proven"
    assert closure(dated, "ancient", namespace_name) == "unguarded"
    assert deny(dated) == policy
    assert stored_policies(dated, "kubernetes", "ancient") == []


def test_with_the_policies_lost_too_the_stamps_tell(dated: Installation, namespace_name: str) -> None:
    """Each managed namespace is isolated again; the others stay as they were."""
    forgotten(dated)
    kept = unregistered(dated)
    for one in dated.cluster.api("GET", all_policies_path("kubernetes"))["items"]:
        doomed = path("kubernetes", one["metadata"]["namespace"], one["metadata"]["name"])
        # The API server may still call catflap for a moment, and no server would answer.
        eventually(partial(dated.cluster.call, "DELETE", doomed), until=lambda answer: not answer.refused)
    made = registered(dated, kept)
    begun(dated)
    eventually(lambda: stored_policies(dated, "kubernetes", "shop") == BOTH)
    assert eventually(lambda: epochs(dated), until=lambda seen: None not in seen) == [
        {"installed": made, "closing": made}
    ] * len(PLACES)
    assert closure(dated, "shop", namespace_name) == "proven"
    wait_until_handled(dated)
    assert stored_policies(dated, "kubernetes", "ancient") == []


@pytest.mark.parametrize(
    "data",
    [{"installed": "garbage"}, {"installed": "2026-01-01T00:00:00"}, {"installed": "1970-01-01T00:00:00Z"}],
    ids=["garbage", "no zone", "1970"],
)
def test_a_record_that_cannot_be_true_counts_for_nothing(
    dated: Installation, namespace_name: str, data: dict[str, str]
) -> None:
    """The other copy counts: both processes are ready, older namespaces stay open, and an Event says how to repair it."""
    ended(dated)
    sound = epochs(dated)[1]
    dated.cluster.api("DELETE", EPOCH.format(NAMESPACE))
    bad = {"metadata": {"name": "catflap-epoch"}, "data": data}
    dated.cluster.api("POST", EPOCH.format(NAMESPACE).rpartition("/")[0], bad)
    begun(dated)
    says = f"ConfigMap {NAMESPACE}/catflap-epoch is not valid: installed is"
    eventually(lambda: says in dated.controller.log())
    eventually(lambda: reported(dated, NAMESPACE, "InstallationRecordNotBelieved", says))
    assert closure(dated, "shop", f"{namespace_name}-shop") == "proven"
    assert closure(dated, "ancient", f"{namespace_name}-old") == "unguarded"
    assert stored_policies(dated, "kubernetes", "ancient") == []
    dated.cluster.api("DELETE", EPOCH.format(NAMESPACE))
    assert eventually(lambda: epochs(dated), until=lambda seen: None not in seen) == [sound, sound]


def test_pods_that_ran_before_their_namespace_was_isolated_are_reported(
    dated: Installation, namespace_name: str
) -> None:
    """They were not reviewed, and their namespace is younger than catflap: it is isolated at once, and reported."""
    ended(dated)
    kept = unregistered(dated)
    dated.apply(namespace(namespace_name))
    # The API server may still call catflap for a moment, and no server would answer.
    eventually(lambda: dated.apply(pod("early", namespace_name, {})).returncode == 0)
    registered(dated, kept)
    begun(dated)
    eventually(lambda: stored_policies(dated, "kubernetes", namespace_name) == BOTH)
    said = f"Pod early ran in namespace {namespace_name} before it was isolated"
    eventually(lambda: said in dated.controller.log())
    eventually(lambda: reported(dated, "default", "PodsBeforeIsolation", said))
    eventually(lambda: any(one["reasonCode"] == "PodsBeforeIsolation" for one in dated.controller.records("write")))
    eventually(lambda: b"catflap_pods_before_isolation_total 1.0" in dated.controller.status("/metrics").body)


def reported(dated: Installation, space: str, reason: str, text: str) -> bool:
    """Return whether an Event in a namespace has a reason and a text in its note."""
    events = dated.cluster.api("GET", f"/apis/events.k8s.io/v1/namespaces/{space}/events")["items"]
    return any(one["reason"] == reason and text in one["note"] for one in events)
