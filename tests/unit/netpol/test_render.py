"""The manifests that isolate a namespace: for each engine, and for each choice of name servers, presets and flows.

The cases are folders of `tests/cases/netpol`: a policy file, what each engine is to be given, and where the namespace
matters its name and environment.
"""

from pathlib import Path
from typing import Any, Final, get_args

import pytest
import yaml

from tests.unit.netpol.calico_grammar import complaints
from tests.unit.samples import policy
from webhook.config.parse import parse
from webhook.model.names import ALLOW_DNS, CLUSTER_DEFAULT_DENY, DEFAULT_DENY
from webhook.model.namespace_settings import ALWAYS_EXEMPT
from webhook.model.network import FlowEnd, Preset
from webhook.model.policy import GuardPolicy
from webhook.netpol.dns import PRESETS, DetectedDns
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.presets import KUBELET_PROBES, PRESET_ALLOWS
from webhook.netpol.render import ENGINE_MODULES, render_cluster_wide, render_default_deny, render_namespace

FOLDER: Final = Path(__file__).parents[2] / "cases" / "netpol"
CASES: Final = sorted(path.name for path in FOLDER.iterdir())
LISTS: Final = {"explicit-list", "empty-list"}
FLOWS: Final = {
    "three-tier", "three-tier-no-environment", "named-here", "named-elsewhere", "named-no-environment", "cidrs",
    "outside", "outside-clusters", "outside-ipv4-cluster", "outside-windows", "ports", "mesh-ports",
}  # fmt: skip
KINDS: Final = {"staged", "cluster-wide-default-deny", "cluster-wide-default-deny-staged"}
TARGET: Final = RenderTarget("shop", "5b1f", "0123456789abcdef")
NOWHERE: Final = RenderTarget("", "", "0123456789abcdef")


def policy_of(case: str) -> GuardPolicy:
    """Return the policy of a case."""
    return parse((FOLDER / case / "policy.yaml").read_text(encoding="utf-8")).policy


def target_of(case: str) -> RenderTarget:
    """Return the namespace of a case; by default `shop`, in no environment."""
    file = FOLDER / case / "namespace.yaml"
    said = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    assert set(said) <= {"name", "environment"}
    return RenderTarget(said.get("name", "shop"), "5b1f", "0123456789abcdef", said.get("environment", ""))


def render(case: str, engine: PolicyEngine) -> tuple[Any, ...]:
    """Return the manifests of the namespace of a case."""
    return render_namespace(policy_of(case), target_of(case), engine)


def render_cluster_wide_policy(case: str, engine: PolicyEngine) -> tuple[Any, ...]:
    """Return the cluster-wide default deny of a case."""
    read = policy_of(case)
    exempt = {*ALWAYS_EXEMPT, *read.namespaces.exempt, "catflap-system"}
    return render_cluster_wide(read, NOWHERE, engine, exempt=exempt)


@pytest.mark.parametrize("engine", PolicyEngine)
@pytest.mark.parametrize("case", CASES)
def test_a_case_is_rendered_to_the_letter(case: str, engine: PolicyEngine) -> None:
    """The objects and their order are equal, with the cluster-wide default deny first."""
    golden = (FOLDER / case / f"{engine}.yaml").read_text(encoding="utf-8")
    assert [*render_cluster_wide_policy(case, engine), *render(case, engine)] == list(yaml.safe_load_all(golden))


def test_every_preset_has_exactly_one_case() -> None:
    """A new preset needs a folder with a case."""
    assert set(CASES) == {*PRESETS, *LISTS, *FLOWS, *KINDS, *(f"preset-{preset}" for preset in get_args(Preset))}
    files = {"policy.yaml", *(f"{engine}.yaml" for engine in PolicyEngine)}
    for case in CASES:
        assert {path.name for path in (FOLDER / case).iterdir()} - {"namespace.yaml"} == files


@pytest.mark.parametrize("preset", get_args(Preset))
def test_a_presets_case_has_the_preset_alone(preset: Preset) -> None:
    """Otherwise two presets could have the same policy."""
    assert policy_of(f"preset-{preset}").network.presets == (preset,)


def kind_of(end: FlowEnd) -> str:
    """Return the selectors of an end of a flow."""
    if end.is_outside:
        return "outside"
    return " and ".join(name for name in ("role", "namespaces", "cidrs") if getattr(end, name))


def test_no_preset_lacks_its_connections() -> None:
    """A preset without connections would be an error, and never the connections of another preset."""
    assert {*PRESET_ALLOWS, KUBELET_PROBES} == {*get_args(Preset)}
    assert all(PRESET_ALLOWS.values())


def test_every_kind_of_flow_end_has_its_case() -> None:
    """This holds on either side."""
    kinds = {"role", "namespaces", "role and namespaces", "cidrs", "outside"}
    flows = [flow for case in FLOWS for flow in policy_of(case).network.flows]
    assert {kind_of(flow.source) for flow in flows} == kinds
    assert {kind_of(flow.to) for flow in flows} == kinds
    assert {bool(flow.across) for flow in flows} == {True, False}
    assert {one.protocol for flow in flows for one in flow.port_ranges} == {"TCP", "UDP", "SCTP"}


@pytest.mark.parametrize("case", CASES)
def test_calico_accepts_the_manifests(case: str) -> None:
    """Its Windows nodes accept them too."""
    for manifest in (*render_cluster_wide_policy(case, PolicyEngine.CALICO), *render(case, PolicyEngine.CALICO)):
        assert complaints(manifest) == [], manifest["metadata"]["name"]


@pytest.mark.parametrize("engine", PolicyEngine)
@pytest.mark.parametrize("case", CASES)
def test_no_peer_is_never_written_as_an_empty_list(case: str, engine: PolicyEngine) -> None:
    """An empty list would match every peer and every port."""
    for manifest in (*render_cluster_wide_policy(case, engine), *render(case, engine)):
        for direction in {"ingress", "egress"} & manifest["spec"].keys():
            assert manifest["spec"][direction]
            for rule in manifest["spec"][direction]:
                assert no_empty_list(rule)


def no_empty_list(value: Any) -> bool:
    """Return whether a value has no empty list at any depth."""
    if isinstance(value, dict):
        return all(map(no_empty_list, value.values()))
    return not isinstance(value, list) or (bool(value) and all(map(no_empty_list, value)))


@pytest.mark.parametrize(
    ("engine", "types"), [(PolicyEngine.CALICO, "types"), (PolicyEngine.KUBERNETES, "policyTypes")]
)
@pytest.mark.parametrize("case", CASES)
def test_the_default_deny_comes_first_and_closes_both_ways(case: str, engine: PolicyEngine, types: str) -> None:
    """It opens nothing, selects every Pod, and has explicit types."""
    if policy_of(case).network.staged and engine is PolicyEngine.KUBERNETES:
        assert render(case, engine) == ()
        return
    deny, *rest = render(case, engine)
    assert deny["metadata"]["name"] == DEFAULT_DENY
    assert deny["spec"][types] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & deny["spec"].keys()
    names = [manifest["metadata"]["name"] for manifest in rest]
    assert len(set(names)) == len(names)
    assert (ALLOW_DNS in names[:1]) == (policy_of(case).network.dns not in ("none", ()))


@pytest.mark.parametrize("engine", PolicyEngine)
def test_the_default_deny_is_rendered_alone(engine: PolicyEngine) -> None:
    """The gate renders it for each lookup, and a file may have hundreds of flows."""
    target = RenderTarget("shop", "42", "digest")
    flows = policy("network: {flows: [{from: frontend, to: backend, ports: [80/TCP]}]}")
    assert render_default_deny(target, engine) == render_namespace(flows, target, engine)[0]


@pytest.mark.parametrize("staged", [False, True])
def test_only_calico_has_a_cluster_wide_default_deny(staged: bool) -> None:
    """It has its own name and no namespace, and exists only where the file asks for it."""
    asked = policy(
        f"namespaces: {{includeExisting: all}}\nnetwork: {{clusterWideDefaultDeny: true, engine: auto, staged: {staged}}}"
    )
    (net,) = render_cluster_wide(asked, NOWHERE, PolicyEngine.CALICO, exempt=ALWAYS_EXEMPT)
    assert net["kind"] == ("StagedGlobalNetworkPolicy" if staged else "GlobalNetworkPolicy")
    assert net["metadata"]["name"] == CLUSTER_DEFAULT_DENY
    assert "namespace" not in net["metadata"]
    assert render_cluster_wide(asked, NOWHERE, PolicyEngine.KUBERNETES, exempt=ALWAYS_EXEMPT) == ()
    assert render_cluster_wide(policy(), NOWHERE, PolicyEngine.CALICO, exempt=ALWAYS_EXEMPT) == ()


@pytest.mark.parametrize("engine", PolicyEngine)
def test_manifest_names_its_origin(engine: PolicyEngine) -> None:
    """It has catflap's label, the digest of the policy file and the uid of the namespace."""
    for manifest in render_namespace(policy(), TARGET, engine):
        metadata = manifest["metadata"]
        assert metadata["namespace"] == "shop"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "catflap"
        assert metadata["annotations"] == {
            "catflap.dev/policy-digest": "0123456789abcdef",
            "catflap.dev/namespace-uid": "5b1f",
        }


def test_manifest_without_a_cluster_has_no_uid() -> None:
    """`catflap render` does not know it."""
    (deny, _) = render_namespace(policy(), RenderTarget("shop", "", "0"), PolicyEngine.KUBERNETES)
    assert deny["metadata"]["annotations"] == {"catflap.dev/policy-digest": "0"}


@pytest.mark.parametrize("preset", PRESETS)
def test_auto_is_the_detected_preset(preset: str) -> None:
    """A policy file with a list of name servers allows those."""
    for engine in PolicyEngine:
        named = render_namespace(policy(f"network: {{dns: {preset}}}"), TARGET, engine)
        assert (
            render_namespace(policy("network: {dns: auto}"), TARGET, engine, detected_dns=DetectedDns(preset)) == named
        )
        assert (
            render_namespace(
                policy(f"network: {{dns: {preset}}}"), TARGET, engine, detected_dns=DetectedDns("openshift")
            )
            == named
        )


def test_every_engine_has_its_printer() -> None:
    """A new engine needs a renderer."""
    assert set(ENGINE_MODULES) == set(PolicyEngine)
