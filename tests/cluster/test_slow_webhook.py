"""Tests a slow foreign validating webhook for the policies that the controller writes."""

from functools import partial
from pathlib import Path

import pytest

from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.policies import BOTH, path, stored_policies
from tests.cluster.slow_webhook import slow_webhook

SLOW_SECONDS = 8.0
PATIENT_SECONDS = 90.0  # two policies, a short first attempt for each, and a busy machine


@pytest.fixture
def catflap(apart: Installation) -> Installation:
    """Use a separate cluster: every write of a policy is slow here."""
    apart.configure()
    return apart


@pytest.mark.parametrize("fails", ["Ignore", "Fail"])
def test_what_takes_eight_seconds_is_waited_for(
    catflap: Installation, tmp_path: Path, namespace_name: str, fails: str
) -> None:
    """A new namespace is isolated and its Pods are admitted, later than usual; a deleted policy is restored."""
    with slow_webhook(catflap.cluster, tmp_path, seconds=SLOW_SECONDS, timeout=10, fails=fails) as asked:
        catflap.apply(namespace(namespace_name))
        eventually(lambda: stored_policies(catflap, "kubernetes", namespace_name) == BOTH, within=PATIENT_SECONDS)
        pods = f"/api/v1/namespaces/{namespace_name}/pods"
        answer = catflap.cluster.call("POST", pods, pod("web", namespace_name, GOOD))
        assert answer.status == 201, answer.body
        assert f"{namespace_name}/{BOTH[1]}" in asked
        catflap.emergency("DELETE", path("kubernetes", namespace_name, BOTH[1]))
        eventually(lambda: stored_policies(catflap, "kubernetes", namespace_name) == BOTH, within=PATIENT_SECONDS)
        eventually(partial(is_restored, catflap, namespace_name))  # the record follows the write


def is_restored(catflap: Installation, space: str) -> bool:
    """Return whether the last record of a namespace's default-deny policy says that it was restored."""
    found = [
        one["reasonCode"]
        for one in catflap.controller.records("write")
        if one["objectRef"].get("namespace") == space and one["objectRef"]["name"] == BOTH[1]
    ]
    return bool(found) and found[-1] == "PolicyRestored"


def test_one_that_never_answers_in_time_and_fails_is_named(
    catflap: Installation, tmp_path: Path, namespace_name: str
) -> None:
    """Nothing can be written: the controller names the webhook, and Pods of isolated namespaces are admitted as before."""
    isolated = f"{namespace_name}-before"
    catflap.apply(namespace(isolated))
    eventually(lambda: stored_policies(catflap, "kubernetes", isolated) == BOTH)
    with slow_webhook(catflap.cluster, tmp_path, seconds=60.0, timeout=1, fails="Fail"):
        catflap.apply(namespace(namespace_name))
        said = f"namespace {namespace_name} is not isolated yet"
        line = eventually(lambda: [one for one in catflap.controller.log().splitlines() if said in one])
        assert "slow.example.com" in line[0]
        pods = "/api/v1/namespaces/{}/pods"
        answer = catflap.cluster.call("POST", pods.format(isolated), pod("web", isolated, GOOD))
        assert answer.status == 201, answer.body
        answer = catflap.cluster.call("POST", pods.format(namespace_name), pod("web", namespace_name, GOOD))
        assert answer.status == 503, answer.body
        assert "slow.example.com" in answer.body["message"]
    eventually(lambda: stored_policies(catflap, "kubernetes", namespace_name) == BOTH)


def test_one_that_never_answers_in_time_and_is_ignored_only_delays(
    catflap: Installation, tmp_path: Path, namespace_name: str
) -> None:
    """The delay is its timeoutSeconds for each written policy."""
    with slow_webhook(catflap.cluster, tmp_path, seconds=60.0, timeout=4, fails="Ignore"):
        catflap.apply(namespace(namespace_name))
        eventually(lambda: stored_policies(catflap, "kubernetes", namespace_name) == BOTH, within=PATIENT_SECONDS)
