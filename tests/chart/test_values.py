"""Values: each is described and checked, and what is written twice is written by a program."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart.conftest import Helm, Render
from tests.chart.rendering import CHART, DEFAULT, NAMESPACE, VALUES_FILES, for_each_values_file, merged
from webhook.config.default import DEFAULT_POLICY
from webhook.config.parse import parse
from webhook.rules import RULES

LASTING = {"persistentVolumeClaim", "hostPath", "nfs"}  # volumes that outlive their Pods, in Kubernetes' own words


def test_nothing_generated_is_stale() -> None:
    """The policy's values and schema follow the model, the README's table follows values.yaml."""
    command = [sys.executable, str(CHART.parent / "generate.py"), "--check"]
    done = subprocess.run(
        command, cwd=CHART.parents[1], env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_chart_is_of_this_version() -> None:
    """The image that it asks for is built from this checkout."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    assert chart["appVersion"] == project["version"]


def test_the_default_policy_is_the_programs(render: Render) -> None:
    """Whoever writes no policy gets the same with the chart and without."""
    assert parse(render(DEFAULT).policy).policy == parse(DEFAULT_POLICY).policy


@for_each_values_file
def test_the_policy_arrives_as_given(render: Render, values_file: Any) -> None:
    """No word of it is lost or changes its type on the way through helm."""
    rendered = render(values_file)
    assert yaml.safe_load(rendered.policy) == rendered.values["policy"]
    parse(rendered.policy)


def test_each_value_is_in_some_values_file() -> None:
    """A value without a case is a value that nobody has tried."""
    own = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    tried: dict[str, Any] = {}
    for values_file in VALUES_FILES:
        tried = merged(tried, yaml.safe_load(values_file.read_text("utf-8")) or {})
    assert set(leaves(own)) - set(leaves(tried)) == {
        "image.tag",  # the digest counts before it
        "policy.apiVersion",
        "policy.kind",
    }


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The paths of all values; a mapping from which keys may be chosen freely is one value."""
    free = {
        "resources",
        "labels",
        "annotations",
        "issuerRef",
        "nodeSelector",
        "affinity",
        "podAnnotations",
        "rules",
        "volume",
    }
    for key, value in values.items():
        if isinstance(value, dict) and key not in free:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_no_object_of_the_schema_is_open() -> None:
    """Each mapping has its keys listed, or is one whose keys are not ours to list."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    nodes = [("", schema), *((f"definitions.{name}", node) for name, node in schema["definitions"].items())]
    open_ones = {path for path, node in nodes for path in open_objects(node, path)}
    assert {path.rpartition(".")[2] for path in open_ones} == {"global", "resources", "affinity", "[]", *LASTING}


def open_objects(node: dict[str, Any], path: str) -> Iterator[str]:
    """The paths of the mappings that take any key with any value."""
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
        pytest.param(["server.enabled=false"], "every Pod would be refused", id="no-server"),
        pytest.param(["server.replicas=0"], "register nothing (registration.enabled false)", id="no-replicas"),
        pytest.param(["service.type=ExternalName"], "name the server's host in service.externalName", id="no-host"),
        pytest.param(["service.externalName=x"], "counts only with service.type ExternalName", id="host-without-type"),
        pytest.param(["tls.mode=secret"], "name the Secret in tls.secretName", id="no-secret"),
        pytest.param(["tls.mode=secret", "tls.secretName=x"], "--set-file tls.caBundle=ca.crt", id="no-ca"),
        pytest.param(["tls.secretName=x"], "count only with tls.mode secret", id="secret-without-mode"),
        pytest.param(["audit.durability=synced"], "give a volume for a file in audit.file.volume", id="synced-stdout"),
        pytest.param(["audit.durability=best-effort", "audit.failure=refuse"], "cannot refuse", id="lax-and-strict"),
        *(
            pytest.param(
                [f"audit.file.volume.{kind}=x"],
                f"'/audit/file/volume': additional properties '{kind.split('.')[0]}'",
                id=kind,
            )
            for kind in ("emptyDir.medium", "ephemeral.volumeClaimTemplate.spec", "configMap.name")
        ),
        pytest.param(["tls.caBundle=x"], "at '/tls/caBundle': 'x' does not match pattern", id="ca-not-pem"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(helm: Helm, settings: list[str], says: str) -> None:
    """By the schema, or by the chart where a schema could not name the remedy."""
    done = helm("template", "catflap", str(CHART), settings=tuple(settings))
    assert done.returncode == 1
    assert says in done.stderr


def test_each_rule_may_be_set(helm: Helm) -> None:
    """The schema knows every rule by its id."""
    done = helm("template", "catflap", str(CHART), settings=tuple(f"policy.rules.{id_}=warn" for id_ in RULES))
    assert done.returncode == 0, done.stderr


def test_it_may_be_part_of_another_chart(helm: Helm) -> None:
    """Helm adds `global` to the values of every part."""
    assert helm("template", "catflap", str(CHART), settings=("global.any=1",)).returncode == 0


def test_lint_finds_nothing(helm: Helm) -> None:
    """Helm's own opinion, warnings included."""
    done = helm("lint", str(CHART), "--strict", "--namespace", NAMESPACE)
    assert done.returncode == 0, done.stdout
