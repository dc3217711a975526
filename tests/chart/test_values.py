"""Tests the values: each is described and validated, and duplicated text is generated."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.chart.conftest import Helm, Render
from tests.chart.rendering import CHART, DEFAULT, NAMESPACE, VALUES_FILES, Rendered, for_each_values_file, merged
from tests.controlplane.tools import Tools
from webhook.config.default import DEFAULT_POLICY
from webhook.config.parse import parse
from webhook.config.places import written
from webhook.config.renamed_keys import REMOVED, RENAMED, current
from webhook.model.fields import (
    cidr,
    label_key,
    label_value,
    namespace_name,
    namespace_pattern,
    namespace_prefix,
    port,
    rule_id,
    service_account_name,
)
from webhook.rules import RULES

_spec = importlib.util.spec_from_file_location("generate", CHART.parent / "generate.py")
assert _spec
assert _spec.loader
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)
TEXTS: Final[dict[str, dict[str, str]]] = generate.TEXTS

BACKSLASH = chr(92)  # before a dot that is part of a key, for --set
LASTING = {"persistentVolumeClaim", "hostPath", "nfs"}  # volumes that outlive their Pods, in Kubernetes' own words


def test_nothing_generated_is_stale() -> None:
    """The policy's values and schema follow the model, and the README's table follows values.yaml."""
    command = [sys.executable, str(CHART.parent / "generate.py"), "--check"]
    done = subprocess.run(
        command, cwd=CHART.parents[1], env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_chart_is_of_this_version() -> None:
    """This checkout builds the image that the chart refers to."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    assert chart["appVersion"] == project["version"]


def test_the_default_policy_is_the_programs(render: Render) -> None:
    """Without a policy, the chart and the program use the same defaults."""
    assert parse(render(DEFAULT).policy).policy == parse(DEFAULT_POLICY).policy


@for_each_values_file
def test_the_policy_arrives_as_given(render: Render, values_file: Any) -> None:
    """No text is lost or changes its type on the way through helm."""
    rendered = render(values_file)
    assert yaml.safe_load(rendered.policy) == without_renamed_defaults(rendered.values["policy"])
    assert parse(rendered.policy).warnings == ()


def without_renamed_defaults(policy: dict[str, Any]) -> dict[str, Any]:
    """Return a policy without renamed keys that have their default.

    The chart leaves them out, because servers of the last release read the file during an upgrade and reject unknown keys.
    """
    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["policy"]
    left = {key: dict(value) if isinstance(value, dict) else value for key, value in policy.items()}
    for *section, former in RENAMED:
        key = RENAMED[(*section, former)]
        found, default = (one[section[0]] if section else one for one in (left, defaults))
        if found[key] == default[key]:
            del found[key]
    return left


def test_the_default_policy_has_no_key_that_the_last_release_does_not_know(render: Render) -> None:
    """Its servers validate the ConfigMap that `helm upgrade` applies."""
    assert not re.search("|".join(RENAMED.values()), render(DEFAULT).policy)


def test_each_value_is_in_some_values_file() -> None:
    """A value without a case was never tested."""
    own = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    tried: dict[str, Any] = {}
    for values_file in VALUES_FILES:
        tried = merged(tried, yaml.safe_load(values_file.read_text("utf-8")) or {})
    assert set(leaves(own)) - set(leaves(tried)) == {
        "image.tag",  # the digest takes precedence over it
        "policy.apiVersion",
        "policy.kind",
    }


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Return the paths of all values; a mapping with free keys is one value."""
    free = {
        "resources",
        "labels",
        "annotations",
        "issuerRef",
        "nodeSelector",
        "affinity",
        "podAnnotations",
        "commonLabels",
        "podLabels",
        "podSecurityContext",
        "rollingUpdate",
        "startup",
        "liveness",
        "readiness",
        "rules",
        "volume",
    }
    for key, value in values.items():
        if isinstance(value, dict) and key not in free:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_no_object_of_the_schema_is_open() -> None:
    """Each mapping lists its keys, or is one with free keys."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    nodes = [("", schema), *((f"definitions.{name}", node) for name, node in schema["definitions"].items())]
    open_ones = {path for path, node in nodes for path in open_objects(node, path)}
    assert {path.rpartition(".")[2] for path in open_ones} == {
        "global",
        "affinity",
        "[]",
        "podSelector",
        "namespaceSelector",
        "valueFrom",
        *LASTING,
    }


def open_objects(node: dict[str, Any], path: str) -> Iterator[str]:
    """Return the paths of the mappings that accept any key with any value."""
    if node.get("type") == "object" and node.get("additionalProperties", True) is True:
        yield path
    for key, inner in node.get("properties", {}).items():
        yield from open_objects(inner, f"{path}.{key}")
    if "items" in node:
        yield from open_objects(node["items"], f"{path}.[]")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param(["serverr.enabled=true"], "additional properties 'serverr' not allowed", id="unknown-key"),
        pytest.param(
            ["tls.modus=secret"], "at '/tls': additional properties 'modus' not allowed", id="unknown-inner-key"
        ),
        pytest.param(["server.replicas=two"], "at '/server/replicas': got string, want integer", id="type"),
        pytest.param(["policy.mode=strict"], "at '/policy/mode': value must be one of 'enforce'", id="mode"),
        pytest.param(
            ["policy.workloads.rol.label=r"], "at '/policy/workloads': additional properties 'rol'", id="policy-key"
        ),
        pytest.param(["policy.rules.keep-rol=warn"], "at '/policy/rules': additional properties 'keep-rol'", id="rule"),
        pytest.param(
            ["policy.namespaces.exempt=null"], "at '/policy/namespaces': missing property 'exempt'", id="taken-away"
        ),
        pytest.param(["server.enabled=false"], "every Pod would be rejected", id="no-server"),
        pytest.param(["server.replicas=0"], "register nothing (registration.enabled false)", id="no-replicas"),
        pytest.param(["service.type=ExternalName"], "set service.externalName to the host of the server", id="no-host"),
        pytest.param(
            ["service.externalName=x"], "has an effect only with service.type ExternalName", id="host-without-type"
        ),
        pytest.param(["tls.mode=secret"], "set tls.secretName to the name of the Secret", id="no-secret"),
        pytest.param(["tls.mode=secret", "tls.secretName=x"], "--set-file tls.caBundle=ca.crt", id="no-ca"),
        pytest.param(["tls.secretName=x"], "have an effect only with tls.mode secret", id="secret-without-mode"),
        pytest.param(
            ["audit.durability=synced"], "set a volume for the log file in audit.file.volume", id="synced-stdout"
        ),
        pytest.param(["audit.durability=best-effort", "audit.failure=refuse"], "cannot reject", id="lax-and-strict"),
        *(
            pytest.param(
                [f"audit.file.volume.{kind}=x"],
                f"'/audit/file/volume': additional properties '{kind.split('.')[0]}'",
                id=kind,
            )
            for kind in ("emptyDir.medium", "ephemeral.volumeClaimTemplate.spec", "configMap.name")
        ),
        pytest.param(
            ["controller.replicas=0"],
            "set controller.enabled to false if the controller runs elsewhere",
            id="no-repair",
        ),
        pytest.param(["networkPolicy.egress=null"], "at '/networkPolicy': missing property 'egress'", id="no-egress"),
        pytest.param(["networkPolicy.egress[0]=null"], "got null, want object", id="null-egress-rule"),
        pytest.param(["networkPolicy.egress[0].too=x"], "additional properties 'too'", id="unknown-egress-key"),
        pytest.param(["networkPolicy.egress[0].to[0].cidr=x"], "additional properties 'cidr'", id="unknown-peer"),
        pytest.param(["networkPolicy.metricsFrom=null"], "missing property 'metricsFrom'", id="no-metrics-from"),
        *(
            pytest.param([f"{path}.resources.{key}=1"], f"additional properties '{key}'", id=f"{path}-{key}")
            for path in ("server", "controller")
            for key in ("foo", "request", "cpu", "memory")
        ),
        pytest.param(["server.resources.limits=1"], "got number, want object", id="limit-without-resource"),
        *(
            pytest.param(
                [f"{flow}=frontnd", f"{other}=backend", "policy.network.flows[0].ports={80/TCP}"], says, id=flow
            )
            for flow, other in permutations(("policy.network.flows[0].from", "policy.network.flows[0].to"))
            for says in ('unknown role "frontnd"; the roles are frontend, backend, data',)
        ),
        pytest.param(
            [
                "policy.network.flows[0].from.role=frontnd",
                "policy.network.flows[0].to=data",
                "policy.network.flows[0].ports={80/TCP}",
            ],
            'policy.network.flows[0].from: unknown role "frontnd"',
            id="flow-end",
        ),
        pytest.param(
            ["policy.roles.frontnd.claim.namespaces={x}"], "policy.roles.frontnd: this role is unknown", id="role"
        ),
        *(
            pytest.param([f"policy.{path}={value}"], f"at '/policy/{where}", id=f"{path}-{value}")
            for path, value, where in (
                ("namespaces.exempt", "{A_B}", "namespaces/exempt/0'"),
                ("namespaces.overrides[0].names", "{A_B}", "namespaces/overrides/0/names/0'"),
                (
                    "namespaces.overrides[0].rules.keep-rol",
                    "warn",
                    "namespaces/overrides/0/rules': additional properties 'keep-rol'",
                ),
                ("namespaces.environment.oneOf", "{a b}", "namespaces/environment/oneOf/0'"),
                ("workloads.role.label", "role!", "workloads/role/label'"),
                ("workloads.role.oneOf", "{A B}", "workloads/role/oneOf/0'"),
                ("workloads.app.aliases", "{a/b/c}", "workloads/app/aliases/0'"),
                ("network.clusterCIDRs", "{ten}", "network/clusterCIDRs/0'"),
                ("network.flows[0].ports", "{80/TPC}", "network/flows/0/ports/0'"),
                ("network.flows[0].ports", "{8080}", "network/flows/0/ports/0'"),
                ("exempt.serviceAccounts", "{deployer}", "exempt/serviceAccounts/0'"),
                ("exceptions[0].rule", "keep-rol", "exceptions/0/rule': value must be one of 'keep-role'"),
                ("exceptions[0].until", "soon", "exceptions/0/until'"),
            )
        ),
        *(
            pytest.param([setting], f"at '/{where}", id=setting)
            for setting, where in (
                ("server.replicas=3000000000", "server/replicas': maximum"),
                ("server.resources.requests.cpu=much", "server/resources/requests/cpu'"),
                ("image.repository=a b", "image/repository'"),
                ("image.tag=a b", "image/tag'"),
                ("imagePullSecrets[0].name=A b", "imagePullSecrets/0/name'"),
                ("priorityClassName=A b", "priorityClassName'"),
                ("runtimeClassName=A b", "runtimeClassName'"),
                ("tls.clientSecretName=A b", "tls/clientSecretName'"),
                ("audit.keySecret=A b", "audit/keySecret'"),
                ("audit.file.group=3000000000", "audit/file/group': maximum"),
                ("audit.file.volume.hostPath.type=Directory", "audit/file/volume/hostPath': missing property 'path'"),
                ("audit.file.rotateSize=1234567890123", "audit/file/rotateSize'"),
                ("listenAddress=::", "listenAddress'"),
                ("probes.startup.failureThreshold=3000000000", "probes/startup/failureThreshold': maximum"),
                ("podSecurityContext.runAsUser=3000000000", "podSecurityContext/runAsUser': maximum"),
                ("extraEnv[0].name=a=b", "extraEnv/0/name'"),
                ("extraVolumes[0].name=A b", "extraVolumes/0"),
                ("extraVolumeMounts[0].mountPath=/a:b", "extraVolumeMounts/0"),
                ("networkPolicy.egress[0].ports[0].port=65536", "networkPolicy/egress/0/ports/0/port'"),
                ("networkPolicy.egress[0].ports[0].protcol=TCP", "networkPolicy/egress/0/ports/0'"),
                ("networkPolicy.reviewsFrom[0].ipBlock.cidr=ten", "networkPolicy/reviewsFrom/0/ipBlock/cidr'"),
                ("policy.workloads.role.oneOf={a,a}", "policy/workloads/role/oneOf': items at 0 and 1 are equal"),
                ("policy.network.presets={istio,istio}", "policy/network/presets': items at 0 and 1 are equal"),
                ("policy.network.clusterCIDRs={10.0.0.0/33}", "policy/network/clusterCIDRs/0'"),
                ("policy.network.clusterCIDRs={fd00::/129}", "policy/network/clusterCIDRs/0'"),
                ("policy.network.flows[0].ports={65536/TCP}", "policy/network/flows/0/ports/0'"),
            )
        ),
        *(
            pytest.param([f"{where}.a b=c"], "invalid propertyName 'a b'", id=f"{where}-key")
            for where in (
                "podAnnotations",
                "podLabels",
                "nodeSelector",
                "service.annotations",
                "server.serviceAccount.annotations",
                "registration.labels",
                "registration.annotations",
                "test.labels",
                "metrics.podMonitor.labels",
            )
        ),
        pytest.param(["policy.workloads.role.oneOf={outside}"], "the word outside is reserved", id="reserved-role"),
        pytest.param(
            [
                "policy.network.flows[0].from=data",
                "policy.network.flows[0].to=data",
                "policy.network.flows[0].ports={80-10/TCP}",
            ],
            'policy.network.flows[0].ports: "80-10/TCP" begins with the higher port',
            id="falling-ports",
        ),
        *(
            pytest.param(
                [f"{value}[{at}].{key}={text}" for at in (0, 1) for key, text in fields.items()],
                says,
                id=f"{value}-twice",
            )
            for value, fields, says in (
                ("extraEnv", {"name": "A"}, 'extraEnv: the name "A" occurs twice'),
                ("extraVolumes", {"name": "a", "configMap.name": "b"}, 'extraVolumes: the name "a" occurs twice'),
                ("extraVolumeMounts", {"name": "a", "mountPath": "/a"}, 'the mountPath "/a" occurs twice'),
            )
        ),
        pytest.param(["service.ipFamilyPolicy=Dual"], "value must be one of", id="ip-family"),
        pytest.param(
            ["service.type=ExternalName", "service.externalName=x", "service.ipFamilyPolicy=SingleStack"],
            "have an effect only with service.type ClusterIP",
            id="family-of-a-name",
        ),
        pytest.param(["rollingUpdate.maxSurge=0"], "no Pod could be replaced", id="stuck-update"),
        pytest.param(
            ["rollingUpdate.maxSurge=0%", "rollingUpdate.maxUnavailable=0"], "no Pod could", id="stuck-in-percent"
        ),
        pytest.param(
            ["rollingUpdate.maxUnavailable=2"], "all 2 replicas of the server may be gone at once", id="all-gone"
        ),
        pytest.param(
            ["rollingUpdate.maxUnavailable=100%"], "at '/rollingUpdate/maxUnavailable'", id="all-gone-in-percent"
        ),
        pytest.param(["strategy.type=Recreate"], "additional properties 'strategy' not allowed", id="recreate"),
        pytest.param(
            ["server.hostNetwork=true", "server.ports.status=8443"],
            "https and status must be different ports",
            id="one-port",
        ),
        pytest.param(["server.ports.status=8443"], "https and status must be different ports", id="one-port-of-a-pod"),
        pytest.param(["server.ports.https=443"], "minimum: got 443, want 1,024", id="a-port-for-root"),
        *(
            pytest.param(
                [f"{kind}.{key}=x"], f"invalid propertyName '{key}'".replace(BACKSLASH, ""), id=f"{kind}-{key}"
            )
            for kind in ("commonLabels", "podLabels")
            for key in ("app", "role", r"app\.kubernetes\.io/name", r"catflap\.dev/guard", r"pcns\.role")
        ),
        pytest.param(["podLabels.mesh=a b"], "does not match pattern", id="label-value"),
        pytest.param(["podSecurityContext.runAsUser=0"], "minimum: got 0, want 1", id="root"),
        pytest.param(
            ["podSecurityContext.runAsNonRoot=false"], "additional properties 'runAsNonRoot'", id="may-be-root"
        ),
        pytest.param(["podSecurityContext.seccompProfile.type=Unconfined"], "value must be one of", id="unconfined"),
        pytest.param(
            ["podSecurityContext.fsGroup=1", "audit.file.volume.hostPath.path=/var/log/catflap"],
            "a Pod can have only one",
            id="groups",
        ),
        pytest.param(["extraEnv[0].name=POD_NAME", "extraEnv[0].value=x"], "at '/extraEnv/0/name'", id="our-variable"),
        pytest.param(
            ["extraVolumes[0].name=tls", "extraVolumes[0].emptyDir.medium=Memory"],
            "at '/extraVolumes/0/name'",
            id="our-volume",
        ),
        pytest.param(
            ["extraVolumeMounts[0].name=x", "extraVolumeMounts[0].mountPath=/x"],
            'the volume "x" does not exist in extraVolumes',
            id="no-volume",
        ),
        *(
            pytest.param(
                [
                    "extraVolumes[0].name=x",
                    "extraVolumes[0].configMap.name=x",
                    "extraVolumeMounts[0].name=x",
                    f"extraVolumeMounts[0].mountPath={path}",
                ],
                "at '/extraVolumeMounts/0/mountPath'",
                id=f"over-{path}",
            )
            for path in ("/etc/catflap/tls", "/etc/catflap", "/var/log/catflap", "/tmp", "/", "relative")
        ),
        pytest.param(["probes.liveness.httpGet.path=/x"], "additional properties 'httpGet'", id="another-probe"),
        pytest.param(["probes=null"], "missing property 'probes'", id="no-probes"),
        pytest.param(["topologySpreadConstraints[0].maxSkew=1"], "missing properties", id="half-a-constraint"),
        pytest.param(["tls.caBundle=x"], "at '/tls/caBundle': 'x' does not match pattern", id="ca-not-pem"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(helm: Helm, settings: list[str], says: str) -> None:
    """The schema rejects it, or the chart does if a schema could not name the fix."""
    done = helm("template", "catflap", str(CHART), settings=tuple(settings))
    assert done.returncode == 1
    assert says in done.stderr


FORMER: Final = {
    "twin": True,
    "network": {"engine": "calico", "standingNet": True},
    "namespaces": {"adopt": "all"},
    "workloads": {"existing": "judge"},
    "gate": {"freshness": 5},
}


def test_values_with_former_names_of_policy_keys_keep_their_meaning(helm: Helm, tmp_path: Path) -> None:
    """The chart adds no key under its current name."""
    assert sorted(path[-1] for path in RENAMED) == ["adopt", "existing", "standingNet", "twin"]
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"policy": FORMER}), encoding="utf-8")
    done = helm("template", "catflap", str(CHART), "--namespace", NAMESPACE, values=values)
    assert done.returncode == 0, done.stderr
    rendered = Rendered(values, done.stdout)
    found = parse(rendered.policy)
    assert len(found.warnings) == len(RENAMED) + len(REMOVED)
    policy = found.policy
    assert policy.validating_admission_policy
    assert policy.network.cluster_wide_default_deny
    assert (policy.namespaces.include_existing, policy.workloads.existing_workloads) == ("all", "judge")
    [role] = [one for one in rendered.of("ClusterRole") if one["metadata"]["name"] == "catflap-controller"]
    assert "validatingadmissionpolicies" in yaml.safe_dump([one for one in role["rules"] if "update" in one["verbs"]])


@pytest.mark.parametrize("values", [FORMER, {}], ids=["former names", "defaults"])
def test_the_notes_name_the_former_keys_in_the_values(tools: Tools, tmp_path: Path, values: dict[str, Any]) -> None:
    """The user reads them after each installation and upgrade, with the command that rewrites the values."""
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump({"policy": values}), encoding="utf-8")
    command = [str(tools.helm), "install", "catflap", str(CHART), "--dry-run=client", "--values", str(path)]
    home = {f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    done = subprocess.run(command, env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("\nNOTES:\n")[2]
    listed = re.search(r"The values have keys of an earlier release: (.*)\. This release", notes)
    expected = {f"policy.{written(key)}" for key in (*RENAMED, *REMOVED)} if values else set()
    assert set(listed[1].split(", ") if listed else ()) == expected
    assert ("catflap config migrate values.yaml" in notes) is bool(values)


@pytest.mark.parametrize("path", sorted(RENAMED), ids=written)
def test_values_with_both_names_of_a_policy_key_are_refused(helm: Helm, path: tuple[str, ...]) -> None:
    """The values of one of the two would have no effect."""
    value = {"twin": "true", "standingNet": "true", "adopt": "all", "existing": "judge"}[path[-1]]
    both = (f"policy.{written(path)}={value}", f"policy.{written(current(path))}={value}")
    done = helm("template", "catflap", str(CHART), settings=both)
    assert done.returncode == 1
    assert (
        f"policy.{written(path)} is the former name of {RENAMED[path]}, which is set too; remove {path[-1]}"
        in done.stderr
    )


def test_egress_cannot_be_emptied(helm: Helm) -> None:
    """Without a rule the policy would cut the Pods off from the API server."""
    done = helm("template", "catflap", str(CHART), "--set-json", "networkPolicy.egress=[]")
    assert done.returncode == 1
    assert "minItems: got 0, want 1" in done.stderr


def test_a_rule_of_the_files_own_may_be_named_wherever_rules_are(helm: Helm) -> None:
    """The schema knows the ids of the built-in rules only."""
    rule = {"id": "limits-set", "resources": ["pods"], "cel": "true", "message": "no"}
    until = {"namespace": "a", "owner": "b", "reason": "c", "until": "2099-01-01"}
    overrides = [{"names": ["a"], "rules": {"limits-set": "warn"}}]
    given = {"custom": [rule], "exceptions": [{"rule": "limits-set", **until}], "namespaces": {"overrides": overrides}}
    done = helm("template", "catflap", str(CHART), "--set-json", f"policy={json.dumps(given)}")
    assert done.returncode == 0, done.stderr


LETTERS: Final = "ab0AZ-_./*:"
LIKE: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    "label key": (label_key, TEXTS["AppLabel"]["label"]),
    "label value": (label_value, TEXTS["Environment"]["oneOf"]),
    "namespace": (namespace_name, TEXTS["FlowEnd"]["namespaces"]),
    "namespace or prefix": (namespace_pattern, TEXTS["Namespaces"]["exempt"]),
    "prefix": (namespace_prefix, TEXTS["Reserved"]["prefixes"]),
    "ServiceAccount": (service_account_name, TEXTS["Exempt"]["serviceAccounts"]),
    "network": (cidr, TEXTS["Network"]["clusterCIDRs"]),
    "port": (port, TEXTS["Flow"]["ports"]),
    "rule": (rule_id, TEXTS["PolicyException"]["rule"]),
}
WELL_KNOWN: Final = (
    "app.kubernetes.io/name", "role", "k8s-app", "kube-system", "team-*", "a*", "a-b/deployer", "kube-system/a.b", "10.0.0.0/8", "fd00::/8",
    "192.0.2.1/32", "53/UDP", "8000-8100/TCP", "keep-role", "A.b_c", "0", "a/b",
)  # fmt: skip


@pytest.mark.parametrize("what", LIKE)
@given(st.data())
def test_the_schema_refuses_no_text_that_the_server_takes(what: str, data: st.DataObject) -> None:
    """It may be looser, and is never stricter."""
    taken, pattern = LIKE[what]
    texts = st.sampled_from(WELL_KNOWN) | st.text(LETTERS, max_size=12) | st.from_regex(pattern, fullmatch=True)
    text = data.draw(texts)
    try:
        taken(text)
    except ValueError:
        return
    assert re.search(pattern, text)


@pytest.mark.parametrize("name", ["extraEnv", "extraVolumes", "extraVolumeMounts"])
def test_null_is_an_empty_list(helm: Helm, name: str) -> None:
    """Helm removes the chart's value then."""
    done = helm("template", "catflap", str(CHART), settings=(f"{name}=null",))
    assert done.returncode == 0, done.stderr


def test_each_rule_may_be_set(helm: Helm) -> None:
    """The schema knows every rule by its id."""
    done = helm("template", "catflap", str(CHART), settings=tuple(f"policy.rules.{id_}=warn" for id_ in RULES))
    assert done.returncode == 0, done.stderr


def test_it_may_be_part_of_another_chart(helm: Helm) -> None:
    """Helm adds `global` to the values of every part."""
    assert helm("template", "catflap", str(CHART), settings=("global.any=1",)).returncode == 0


def test_lint_finds_nothing(helm: Helm) -> None:
    """Helm's own lint reports nothing, warnings included."""
    done = helm("lint", str(CHART), "--strict", "--namespace", NAMESPACE)
    assert done.returncode == 0, done.stdout
