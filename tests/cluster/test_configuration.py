"""Tests the policy in a ConfigMap: it is watched and replaced whole, and a bad one is never used."""

import time
from datetime import UTC, datetime, timedelta

from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.manifests import namespace, pod
from tests.cluster.policy_edits import edit, edit_without_webhook, edits

RELOAD_SECONDS = 1.0


BROKEN = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nmode: enforced\nworkload: {}\n"
REFUSED = """\
admission webhook "policy-file.catflap.dev" denied the request: ConfigMap catflap-system/catflap-policy has 2 violations:
- policy-file: mode: 'enforced' is unknown; expected one of enforce, warn, audit, off; did you mean 'enforce'? (line 3, column 1)
- policy-file: workload: unknown key; did you mean 'workloads'? (line 4, column 1)"""


def test_a_bad_edit_is_refused_at_the_door(catflap: Installation, namespace_name: str) -> None:
    """The message has every fault with its path and line; the file and the policy in force stay."""
    catflap.apply(namespace(namespace_name))
    before = catflap.cluster.api("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy")
    answer = edit(catflap, BROKEN)
    assert (answer.status, answer.body["message"]) == (403, REFUSED)
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == ["mode", "workload"]
    assert catflap.cluster.api("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy") == before
    assert not admitted(catflap, namespace_name)
    record = catflap.server.records()[-2]  # the last one is about the Pod
    assert (record["decision"], record["objectRef"]["resource"]) == ("denied", "configmaps")


def test_other_configmaps_are_not_reviewed(catflap: Installation, namespace_name: str) -> None:
    """ConfigMaps in other namespaces or with another name do not count."""
    catflap.apply(namespace(namespace_name))
    before = [one for one in catflap.server.records() if one.get("objectRef", {}).get("resource") == "configmaps"]
    for space, name in ((namespace_name, "catflap-policy"), (NAMESPACE, "other")):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"policy.yaml": BROKEN}}
        catflap.cluster.api("POST", f"/api/v1/namespaces/{space}/configmaps?dryRun=All", body)
    after = [one for one in catflap.server.records() if one.get("objectRef", {}).get("resource") == "configmaps"]
    assert after == before


def admitted(catflap: Installation, space: str) -> bool:
    """Return whether a Pod without labels would be admitted."""
    return bool(catflap.apply(pod("probe", space, {}), "--dry-run=server").returncode == 0)


def test_an_edit_counts_and_a_bad_one_never_does(catflap: Installation, namespace_name: str) -> None:
    """Faults are reported and recorded, and the last good policy stays in force."""
    catflap.apply(namespace(namespace_name))
    assert not admitted(catflap, namespace_name)
    catflap.configure({"mode": "audit"})
    assert admitted(catflap, namespace_name)
    with edit_without_webhook(catflap):
        catflap.write_policy(BROKEN)
    record = eventually(lambda: [one for one in catflap.server.records() if one.get("accepted") is False])[-1]
    assert record["faults"] == [
        "mode: 'enforced' is unknown; expected one of enforce, warn, audit, off; did you mean 'enforce'?",
        "workload: unknown key; did you mean 'workloads'?",
    ]
    said = (
        "the last valid policy stays in force: mode: 'enforced' is unknown; expected one of enforce, warn, "
        "audit, off; did you mean 'enforce'?; workload: unknown"
    )
    eventually(lambda: [one for one in catflap.events() if one["note"].startswith(said)])
    time.sleep(RELOAD_SECONDS)
    assert admitted(catflap, namespace_name)


FORMER = """\
apiVersion: catflap.dev/v1
kind: GuardPolicy
mode: audit
workloads: {existing: judge}
gate:
  freshness: 5
"""


def test_an_edit_with_former_names_of_keys_counts_with_a_warning(catflap: Installation, namespace_name: str) -> None:
    """The API server passes the warnings on; the server and the controller read the file."""
    catflap.apply(namespace(namespace_name))
    assert not admitted(catflap, namespace_name)
    answer = edit(catflap, FORMER)
    assert answer.status == 200
    renamed, removed, *_ = answer.warnings
    assert renamed == (
        "workloads.existing: this key is now workloads.existingWorkloads, and the next release does not read the former name; "
        "catflap config migrate FILE renames it (line 4, column 13)"
    )
    assert removed == (
        "gate: this key no longer has an effect: catflap verifies the isolation of a namespace for each Pod; "
        "catflap config migrate FILE removes it (line 5, column 1)"
    )
    eventually(lambda: admitted(catflap, namespace_name))
    logged = "policy file, line 4, column 13: workloads.existing: this key is now workloads.existingWorkloads"
    both = (catflap.server, catflap.controller)
    assert eventually(lambda: all(found := [one.log().count(logged) for one in both]) and found) == [1, 1]


def test_an_expiring_exception_is_announced_once_a_day(catflap: Installation, namespace_name: str) -> None:
    """An Event on the policy file and a metric report it; the Event repeats on another day only."""
    today = datetime.now(UTC).date()
    common = {"owner": "team-a", "reason": "migration", "namespace": namespace_name}
    days = {"require-app": 3, "require-role": 30, "known-role": -1}
    exceptions = [{**common, "rule": rule, "until": today + timedelta(days=ahead)} for rule, ahead in days.items()]
    catflap.configure({"exceptions": exceptions})
    found = eventually(lambda: [one for one in catflap.events() if namespace_name in one["note"]])
    assert [one["reason"] for one in found] == ["ExceptionEnds"]
    assert f"exception to require-app until {today + timedelta(days=3)}, team-a: migration" in found[0]["note"]
    states = [f'catflap_exceptions{{state="{state}"}} 1.0' for state in ("in-force", "ending", "ended")]
    eventually(lambda: all(one in catflap.controller.status("/metrics").body.decode() for one in states))
    catflap.configure({"exceptions": exceptions, "mode": "warn"})
    assert len([one for one in catflap.events() if namespace_name in one["note"]]) == 1


def test_a_deleted_configmap_leaves_the_policy_in_force(catflap: Installation, namespace_name: str) -> None:
    """A rule that returns counts again."""
    catflap.apply(namespace(namespace_name))
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"
    kept = catflap.cluster.api("GET", path)
    catflap.cluster.api("DELETE", path)
    time.sleep(RELOAD_SECONDS)
    assert not admitted(catflap, namespace_name)
    kept["metadata"] = {key: kept["metadata"][key] for key in ("name", "labels", "annotations")}
    catflap.cluster.api("POST", path.rpartition("/")[0], kept)
    catflap.configure({"mode": "audit"})
    assert admitted(catflap, namespace_name)


def test_warnings_reach_kubectl(catflap: Installation, namespace_name: str) -> None:
    """The rule has its own mode."""
    catflap.configure({"rules": {"require-role": "warn"}})
    catflap.apply(namespace(namespace_name))
    done = catflap.apply(pod("warned", namespace_name, {"app": "x"}))
    assert done.returncode == 0
    assert done.stderr == (
        "Warning: require-role: metadata.labels.role: the label 'role' is missing; the roles are frontend, backend, data\n"
    )


def test_no_broken_file_is_ever_in_force_and_no_request_is_lost(catflap: Installation, namespace_name: str) -> None:
    """Broken files are rejected by the webhook or stored without it, under load."""
    catflap.apply(namespace(namespace_name))
    found = edits(catflap, namespace_name, 40, seed=5)
    assert found.wrong == []
    assert (found.refused, found.slipped) == (20, 20)
    assert set(found.answers) == {201, 403}
