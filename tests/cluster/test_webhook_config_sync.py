"""Tests that an edit of the policy file changes the registration, which is never older than the policy in force."""

from typing import Any

import pytest

from tests.cluster.barriers import wait_until_handled
from tests.cluster.installation import NAMESPACE, WEBHOOKS, Installation, eventually
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.policies import DENY, GROUPS, path
from tests.cluster.registration_freeze import MESSAGE, frozen_registration

FILLING = {"app.kubernetes.io/name": "web", "role": "frontend"}
PODS = "/api/v1/namespaces/{}/pods"


def asked_about(catflap: Installation, space: str) -> bool:
    """Return whether a Pod without labels is rejected by catflap."""
    return bool(catflap.cluster.call("POST", PODS.format(space) + "?dryRun=All", pod("probe", space, {})).status == 403)


@pytest.mark.parametrize("group", GROUPS)
def test_a_namespace_that_is_exempt_no_longer_waits_for_the_gate(
    catflap: Installation, namespace_name: str, group: str
) -> None:
    """After the edit the namespace stays open until it is registered, and no Pod precedes that."""
    if group == "calico":
        catflap.cluster.install_calico()
    engine: dict[str, Any] = {"network": {"engine": group}}
    catflap.configure({**engine, "namespaces": {"exempt": [namespace_name]}})
    eventually(lambda: catflap.spares(namespace_name))
    catflap.apply(namespace(namespace_name))
    eventually(lambda: not asked_about(catflap, namespace_name))
    catflap.configure(engine)
    eventually(lambda: asked_about(catflap, namespace_name))
    assert catflap.apply(pod("first", namespace_name, GOOD)).returncode == 0
    stored = catflap.cluster.api("GET", f"{PODS.format(namespace_name)}/first")
    closing = catflap.cluster.api("GET", path(group, namespace_name, DENY))
    assert int(closing["metadata"]["resourceVersion"]) < int(stored["metadata"]["resourceVersion"])


def test_filling_from_aliases_comes_and_goes(catflap: Installation, namespace_name: str) -> None:
    """The whole entry changes, without a registration by hand."""
    catflap.apply(namespace(namespace_name))
    catflap.configure({"workloads": {"fillFromAliases": False}})
    eventually(lambda: len(catflap.registered("mutating")), until=lambda seen: seen == 1)
    catflap.configure({"workloads": {"role": {"oneOf": ["frontend"], "aliases": ["tier"]}}})
    eventually(lambda: len(catflap.registered("mutating")), until=lambda seen: seen == 2)
    eventually(lambda: filled(catflap, namespace_name).get("app") == "web")


def filled(catflap: Installation, space: str) -> dict[str, str]:
    """Return the labels that a Pod with only an alias would get."""
    body = pod("alias", space, FILLING)
    return catflap.cluster.api("POST", PODS.format(space) + "?dryRun=All", body)["metadata"]["labels"]  # type: ignore[no-any-return]


def test_a_rejected_registration_is_reported(catflap: Installation) -> None:
    """An Event on the policy file and a metric report it until it succeeds; here an administrator's policy forbids it."""
    refused = 'catflap_policy_sync_failed{object="registration"} 1.0'
    with frozen_registration(catflap.cluster):
        catflap.configure({"namespaces": {"reserved": {"prefixes": ["odd-*"]}}})
        told = eventually(lambda: [one for one in catflap.events() if one["reason"] == "PolicyFileNotFollowed"])
        assert "the webhook configurations do not match the policy file yet" in told[0]["note"]
        assert MESSAGE in told[0]["note"]
        eventually(lambda: refused in catflap.controller.status("/metrics").body.decode())
    eventually(lambda: refused not in catflap.controller.status("/metrics").body.decode())


def test_it_is_written_once_by_whichever_replica_and_recorded(catflap: Installation, namespace_name: str) -> None:
    """An edit that needs no other requests writes nothing."""
    catflap.configure({"namespaces": {"exempt": [namespace_name]}})
    eventually(lambda: catflap.spares(namespace_name))
    wait_until_handled(catflap)  # the other configuration, and the records, follow what was seen
    before = catflap.cluster.api("GET", WEBHOOKS.format("validating"))
    written = recorded(catflap)
    assert written[-1]["reasonCode"] == "RegistrationRulesUpdated"
    catflap.configure({"namespaces": {"exempt": [namespace_name]}, "mode": "warn"})
    wait_until_handled(catflap)
    assert catflap.cluster.api("GET", WEBHOOKS.format("validating")) == before
    assert recorded(catflap) == written


def recorded(catflap: Installation) -> list[dict[str, Any]]:
    """Return the controller's writes of its registration."""
    found = (one for one in catflap.controller.records() if one["type"] == "write")
    return [one for one in found if one["objectRef"]["kind"].endswith("WebhookConfiguration")]


def test_a_namespace_slipped_in_by_hand_is_asked_about_again(catflap: Installation, namespace_name: str) -> None:
    """An editor of webhook configurations has full power, but a mistake does not last."""
    catflap.apply(namespace(namespace_name))
    found = catflap.cluster.api("GET", WEBHOOKS.format("validating"))
    for entry in found["webhooks"]:
        for term in entry["namespaceSelector"].get("matchExpressions", ()):
            term["values"].append(namespace_name)
    catflap.cluster.api("PUT", WEBHOOKS.format("validating"), found)
    eventually(lambda: not catflap.spares(namespace_name))
    eventually(lambda: asked_about(catflap, namespace_name))


def test_turned_off_it_stays_off_until_it_is_turned_on(apart: Installation) -> None:
    """The two commands of the chart's notes do this, whatever is edited in the meantime; both are recorded."""
    apart.cluster.kubectl("delete", "validatingwebhookconfiguration/catflap", "mutatingwebhookconfiguration/catflap")
    both = {"validating": "off", "mutating": "off"}
    eventually(lambda: state(apart), until=lambda seen: both.items() <= seen.items() and "turned off" in seen["status"])
    apart.configure({"namespaces": {"exempt": ["elsewhere"]}})
    wait_until_handled(apart)
    for phase in ("validating", "mutating"):
        assert apart.cluster.call("GET", WEBHOOKS.format(phase)).status == 404
    assert apart.controller.status("/readyz").status == 200
    apart.cluster.kubectl("--namespace", NAMESPACE, "delete", "configmap", "catflap-registration")
    eventually(lambda: apart.cluster.call("GET", WEBHOOKS.format("mutating")).status == 200)
    eventually(lambda: apart.spares("elsewhere"))
    eventually(lambda: state(apart).get("status") == "registered")
    records = apart.controller.records("write")
    told = [one["reason"] for one in records if one["reasonCode"] == "RegistrationTurnedOff"]
    for phase in ("validating", "mutating"):
        assert f"the {phase} webhook configuration was deleted" in " ".join(told)
    assert [one["reasonCode"] for one in records].count("RegistrationCreated") == 4


def state(catflap: Installation) -> dict[str, str]:
    """Return the state that the controller stores about its registration."""
    answer = catflap.cluster.call("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-registration")
    return answer.body.get("data", {}) if answer.status == 200 else {}
