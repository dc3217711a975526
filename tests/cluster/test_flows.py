"""Tests that flows, environments and presets of the file exist in every namespace exactly as `catflap render` prints them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.manifests import namespace
from tests.cluster.policies import DENY, DNS, path
from tests.controlplane.client import APPLY, MERGE
from webhook.cli import main

Json = dict[str, Any]

ENVIRONMENTS = {"environment": {"oneOf": ["production", "test"]}}
THREE_TIERS: list[Json] = [
    {"from": "outside", "to": "frontend", "ports": ["443/TCP", "8443/TCP"]},
    {"from": "frontend", "to": "backend", "ports": ["8080/TCP"]},
    {"from": "backend", "to": "data", "ports": ["5432/TCP"], "across": "environment"},
]
NAMED: list[Json] = [
    {"from": {"namespaces": ["monitoring"]}, "to": "backend", "ports": ["9090-9099/TCP"]},
    {
        "from": "backend",
        "to": {"cidrs": ["203.0.113.0/24", "2001:db8::/32"]},
        "ports": ["443/TCP", "3478-3481/UDP", "3868/SCTP"],
    },
]
NETWORK: Json = {
    "clusterCIDRs": ["10.0.0.0/8", "fd00::/8"],
    "nodeCIDRs": ["10.1.0.0/16"],
    "presets": ["istio-ambient", "linkerd", "prometheus", "kubelet-probes"],
    "flows": [*THREE_TIERS, *NAMED],
}
CLOSING = [DENY, DNS]
ROLES = ["catflap-role-frontend", "catflap-role-backend", "catflap-role-data"]


@pytest.fixture
def catflap(apart: Installation) -> Installation:
    """Use a separate cluster: these files are long, and each is written in every namespace."""
    apart.configure()
    return apart


def configure(catflap: Installation, engine: str, **network: Any) -> None:
    """Return the two environments, and a network section."""
    catflap.configure({"namespaces": ENVIRONMENTS, "network": {"engine": engine, **network}})


def standing(catflap: Installation, engine: str, space: str) -> dict[str, Json]:
    """Return the policies of a namespace by name."""
    found = catflap.cluster.api("GET", path(engine, space))["items"]
    return {one["metadata"]["name"]: one for one in found}


def specs(policies: Iterable[Mapping[str, Any]]) -> dict[str, Json]:
    """Return the specs of policies by name."""
    return {one["metadata"]["name"]: one["spec"] for one in policies}


def rendered(catflap: Installation, folder: Path, *arguments: str) -> list[Json]:
    """Return what `catflap render` prints under the policy file of the cluster."""
    configmap = catflap.cluster.api("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy")
    (folder / "policy.yaml").write_text(configmap["data"]["policy.yaml"], encoding="utf-8")
    outcome = CliRunner().invoke(main, ["render", "-c", str(folder / "policy.yaml"), *arguments])
    assert outcome.exit_code == 0, outcome.output
    return list(yaml.safe_load_all(outcome.stdout))


def settled(catflap: Installation, engine: str, space: str, wanted: Iterable[Mapping[str, Any]]) -> dict[str, Json]:
    """Return the policies of a namespace, once they equal the desired ones."""
    said = specs(wanted)
    return eventually(lambda: standing(catflap, engine, space), until=lambda seen: specs(seen.values()) == said)


@pytest.mark.parametrize("environment", ["production", "test", ""])
def test_the_stored_policies_equal_the_output_of_render(
    catflap: Installation, engine: str, namespace_name: str, tmp_path: Path, environment: str
) -> None:
    """Each whole spec is compared, and the API server returns no warning."""
    configure(catflap, engine, **NETWORK)
    labels = {"environment": environment} if environment else {}
    catflap.apply(namespace(namespace_name, **labels))
    printed = rendered(catflap, tmp_path, "-n", namespace_name, "--environment", environment)
    found = settled(catflap, engine, namespace_name, printed)
    assert [one["metadata"]["name"] for one in printed] == [
        *CLOSING,
        *(f"catflap-allow-{preset}" for preset in NETWORK["presets"]),
        *ROLES,
    ]
    for one in printed:
        name = one["metadata"]["name"]
        assert found[name]["metadata"]["labels"] == one["metadata"]["labels"]
        strictly = f"{path(engine, namespace_name, name)}?fieldManager=catflap&fieldValidation=Strict&dryRun=All"
        assert catflap.emergency("PATCH", f"{strictly}&force=true", one, content_type=APPLY)["spec"] == one["spec"]


def test_a_flow_of_named_namespaces_exists_at_both_ends(
    catflap: Installation, engine: str, namespace_name: str, tmp_path: Path
) -> None:
    """It is a policy for every Pod of the named namespace."""
    flow = {"from": {"namespaces": [namespace_name]}, "to": "backend", "ports": ["9090/TCP"]}
    configure(catflap, engine, flows=[flow])
    catflap.apply(namespace(namespace_name))
    other = f"{namespace_name}-other"
    catflap.apply(namespace(other))
    here = settled(catflap, engine, namespace_name, rendered(catflap, tmp_path, "-n", namespace_name))
    there = settled(catflap, engine, other, rendered(catflap, tmp_path, "-n", other))
    assert sorted(here) == ["catflap-allow-dns", "catflap-default-deny", "catflap-flows", "catflap-role-backend"]
    assert sorted(there) == ["catflap-allow-dns", "catflap-default-deny", "catflap-role-backend"]


def test_an_edit_of_the_file_changes_what_differs_in_place(
    catflap: Installation, engine: str, namespace_name: str, tmp_path: Path
) -> None:
    """One role changes, one loses its flow: the other policies, above all the default-deny, are not written."""
    configure(catflap, engine, flows=THREE_TIERS)
    catflap.apply(namespace(namespace_name, environment="test"))
    arguments = ("-n", namespace_name, "--environment", "test")
    before = settled(catflap, engine, namespace_name, rendered(catflap, tmp_path, *arguments))
    assert sorted(before) == sorted([*CLOSING, *ROLES])
    outside, inward, _ = THREE_TIERS
    configure(catflap, engine, flows=[outside, {**inward, "ports": ["8080/TCP", "9000-9010/TCP"]}])
    after = settled(catflap, engine, namespace_name, rendered(catflap, tmp_path, *arguments))
    assert sorted(after) == sorted([*CLOSING, *ROLES[:2]])
    kept = [one for one in after if version(after[one]) == version(before[one])]
    assert sorted(kept) == sorted(CLOSING)
    assert all(after[one]["metadata"]["uid"] == before[one]["metadata"]["uid"] for one in after)


def version(policy: Json) -> str:
    """Return the resourceVersion of a policy."""
    return str(policy["metadata"]["resourceVersion"])


def test_another_environment_is_another_policy_at_once(
    catflap: Installation, engine: str, namespace_name: str, tmp_path: Path
) -> None:
    """An authorised user sets, changes and removes it; only policies that name the environment are written."""
    configure(catflap, engine, flows=THREE_TIERS)
    catflap.apply(namespace(namespace_name))
    found = settled(catflap, engine, namespace_name, rendered(catflap, tmp_path, "-n", namespace_name))
    alike = {name: version(found[name]) for name in (*CLOSING, "catflap-role-frontend")}
    for environment in ("test", "production", ""):
        change = {"metadata": {"labels": {"environment": environment or None}}}
        catflap.cluster.api("PATCH", f"/api/v1/namespaces/{namespace_name}", change, content_type=MERGE)
        wanted = rendered(catflap, tmp_path, "-n", namespace_name, "--environment", environment)
        found = settled(catflap, engine, namespace_name, wanted)
        said = str(found["catflap-role-data"]["spec"])
        assert [one for one in ("production", "test") if f"'{one}'" in said] == [environment] * bool(environment)
        assert {name: version(found[name]) for name in alike} == alike
