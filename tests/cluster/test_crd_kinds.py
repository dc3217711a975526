"""Tests custom resources that create Pods, built-in and from the policy file, on a real API server."""

from typing import Any, Final

import pytest

from tests.cluster.custom_resources import CLONE_SET, ROLLOUT, VENDORS, WIDGET, WORKFLOW, Custom, define, rollout_of
from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import GOOD, deployment, namespace, pod
from tests.controlplane.client import Answer
from tests.controlplane.cluster import Cluster
from tests.unit.samples import HEAD
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse

MERGE: Final = "application/merge-patch+json"
WIDGETS: Final = {
    "workloads": {
        "extraKinds": [
            {"group": "example.com", "resource": "widgets", "kind": "Widget", "template": "spec.podTemplate"}
        ]
    }
}
KRUISE_MANAGER: Final = "system:serviceaccount:kruise-system:kruise-manager"
MOST_KINDS: Final = 100

Json = dict[str, Any]


def served(catflap: Installation, custom: Custom, space: str) -> str:
    """Install a kind and create a namespace; return its name."""
    define(catflap.cluster, custom)
    catflap.apply(namespace(space), check=True)
    path = custom.collection(space)
    eventually(lambda: not catflap.cluster.call("GET", path).refused)
    return space


def post(catflap: Installation, custom: Custom, space: str, manifest: Json, *, version: str = "") -> Answer:
    """Create an object."""
    return catflap.cluster.call("POST", custom.collection(space, version), manifest)


def name(custom: Custom) -> str:
    """Return the test id of a kind: plural, group, and template if it has several."""
    return f"{custom.name} {custom.template}"


def refused(answer: Answer, custom: Custom, name: str) -> bool:
    """Return whether the object was rejected for both missing labels."""
    said = answer.body.get("message", "")
    return answer.status == 403 and f"{custom.kind} " in said and f"/{name} has 2 violations:" in said


@pytest.mark.parametrize("custom", VENDORS, ids=name)
def test_a_vendors_kind_is_judged_where_it_is_applied(
    catflap: Installation, namespace_name: str, custom: Custom
) -> None:
    """In every served version it is rejected without labels, at the path of its own template, and admitted with them."""
    space = served(catflap, custom, namespace_name)
    for version in custom.versions:
        answer = post(catflap, custom, space, custom.object("bad", {}, version=version), version=version)
        assert refused(answer, custom, "bad"), answer.body
        assert f"{custom.template}.metadata.labels.app: the label 'app' is missing" in answer.body["message"]
        good = custom.object(f"good-{version}", GOOD, version=version)
        assert post(catflap, custom, space, good, version=version).status == 201


def test_kubectl_shows_the_patch_that_mends(catflap: Installation, namespace_name: str) -> None:
    """A manifest that is fixed so is applied."""
    space = served(catflap, ROLLOUT, namespace_name)
    manifest = ROLLOUT.object("web", {"role": "frontend"})
    manifest["metadata"]["namespace"] = space
    done = catflap.apply(manifest)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "To fix it, set in the manifest:\n  spec:\n    template:\n      metadata:\n        labels:\n          app: "
        '"web"\n'
    )
    manifest["spec"]["template"]["metadata"]["labels"]["app"] = "web"
    assert catflap.apply(manifest).returncode == 0


def test_a_rollout_of_a_deployment_is_admitted_and_recorded(catflap: Installation, namespace_name: str) -> None:
    """The referenced object is judged by itself, and a template beside the reference is judged as well."""
    space = served(catflap, ROLLOUT, namespace_name)
    assert post(catflap, ROLLOUT, space, rollout_of("web")).status == 201
    assert reasons(catflap, space, "rollouts") == ["TemplateReferenced"]
    both = rollout_of("web")
    both["metadata"]["name"] = "both"
    both["spec"]["template"] = {"metadata": {"labels": {"tier": "web"}}}
    assert refused(post(catflap, ROLLOUT, space, both), ROLLOUT, "both")
    assert catflap.apply(deployment("web", space, {})).returncode == 1


def reasons(catflap: Installation, space: str, resource: str) -> list[str]:
    """Return the reasons of the decisions on a resource in a namespace."""
    records = [one for one in catflap.server.records() if one.get("objectRef", {}).get("namespace") == space]
    return [one["reasonCode"] for one in records if one["objectRef"]["resource"] == resource]


def test_a_reference_that_is_taken_away_leaves_a_template_to_judge(catflap: Installation, namespace_name: str) -> None:
    """The template is missing before and after."""
    space = served(catflap, ROLLOUT, namespace_name)
    assert post(catflap, ROLLOUT, space, rollout_of("web")).status == 201
    path = f"{ROLLOUT.collection(space)}/referring"
    answer = catflap.cluster.call("PATCH", path, {"spec": {"workloadRef": None}}, content_type=MERGE)
    assert refused(answer, ROLLOUT, "referring"), answer.body


@pytest.mark.parametrize("custom", VENDORS, ids=name)
def test_existing_workloads_are_scaled_without_a_review_and_changed_with_one(
    catflap: Installation, namespace_name: str, custom: Custom
) -> None:
    """Replicas, labels of the object and status are not judged; a changed template is judged as a new one."""
    catflap.configure({"mode": "off"})
    space = served(catflap, custom, namespace_name)
    assert post(catflap, custom, space, custom.object("old", {}, replicas=1)).status == 201
    catflap.configure()
    path = f"{custom.collection(space)}/old"
    before = len(reasons(catflap, space, custom.resource))
    for harmless in ({"spec": {"replicas": 3}}, {"metadata": {"labels": {"team": "x"}}}):
        assert catflap.cluster.call("PATCH", path, harmless, content_type=MERGE).status == 200
    scaled = catflap.cluster.call("PATCH", f"{path}/scale", {"spec": {"replicas": 5}}, content_type=MERGE)
    assert scaled.status == 200
    done = catflap.cluster.call("PATCH", f"{path}/status", {"status": {"replicas": 5}}, content_type=MERGE)
    assert done.status == 200
    assert len(reasons(catflap, space, custom.resource)) == before
    remade = catflap.cluster.call("PATCH", path, changed(custom, {"annotations": {"a": "b"}}), content_type=MERGE)
    assert refused(remade, custom, "old"), remade.body
    mended = catflap.cluster.call("PATCH", path, changed(custom, {"labels": GOOD}), content_type=MERGE)
    assert mended.status == 200


def changed(custom: Custom, metadata: Json) -> Json:
    """Return a patch of the metadata of an object's pod template."""
    found: Json = {"metadata": metadata}
    for step in reversed(custom.template.split(".")):
        found = {step: found}
    return found


def test_pods_of_a_vendors_controller_are_judged_whatever_the_age_of_their_owner(
    catflap: Installation, namespace_name: str
) -> None:
    """`existingWorkloads: admit` trusts Kubernetes' own controllers only, as the names of others prove nothing."""
    catflap.configure({"mode": "off"})
    space = served(catflap, CLONE_SET, namespace_name)
    owner = post(catflap, CLONE_SET, space, CLONE_SET.object("old", {})).body
    catflap.configure()
    reference = {key: owner[key] for key in ("apiVersion", "kind")} | {"name": "old", "uid": owner["metadata"]["uid"]}
    made = pod("old-1", space, {}, ownerReferences=[{**reference, "controller": True}])
    path = f"/api/v1/namespaces/{space}/pods"
    answer = catflap.cluster.call("POST", path, made, as_user=KRUISE_MANAGER, as_groups=["system:masters"])
    assert answer.status == 403
    assert "has 2 violations" in answer.body["message"]


def test_a_kind_of_the_policy_file_is_judged_from_the_edit_on(catflap: Installation, namespace_name: str) -> None:
    """No new installation is needed, each version is judged, and the rule ends when the file no longer lists the kind."""
    space = served(catflap, WIDGET, namespace_name)
    assert post(catflap, WIDGET, space, WIDGET.object("before", {})).status == 201
    catflap.configure(WIDGETS)
    for version in WIDGET.versions:
        bad = WIDGET.object("bad", {}, version=version)
        dry = f"{WIDGET.collection(space, version)}?dryRun=All"
        answer = eventually(lambda: catflap.cluster.call("POST", dry, bad), until=lambda seen: seen.refused)  # noqa: B023
        assert refused(answer, WIDGET, "bad"), answer.body
        assert "spec.podTemplate.metadata.labels.app: the label 'app' is missing" in answer.body["message"]
    assert post(catflap, WIDGET, space, WIDGET.object("good", GOOD)).status == 201
    path = f"{WIDGET.collection(space)}/before"
    assert catflap.cluster.call("PATCH", path, {"spec": {"replicas": 3}}, content_type=MERGE).status == 200
    remade = catflap.cluster.call("PATCH", path, changed(WIDGET, {"annotations": {"a": "b"}}), content_type=MERGE)
    assert refused(remade, WIDGET, "before"), remade.body
    catflap.configure()
    dry = f"{WIDGET.collection(space)}?dryRun=All"
    eventually(lambda: catflap.cluster.call("POST", dry, WIDGET.object("bad", {})).status == 201)


def test_what_is_no_label_is_refused_in_words_about_labels(catflap: Installation, namespace_name: str) -> None:
    """The API server does not check fields that a definition leaves open. An unreadable review would not help the user."""
    space = served(catflap, WIDGET, namespace_name)
    catflap.configure(WIDGETS)
    odd = WIDGET.object("odd", {"app": 1, "role": ["frontend"]})
    dry = f"{WIDGET.collection(space)}?dryRun=All"
    answer = eventually(lambda: catflap.cluster.call("POST", dry, odd), until=lambda seen: seen.refused)
    assert refused(answer, WIDGET, "odd"), answer.body
    assert "the label 'app' is the number 1 instead of text; write it in quotes" in answer.body["message"]


def test_a_workflow_is_judged_where_it_says_what_all_its_pods_carry(catflap: Installation, namespace_name: str) -> None:
    """A kind whose labels a template adds passes, as its Pods are judged."""
    space = served(catflap, WORKFLOW, namespace_name)
    api = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    templates: list[Json] = [{"name": "main", "container": {"image": "import:1"}}]
    for name, spec, status in (
        ("bad", {"podMetadata": {"labels": {}}, "templates": templates}, 403),
        ("good", {"podMetadata": {"labels": GOOD}, "templates": templates}, 201),
        ("none", {"templates": templates}, 201),
        ("added", {"podMetadata": {"labels": {}}, "templates": [{**templates[0], "metadata": {"labels": GOOD}}]}, 201),
    ):
        answer = post(catflap, WORKFLOW, space, {**api, "metadata": {"name": name}, "spec": spec})
        assert answer.status == status, answer.body
        if status == 403:
            assert "spec.podMetadata.labels.app: the label 'app' is missing" in answer.body["message"]


def test_the_api_server_takes_a_registration_of_as_many_kinds_as_a_file_may_list(
    catflap: Installation, namespace_name: str
) -> None:
    """CEL expressions are limited in size, and an editor of the file does not see a rejected registration."""
    kinds = [
        {
            "group": f"group-{number}.example.com",
            "resource": f"resources{number}",
            "kind": f"Kind{number}",
            "template": "spec.some.thing.of.many.words.podTemplate",
        }
        for number in range(MOST_KINDS - 1)
    ]
    space = served(catflap, WIDGET, namespace_name)
    catflap.configure({"workloads": {"extraKinds": [*kinds, *WIDGETS["workloads"]["extraKinds"]], "scope": "both"}})
    eventually(lambda: rules(catflap), until=lambda seen: len(seen) > MOST_KINDS)
    good = WIDGET.object("good", GOOD)
    good["metadata"]["labels"] = GOOD
    dry = f"{WIDGET.collection(space)}?dryRun=All"
    eventually(lambda: catflap.cluster.call("POST", dry, WIDGET.object("bad", {})).status == 403)
    assert post(catflap, WIDGET, space, good).status == 201
    path = f"{WIDGET.collection(space)}/good"
    remade = catflap.cluster.call("PATCH", path, changed(WIDGET, {"labels": {"app": None}}), content_type=MERGE)
    assert remade.status == 403
    assert "spec.podTemplate.metadata.labels.app: the label 'app' is missing" in remade.body["message"]
    bared = catflap.cluster.call("PATCH", path, {"metadata": {"labels": {"app": None}}}, content_type=MERGE)
    assert bared.status == 403
    assert "require-app: metadata.labels.app: the label 'app' is missing" in bared.body["message"]
    catflap.configure()
    eventually(lambda: rules(catflap), until=lambda seen: len(seen) < MOST_KINDS)


def rules(catflap: Installation) -> list[Json]:
    """Return the rules of the entry for workloads."""
    [entry] = (one for one in catflap.registered("validating") if one["name"] == "workloads.catflap.dev")
    return entry["rules"]  # type: ignore[no-any-return]


def test_no_group_that_the_api_server_itself_serves_can_be_listed(cluster: Cluster) -> None:
    """An entry for leases that fails closed would delay the nodes."""
    services = cluster.api("GET", "/apis/apiregistration.k8s.io/v1/apiservices")["items"]
    own = "kube-aggregator.kubernetes.io/automanaged"
    groups = {one["spec"].get("group", "") for one in services if one["metadata"]["labels"].get(own) == "onstart"}
    assert {"", "apps", "coordination.k8s.io"} <= groups
    for group in groups:
        kind = f"{{group: {group!r}, resource: widgets, kind: Widget, template: spec.template}}"
        with pytest.raises(BadPolicy, match="is a group of Kubernetes"):
            parse(f"{HEAD}workloads: {{extraKinds: [{kind}]}}")
