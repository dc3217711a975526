"""An edit of the policy file alone reaches the registration: who is asked about is never older than what is in force."""

import time
from copy import deepcopy
from typing import Any, Final

import pytest

from tests.cluster.editing import hang
from tests.cluster.installation import WEBHOOKS, Installation, eventually, names
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.policies import DENY, GROUPS, path

FILLING = {"app.kubernetes.io/name": "web", "role": "frontend"}
PODS = "/api/v1/namespaces/{}/pods"
MOST_CONDITIONS: Final = 64  # of one entry (kubernetes, pkg/apis/admissionregistration/validation)
QUIET_SECONDS = 2.0  # longer than any edit takes to be followed


def asked_about(catflap: Installation, space: str) -> bool:
    """Whether a Pod without labels is refused, and not merely not there."""
    return bool(catflap.cluster.call("POST", PODS.format(space) + "?dryRun=All", pod("probe", space, {})).status == 403)


@pytest.mark.parametrize("group", GROUPS)
def test_a_namespace_that_is_exempt_no_longer_waits_for_the_gate(
    catflap: Installation, namespace_name: str, group: str
) -> None:
    """From the edit on until it is asked about it is as open as it was, and then no Pod is first."""
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
    """The whole entry, which nobody registered by hand."""
    catflap.apply(namespace(namespace_name))
    catflap.configure({"workloads": {"fillFromAliases": False}})
    eventually(lambda: len(catflap.registered("mutating")), until=lambda seen: seen == 1)
    catflap.configure({"workloads": {"role": {"oneOf": ["frontend"], "aliases": ["tier"]}}})
    eventually(lambda: len(catflap.registered("mutating")), until=lambda seen: seen == 2)
    eventually(lambda: filled(catflap, namespace_name).get("app") == "web")


def filled(catflap: Installation, space: str) -> dict[str, str]:
    """The labels that a Pod would get that has only an alias."""
    body = pod("alias", space, FILLING)
    return catflap.cluster.api("POST", PODS.format(space) + "?dryRun=All", body)["metadata"]["labels"]  # type: ignore[no-any-return]


def test_what_the_api_server_does_not_take_is_told(catflap: Installation) -> None:
    """On the policy file and on a metric, until it fits again; here somebody's conditions leave no room for ours."""
    where, refused = WEBHOOKS.format("validating"), 'catflap_policy_not_followed{object="registration"} 1.0'
    kept = catflap.registered("validating")
    crowded = deepcopy(kept)
    own = crowded[0]["matchConditions"]
    own += [{"name": f"x{number}", "expression": "true"} for number in range(MOST_CONDITIONS - len(own))]
    hang(catflap, where, crowded)
    try:
        catflap.configure({"namespaces": {"reserved": {"prefixes": ["odd-*"]}}})
        told = eventually(lambda: [one for one in catflap.events() if one["reason"] == "PolicyFileNotFollowed"])
        assert "the registration does not fit the policy file yet" in told[0]["note"]
        assert "must have at most 64 items" in told[0]["note"]
        assert refused in catflap.controller.status("/metrics").body.decode()
    finally:
        hang(catflap, where, kept)
    eventually(lambda: refused not in catflap.controller.status("/metrics").body.decode())


def test_it_is_written_once_by_whichever_replica_and_recorded(catflap: Installation, namespace_name: str) -> None:
    """And not at all where the edit asks for no other requests."""
    catflap.configure({"namespaces": {"exempt": [namespace_name]}})
    eventually(lambda: catflap.spares(namespace_name))
    time.sleep(QUIET_SECONDS)  # the other configuration, and the records, follow what was seen
    before = catflap.cluster.api("GET", WEBHOOKS.format("validating"))
    written = recorded(catflap)
    assert written[-1]["reason"] == "rewritten: the policy file asks for other requests"
    catflap.configure({"namespaces": {"exempt": [namespace_name]}, "mode": "warn"})
    time.sleep(QUIET_SECONDS)
    assert catflap.cluster.api("GET", WEBHOOKS.format("validating")) == before
    assert recorded(catflap) == written


def recorded(catflap: Installation) -> list[dict[str, Any]]:
    """What the controller wrote of its registration."""
    found = (one for one in catflap.controller.records() if one["type"] == "write")
    return [one for one in found if one["objectRef"]["kind"].endswith("WebhookConfiguration")]


def test_a_namespace_slipped_in_by_hand_is_asked_about_again(catflap: Installation, namespace_name: str) -> None:
    """Who may edit webhook configurations may do anything; but an editor's slip does not last."""
    catflap.apply(namespace(namespace_name))
    found = catflap.cluster.api("GET", WEBHOOKS.format("validating"))
    for entry in found["webhooks"]:
        for term in entry["namespaceSelector"].get("matchExpressions", ()):
            term["values"].append(namespace_name)
    catflap.cluster.api("PUT", WEBHOOKS.format("validating"), found)
    eventually(lambda: not catflap.spares(namespace_name))
    eventually(lambda: asked_about(catflap, namespace_name))


def test_turned_off_it_stays_off(apart: Installation) -> None:
    """Whatever is edited meanwhile: that is the one command that README promises."""
    kept = {phase: apart.cluster.api("GET", WEBHOOKS.format(phase)) for phase in ("validating", "mutating")}
    for phase in kept:
        apart.cluster.api("DELETE", WEBHOOKS.format(phase))
    try:
        apart.configure({"namespaces": {"exempt": ["elsewhere"]}})
        time.sleep(QUIET_SECONDS)
        for phase in kept:
            assert apart.cluster.call("GET", WEBHOOKS.format(phase)).status == 404
    finally:
        for phase, found in kept.items():
            found["metadata"] = {key: found["metadata"][key] for key in ("name", "labels")}
            apart.cluster.api("POST", WEBHOOKS.format(phase).rpartition("/")[0], found)
    eventually(lambda: apart.spares("elsewhere"))
    assert list(names({"items": [kept["validating"]]})) == ["catflap"]
