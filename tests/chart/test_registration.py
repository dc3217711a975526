"""Tests that the chart registers nothing: the controller does, with the chart's options, and is limited to that registration."""

from pathlib import Path

from tests.chart.conftest import Render
from tests.chart.rendering import CHART, HOOK, NAMESPACE, Rendered, for_each_values_file
from webhook.cli._endpoint_options import endpoint_factory, parse_deployment

KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


def options(rendered: Rendered, role: str = "controller") -> dict[str, list[str]]:
    """Return the options of one role's container, by name."""
    found: dict[str, list[str]] = {}
    for word in rendered.pods[role]["spec"]["containers"][0]["args"][1:]:
        name, _, value = word.partition("=")
        found.setdefault(name, []).append(value)
    return found


@for_each_values_file
def test_no_webhook_configuration_is_installed(render: Render, values_file: Path) -> None:
    """The only ones are two empty hooks, by which helm removes catflap's."""
    rendered = render(values_file)
    assert not list(rendered.of(*KINDS))
    hooks = {one["kind"]: one for one in rendered.afterwards if one["kind"] in KINDS}
    assert set(hooks) == set(KINDS)
    wanted = rendered.values["registration"]["enabled"]
    for one in hooks.values():
        assert (one["metadata"]["name"], one["webhooks"]) == ("catflap", [])
        assert "catflap.dev/removal" in one["metadata"]["annotations"]
        assert one["metadata"]["annotations"][HOOK] == (
            "pre-delete" if wanted else "pre-delete,pre-upgrade,pre-rollback"
        )
    assert rendered.get("ConfigMap", "catflap-registration")["data"] == {"wanted": "on" if wanted else "off"}


@for_each_values_file
def test_the_controller_registers_the_service_under_the_ca_of_the_servers(render: Render, values_file: Path) -> None:
    """The options are valid for the command, and the mounted certificate has no key."""
    rendered = render(values_file)
    if not rendered.values["controller"]["enabled"]:
        return
    given = options(rendered)
    name, port = rendered.service["metadata"]["name"], rendered.values["service"]["port"]
    endpoint = endpoint_factory(None, given["--service"][0])("Q0E=")
    assert (endpoint.namespace, endpoint.service, endpoint.port) == (NAMESPACE, name, port)
    if rendered.values["server"]["enabled"]:
        waited = parse_deployment(given["--server-deployment"][0])
        assert (waited.namespace, waited.name) == (NAMESPACE, name)
        assert 1 <= waited.required <= min(2, rendered.values["server"]["replicas"])
    spec = rendered.pods["controller"]["spec"]
    [volume] = (one for one in spec["volumes"] if one["name"] == "ca")
    mounts = {one["name"]: one["mountPath"] for one in spec["containers"][0]["volumeMounts"]}
    assert given["--ca"] == [f"{mounts['ca']}/ca.crt"]
    if rendered.values["tls"]["caBundle"]:
        bundle = rendered.get("ConfigMap", volume["configMap"]["name"])["data"]
        assert bundle == {"ca.crt": rendered.values["tls"]["caBundle"]}
    else:
        [served] = (one["secret"] for one in rendered.pods["server"]["spec"]["volumes"] if one["name"] == "tls")
        assert volume["secret"]["secretName"] == served["secretName"]
        assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]


def test_labels_and_annotations_are_given_to_the_controller(render: Render) -> None:
    """The opt-out of AKS' admissions enforcer is a label."""
    given = options(render(CHART / "tests" / "aks-opt-out.yaml"))
    assert given["--registration-label"] == ["admissions.enforcer/disabled=true"]
    assert given["--registration-annotation"] == ["example.com/owner=platform"]


@for_each_values_file
def test_the_controllers_account_is_kept_to_that_one_registration(render: Render, values_file: Path) -> None:
    """It is a ValidatingAdmissionPolicy: RBAC cannot restrict a creation by name."""
    rendered = render(values_file)
    policy = rendered.get("ValidatingAdmissionPolicy", "catflap-registration")["spec"]
    binding = rendered.get("ValidatingAdmissionPolicyBinding", "catflap-registration")["spec"]
    assert (binding["policyName"], binding["validationActions"]) == ("catflap-registration", ["Deny"])
    [rule] = policy["matchConstraints"]["resourceRules"]
    assert set(rule["resources"]) == {f"{kind.lower()}s" for kind in KINDS}
    [condition] = policy["matchConditions"]
    assert (
        condition["expression"]
        == f"request.userInfo.username == 'system:serviceaccount:{NAMESPACE}:catflap-controller'"
    )
    assert rendered.service["metadata"]["name"] in policy["validations"][1]["expression"]
