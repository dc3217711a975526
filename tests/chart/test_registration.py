"""The webhook configurations are those that `catflap registration` prints for the same policy."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.conftest import Helm, Render
from tests.chart.rendering import CHART, NAMESPACE, Rendered, for_each_values_file
from webhook.config.parse import parse
from webhook.controller.registration import Endpoint, registration

AKS_TERMS = [
    {"key": "control-plane", "operator": "NotIn", "values": ["true"]},
    {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]},
]


@for_each_values_file
def test_entries_are_those_of_the_program(render: Render, values_file: Path) -> None:
    """Each field of each entry, in both configurations."""
    rendered = render(values_file)
    if not rendered.values["registration"]["enabled"]:
        assert not list(rendered.of("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"))
        return
    service = rendered.service["metadata"]["name"]
    port = rendered.values["service"]["port"]
    endpoint = Endpoint(ca_bundle=ca_bundle(rendered), namespace=NAMESPACE, service=service, port=port)
    for wanted in registration(parse(rendered.policy).policy, endpoint):
        found = rendered.get(wanted["kind"], wanted["metadata"]["name"])
        assert found["webhooks"] == [as_installed(entry, rendered) for entry in wanted["webhooks"]]


def as_installed(entry: dict[str, Any], rendered: Rendered) -> dict[str, Any]:
    """An entry with what the values add to the program's words."""
    if not entry["clientConfig"]["caBundle"]:
        del entry["clientConfig"]["caBundle"]
    if rendered.values["aks"]:
        terms = entry["namespaceSelector"].setdefault("matchExpressions", [])
        terms += AKS_TERMS
    return entry


def ca_bundle(rendered: Rendered) -> str:
    """The CA that the values mean; empty where cert-manager writes it."""
    tls = rendered.values["tls"]
    if tls["mode"] == "secret":
        return base64.b64encode(tls["caBundle"].encode()).decode()
    if tls["mode"] == "cert-manager":
        return ""
    authority: str = rendered.get("Secret", "flap-tls" if rendered.values["fullnameOverride"] else "catflap-tls")[
        "data"
    ]["ca.crt"]
    return authority


def test_policies_differ_in_what_they_register(render: Render) -> None:
    """So the comparison above compares something."""
    mutating = {
        values_file.stem: repr(found["webhooks"][1:])
        for values_file in (CHART / "tests" / f"{stem}.yaml" for stem in ("default", "policy", "no-fill"))
        for found in render(values_file).of("MutatingWebhookConfiguration")
    }
    assert len(set(mutating.values())) == 3
    assert mutating["no-fill"] == "[]"


def test_without_aliases_no_pod_is_mutated(helm: Helm) -> None:
    """There is nothing to fill from, and an empty match condition would be refused by the API server."""
    none = [word for label in ("app", "role") for word in ("--set-json", f"policy.workloads.{label}.aliases=[]")]
    done = helm("template", "catflap", str(CHART), "--show-only", "templates/registration.yaml", *none)
    configurations = {found["kind"]: found["webhooks"] for found in yaml.safe_load_all(done.stdout)}
    assert [entry["name"] for entry in configurations["MutatingWebhookConfiguration"]] == ["namespaces.catflap.dev"]


@pytest.mark.parametrize("stem", ["cert-manager", "cert-manager-issuer"])
def test_cert_manager_injects_the_ca_of_the_servers_certificate(render: Render, stem: str) -> None:
    """The annotation names a Certificate that is there and fills the Secret that the pods mount."""
    rendered = render(CHART / "tests" / f"{stem}.yaml")
    [secret] = (
        volume["secret"]["secretName"] for volume in rendered.pods["server"]["spec"]["volumes"] if "secret" in volume
    )
    for configuration in rendered.of("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        namespace, _, name = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"].partition("/")
        certificate = rendered.get("Certificate", name)
        assert (namespace, certificate["spec"]["secretName"]) == (NAMESPACE, secret)
        assert f"{rendered.service['metadata']['name']}.{NAMESPACE}.svc" in certificate["spec"]["dnsNames"]


def test_labels_and_annotations_reach_both(render: Render) -> None:
    """The opt-out of AKS' admissions enforcer is a label."""
    rendered = render(CHART / "tests" / "aks-opt-out.yaml")
    for configuration in rendered.of("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        assert configuration["metadata"]["labels"]["admissions.enforcer/disabled"] == "true"
        assert configuration["metadata"]["annotations"] == {"example.com/owner": "platform"}
