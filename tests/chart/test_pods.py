"""Tests the Pods: what they run, what they may do, and what selects them."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.chart.conftest import Render
from tests.chart.rendering import CHART, DEFAULT, NAMESPACE, ROLES, Rendered, for_each_values_file
from webhook.audit.log import NODE, POD
from webhook.cli.controller import verb as controller
from webhook.cli.serve import verb as serve
from webhook.config.source import ConfigMapRef
from webhook.server.gunicorn_server import GRACEFUL_TIMEOUT_SECONDS

VERBS = {"server": serve, "controller": controller}


def container(rendered: Rendered, role: str) -> dict[str, Any]:
    """Return the one container of a role's Pods."""
    [found] = rendered.pods[role]["spec"]["containers"]
    return found  # type: ignore[no-any-return]


@for_each_values_file
def test_both_roles_run_where_they_are_wanted(render: Render, values_file: Path) -> None:
    """A role that does not run leaves only its account."""
    rendered = render(values_file)
    wanted = {role for role in ROLES if rendered.values[role]["enabled"]}
    assert set(rendered.pods) == wanted
    assert {
        budget["spec"]["selector"]["matchLabels"]["role"] for budget in rendered.of("PodDisruptionBudget")
    } == wanted
    assert len(list(rendered.of("ServiceAccount"))) == len(ROLES)


@for_each_values_file
def test_the_program_takes_its_arguments(render: Render, values_file: Path) -> None:
    """The command line's own parser accepts them."""
    rendered = render(values_file)
    for role in rendered.pods:
        name, *arguments = container(rendered, role)["args"]
        parsed = VERBS[role].make_context(name, arguments).params
        assert VERBS[role].name == name
        assert parsed["policy"] == ConfigMapRef(NAMESPACE, "catflap-policy")
        ports = {port["name"]: port["containerPort"] for port in container(rendered, role)["ports"]}
        assert ports["status"] == parsed["status_listen"][1]
        assert ports.get("https") == parsed.get("listen", (None, None))[1]


@for_each_values_file
def test_pods_are_locked_down(render: Render, values_file: Path) -> None:
    """No value weakens any of it."""
    rendered = render(values_file)
    for role, pod in rendered.pods.items():
        given = (
            {"fsGroup": rendered.values["audit"]["file"]["group"]} if rendered.values["audit"]["file"]["volume"] else {}
        ) | rendered.values["podSecurityContext"]
        always = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert pod["spec"]["securityContext"] == always | given
        assert container(rendered, role)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        asked_for = {"hostNetwork"} if role == "server" and rendered.values["server"]["hostNetwork"] else set()
        assert {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"]) == asked_for
        for volume in pod["spec"].get("volumes", []):
            asked = set(rendered.values["audit"]["file"]["volume"]) if volume["name"] == "audit-log" else set()
            asked |= {"configMap"} if volume["name"] == "ca" or volume in rendered.values["extraVolumes"] else set()
            assert set(volume) <= {"name", "secret", "emptyDir"} | asked


@pytest.mark.parametrize("role", ROLES)
def test_probes_ask_the_status_port(render: Render, role: str) -> None:
    """They use the port's name and the served paths."""
    found = container(render(DEFAULT), role)
    asked = {kind: found[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz", "port": "status"},
        "liveness": {"path": "/healthz", "port": "status"},
        "readiness": {"path": "/readyz", "port": "status"},
    }


def test_the_server_has_time_to_finish(render: Render) -> None:
    """The endpoints are removed, the last requests are answered, and only then would the kubelet kill the process."""
    sleep = container(render(DEFAULT), "server")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep + GRACEFUL_TIMEOUT_SECONDS < render(DEFAULT).pods["server"]["spec"]["terminationGracePeriodSeconds"]


@for_each_values_file
def test_selectors_find_their_pods(render: Render, values_file: Path) -> None:
    """The Service selects the server only; budgets and policies select their role."""
    rendered = render(values_file)
    for found in rendered.of("Deployment", "PodDisruptionBudget", "NetworkPolicy"):
        selector = found["spec"].get("podSelector") or found["spec"]["selector"]
        role = selector["matchLabels"]["role"]
        assert selector["matchLabels"].items() <= rendered.pods[role]["metadata"]["labels"].items()
    if rendered.service["spec"]["type"] == "ClusterIP":
        selector = rendered.service["spec"]["selector"].items()
        chosen = {role for role, pod in rendered.pods.items() if selector <= pod["metadata"]["labels"].items()}
        assert chosen == {"server"}


def test_the_api_server_gets_through(render: Render) -> None:
    """The Service refers to the port by name, and the NetworkPolicy opens the server's port only, to all."""
    rendered = render(DEFAULT)
    [port] = rendered.service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, "https")
    [https] = (one["containerPort"] for one in container(rendered, "server")["ports"] if one["name"] == "https")
    policies = {found["metadata"]["name"]: found["spec"]["ingress"] for found in rendered.of("NetworkPolicy")}
    to_everybody = {
        name: [one["port"] for rule in rules if "from" not in rule for one in rule["ports"]]
        for name, rules in policies.items()
    }
    assert to_everybody == {"catflap": [https, 8080], "catflap-controller": [8080]}


def test_metrics_may_be_kept_from_others(render: Render) -> None:
    """The ports for metrics and reviews each have peers of their own."""
    rendered = render(CHART / "tests" / "everything.yaml")
    reviews, metrics = rendered.get("NetworkPolicy", "flap")["spec"]["ingress"]
    assert reviews["from"] == rendered.values["networkPolicy"]["reviewsFrom"]
    assert metrics["from"] == rendered.values["networkPolicy"]["metricsFrom"]


@for_each_values_file
def test_the_chart_names_no_registry(render: Render, values_file: Path) -> None:
    """The chart has no default; the installer names it."""
    rendered = render(values_file)
    images = {container(rendered, role)["image"].partition("/")[0] for role in rendered.pods}
    given = rendered.values["image"]["repository"].partition("/")[0]
    assert {image.partition(":")[0] for image in images} <= {given}


def test_a_generated_certificate_is_for_the_service(render: Render) -> None:
    """The CA in the same Secret signed it, for the names of the Service, with the stored key."""
    data = {name: base64.b64decode(text) for name, text in render(DEFAULT).get("Secret", "catflap-tls")["data"].items()}
    authority, certificate = (x509.load_pem_x509_certificate(data[name]) for name in ("ca.crt", "tls.crt"))
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["catflap", f"catflap.{NAMESPACE}", f"catflap.{NAMESPACE}.svc"]
    key = load_pem_private_key(data["tls.key"], password=None).public_key()
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.public_bytes(*form) == certificate.public_key().public_bytes(*form)


@for_each_values_file
def test_audit_records_go_where_the_values_say(render: Render, values_file: Path) -> None:
    """Records always go to standard output; they also go to a file per Pod on a volume, if one is configured."""
    rendered = render(values_file)
    wanted = rendered.values["audit"]
    for role, pod in rendered.pods.items():
        found = container(rendered, role)
        name, *arguments = found["args"]
        parsed = VERBS[role].make_context(name, arguments).params
        assert parsed["audit_durability"] == wanted["durability"]
        assert (parsed["audit_failure"] or "") == wanted["failure"]
        assert parsed["audit_stdout"] is (parsed["audit_log"] is not None)
        assert parsed["audit_log"] == ("/var/log/catflap/$(POD_NAME).log" if wanted["file"]["volume"] else None)
        assert (parsed["audit_key"] is not None) is bool(wanted["keySecret"])
        mounts = {mount["name"]: mount["mountPath"] for mount in found.get("volumeMounts", [])}
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        assert mounts.keys() == volumes.keys()
        if parsed["audit_log"]:
            assert Path(parsed["audit_log"]).parent == Path(mounts["audit-log"])
            assert volumes["audit-log"] == {"name": "audit-log", **wanted["file"]["volume"]}
        if parsed["audit_key"]:
            assert parsed["audit_key"] == Path(mounts["audit-key"]) / "audit.key"
            assert volumes["audit-key"] == {"name": "audit-key", "secret": {"secretName": wanted["keySecret"]}}


@pytest.mark.parametrize("role", ROLES)
def test_a_chain_says_which_pod_wrote_it(render: Render, role: str) -> None:
    """The variables are those that the program reads."""
    told = {one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"] for one in container(render(DEFAULT), role)["env"]}
    assert told.keys() >= {*POD.values(), NODE}
    assert (told["POD_NAME"], told["POD_UID"], told[NODE]) == ("metadata.name", "metadata.uid", "spec.nodeName")
