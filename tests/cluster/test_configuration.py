"""The policy in a ConfigMap: read by watch, swapped whole, never for a bad one."""

import time

from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.manifests import namespace, pod

RELOAD_SECONDS = 1.0


def admitted(catflap: Installation, space: str) -> bool:
    """Whether a Pod without labels would be admitted."""
    return bool(catflap.apply(pod("probe", space, {}), "--dry-run=server").returncode == 0)


def test_an_edit_counts_within_a_second_and_a_bad_one_never(catflap: Installation, namespace_name: str) -> None:
    """Faults are told and recorded, the last good policy stays in force."""
    catflap.apply(namespace(namespace_name))
    assert not admitted(catflap, namespace_name)
    begun = time.monotonic()
    catflap.configure({"mode": "audit"})
    assert time.monotonic() - begun < RELOAD_SECONDS
    assert admitted(catflap, namespace_name)
    catflap.write_policy("apiVersion: catflap.dev/v1\nkind: GuardPolicy\nmode: enforced\nworkload: {}\n")
    record = eventually(lambda: catflap.server.records()[-1], until=lambda seen: seen.get("accepted") is False)
    assert record["faults"] == [
        "mode: Input should be 'enforce', 'warn', 'audit' or 'off'",
        "workload: unknown key; did you mean 'workloads'?",
    ]
    time.sleep(RELOAD_SECONDS)
    assert admitted(catflap, namespace_name)


def test_a_deleted_configmap_leaves_the_policy_in_force(catflap: Installation, namespace_name: str) -> None:
    """And one that comes back counts again."""
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
    """A rule of its own mode."""
    catflap.configure({"rules": {"require-role": "warn"}})
    catflap.apply(namespace(namespace_name))
    done = catflap.apply(pod("warned", namespace_name, {"app": "x"}))
    assert done.returncode == 0
    assert done.stderr == (
        "Warning: require-role: metadata.labels.role: the label 'role' is missing; the roles are frontend, backend, data\n"
    )
