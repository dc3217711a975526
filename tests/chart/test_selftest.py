"""Tests `helm test`: the Pod that it runs, its rights, and that nothing of it remains."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.chart.conftest import Helm, Render
from tests.chart.releases import OURS, released
from tests.chart.rendering import CHART, DEFAULT, HOOK, NAMESPACE, Rendered, for_each_values_file
from tests.controlplane.cluster import Cluster
from tests.controlplane.waiting import wait_until
from webhook.cli.selftest import verb
from webhook.kube.permissions import selftest_rights

Json = dict[str, Any]

CORE, RBAC = "/api/v1/namespaces", "/apis/rbac.authorization.k8s.io/v1/namespaces"
MADE = (
    f"{CORE}/{NAMESPACE}/pods/catflap-test",
    f"{CORE}/{NAMESPACE}/serviceaccounts/catflap-test",
    f"{RBAC}/default/roles/catflap-test",
    f"{RBAC}/default/rolebindings/catflap-test",
)


def hooks(rendered: Rendered) -> dict[str, Json]:
    """Return the objects that `helm test` creates, by kind."""
    return {one["kind"]: one for one in rendered.afterwards if one["metadata"]["annotations"][HOOK] == "test"}


def of_settings(helm: Helm, *settings: str) -> dict[str, Json]:
    """Return the same with additional values."""
    done = helm("template", "catflap", str(CHART), "--namespace", NAMESPACE, settings=settings)
    assert done.returncode == 0, done.stderr
    return hooks(Rendered(DEFAULT, done.stdout))


@for_each_values_file
def test_a_test_is_there_where_requests_are_judged(render: Render, values_file: Path) -> None:
    """Each object is deleted after success; the account exists before the Pod."""
    rendered = render(values_file)
    found = hooks(rendered)
    wanted = rendered.values["test"]["enabled"] and rendered.values["registration"]["enabled"]
    assert set(found) == ({"ServiceAccount", "Role", "RoleBinding", "Pod"} if wanted else set())
    for kind, one in found.items():
        annotations = one["metadata"]["annotations"]
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        assert annotations["helm.sh/hook-weight"] == ("1" if kind == "Pod" else "0")


def test_a_test_that_is_not_wanted_is_not_there(helm: Helm) -> None:
    """Its account does not exist, either."""
    assert of_settings(helm, "test.enabled=false") == {}


def test_the_account_may_do_what_the_command_asks_for_and_nothing_else(helm: Helm) -> None:
    """The rights are limited to the namespace of the two Pods."""
    found = of_settings(helm, "test.namespace=shop")
    rules = {
        (verb, group, resource, found["Role"]["metadata"]["namespace"])
        for rule in found["Role"]["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if "resourceNames" not in rule
    }
    assert rules == {(one.verb, one.group, one.resource, one.namespace) for one in selftest_rights("shop")}
    account = found["ServiceAccount"]["metadata"]
    assert found["RoleBinding"]["metadata"]["namespace"] == "shop"
    assert found["RoleBinding"]["roleRef"]["name"] == found["Role"]["metadata"]["name"]
    assert found["RoleBinding"]["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]
    assert found["Pod"]["spec"]["serviceAccountName"] == account["name"]


def test_the_pod_runs_the_command_on_the_policy_of_the_release(helm: Helm) -> None:
    """The options are valid for the command, and it is locked down like the others."""
    found = of_settings(helm, "test.namespace=shop", "test.labels.team=a")["Pod"]["spec"]
    [container] = found["containers"]
    name, *arguments = container["args"]
    arguments = [one.replace("/etc/catflap/policy/policy.yaml", str(CHART / "values.yaml")) for one in arguments]
    parsed = verb.make_context(name, arguments).params
    assert (name, parsed["namespace"], parsed["labels"]) == (verb.name, "shop", ("team=a",))
    [volume], [mount] = found["volumes"], container["volumeMounts"]
    assert volume == {"name": mount["name"], "configMap": {"name": "catflap-policy"}}
    assert container["args"][1] == f"--policy={mount['mountPath']}/policy.yaml"
    assert found["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_helm_runs_it_and_deletes_what_it_made(cluster: Cluster) -> None:
    """The API server accepts each object. No kubelet runs here, so the test sets the Pod to succeeded."""
    pod = MADE[0]
    with released(cluster), ThreadPoolExecutor(1) as pool:
        running = pool.submit(cluster.helm, "test", "catflap", *OURS, "--timeout", "60s", check=False)
        wait_until(lambda: cluster.call("GET", pod).status == 200, what="the Pod of helm test")
        assert [cluster.call("GET", path).status for path in MADE] == [200] * len(MADE)
        done = {"status": {"phase": "Succeeded"}}
        cluster.api("PATCH", f"{pod}/status", done, content_type="application/merge-patch+json")
        assert running.result().returncode == 0, running.result().stderr
        wait_until(lambda: {cluster.call("GET", path).status for path in MADE} == {404}, what="its objects to go")
