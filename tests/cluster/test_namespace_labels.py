"""Tests protected labels of namespaces: only the users that the file names may set them, by any endpoint."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cluster.barriers import wait_until_granted
from tests.cluster.installation import Installation, eventually, names, run_server
from tests.cluster.manifests import GOOD, join_manifests, namespace, pod
from tests.controlplane.client import MERGE, Answer
from tests.programs import stop
from webhook.model.names import BREAK_GLASS_GROUP

NAMESPACES = "/api/v1/namespaces"
PLAIN = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
BOTH = ["catflap-allow-dns", "catflap-default-deny"]
GUARD, ENVIRONMENT = "catflap.dev/guard", "environment"
MEMBERS, STRANGERS = "platform", "developers"
WAYS = ("", "status", "finalize")
APART = {"environment": {"oneOf": ["production", "test"]}, "labelledBy": [MEMBERS]}
REFUSED = """\
admission webhook "namespaces.catflap.dev" denied the request: Namespace {} has 1 violation:
- guard-labels: metadata.labels{}: only members of platform may set, change or remove this label (namespaces.labelledBy)"""
UNKNOWN = """\
admission webhook "namespaces.catflap.dev" denied the request: Namespace {} has 1 violation:
- guard-labels: metadata.labels.environment: unknown environment 'producton' (did you mean 'production'?); \
the environments are production, test"""
NORMAL_SECONDS = 15.0

Labels = Mapping[str, str | None]


@pytest.fixture(scope="module")
def entitled(installation: Installation) -> None:
    """Return two groups with every right on namespaces."""
    installation.apply(join_manifests(*rights("namespace-owner", MEMBERS, STRANGERS)), check=True)
    wait_until_granted(installation.cluster, NAMESPACES, STRANGERS)


@pytest.fixture
def environments(catflap: Installation, entitled: None) -> Installation:  # noqa: ARG001 (it comes first)
    """Return two environments, whose label one group may set."""
    catflap.configure({"namespaces": APART})
    eventually(lambda: create(catflap, "probe", {ENVIRONMENT: "test"}, STRANGERS, query="?dryRun=All").refused)
    return catflap


def rights(name: str, *groups: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Grant every right on namespaces to groups."""
    api = "rbac.authorization.k8s.io"
    resources = ["namespaces", "namespaces/status", "namespaces/finalize"]
    rule = {"apiGroups": [""], "resources": resources, "verbs": ["*"]}
    return (
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": api, "kind": "Group", "name": group} for group in groups],
        },
    )


def create(catflap: Installation, space: str, labels: Labels, *groups: str, query: str = "") -> Answer:
    """Create a namespace as a member of groups."""
    body = {**namespace(space), "metadata": {"name": space, "labels": labels}}
    return catflap.cluster.call("POST", f"{NAMESPACES}{query}", body, as_user="ann", as_groups=groups)


def relabel(catflap: Installation, space: str, labels: Labels, *groups: str, way: str = "") -> Answer:
    """Set labels of a namespace, or remove those that are None, as a member of groups."""
    path = f"{NAMESPACES}/{space}/{way}".rstrip("/")
    if way != "finalize":
        body: dict[str, Any] = {"metadata": {"labels": dict(labels)}}
        return catflap.cluster.call("PATCH", path, body, content_type=MERGE, as_user="ann", as_groups=groups)
    body = catflap.cluster.api("GET", f"{NAMESPACES}/{space}")  # it accepts whole namespaces only
    body["metadata"]["labels"] = {
        key: value for key, value in {**body["metadata"]["labels"], **labels}.items() if value is not None
    }
    return catflap.cluster.call("PUT", path, body, as_user="ann", as_groups=groups)


def labels_of(catflap: Installation, space: str) -> dict[str, str]:
    """Return the stored labels."""
    return catflap.cluster.api("GET", f"{NAMESPACES}/{space}")["metadata"]["labels"]  # type: ignore[no-any-return]


def judged(catflap: Installation, space: str) -> list[tuple[str, str, str]]:
    """Return the validation decisions on a namespace: the outcome, how it was reached, and the reason."""
    return [
        (one["objectRef"].get("subresource", ""), one["decision"], one["reasonCode"])
        for one in catflap.server.records()
        if one.get("phase") == "validate" and one["objectRef"].get("name") == space
    ]


def closed(catflap: Installation, space: str) -> bool:
    """Return whether both policies exist."""
    return list(names(catflap.cluster.api("GET", PLAIN.format(space)))) == BOTH


def test_a_stranger_makes_namespaces_but_in_no_environment(environments: Installation, namespace_name: str) -> None:
    """It is rejected with a message. Without the label it is created and labelled, and no review is sent."""
    answer = create(environments, namespace_name, {ENVIRONMENT: "production"}, STRANGERS)
    assert (answer.status, answer.body["message"]) == (403, REFUSED.format(namespace_name, ".environment"))
    assert environments.cluster.call("GET", f"{NAMESPACES}/{namespace_name}").status == 404
    assert create(environments, namespace_name, {"team": "shop"}, STRANGERS).status == 201
    assert labels_of(environments, namespace_name)[GUARD] == "enabled"
    assert judged(environments, namespace_name) == [("", "denied", "NamespaceProtected")]


@pytest.mark.parametrize("way", WAYS)
def test_a_stranger_moves_none_from_one_environment_to_another(
    environments: Installation, namespace_name: str, way: str
) -> None:
    """Neither into an environment nor out of one: by the namespace, its status or its finalizers."""
    bare = f"{namespace_name}-bare"
    assert create(environments, namespace_name, {ENVIRONMENT: "test"}, MEMBERS).status == 201
    assert create(environments, bare, {}, STRANGERS).status == 201
    for space, value in ((bare, "test"), (namespace_name, "production"), (namespace_name, None)):
        before = labels_of(environments, space)
        answer = relabel(environments, space, {ENVIRONMENT: value}, STRANGERS, way=way)
        assert (answer.status, answer.body["message"]) == (403, REFUSED.format(space, ".environment"))
        assert labels_of(environments, space) == before
    answer = relabel(environments, namespace_name, {"team": "shop"}, STRANGERS, way=way)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("group", "code"),
    [(MEMBERS, "AuthorizedGroup"), (BREAK_GLASS_GROUP, "BreakGlass")],
)
def test_authorised_users_may_and_it_is_recorded(
    environments: Installation, namespace_name: str, group: str, code: str
) -> None:
    """At creation and later, by any endpoint."""
    groups = (group, STRANGERS)  # they need rights on namespaces all the same
    assert create(environments, namespace_name, {ENVIRONMENT: "test"}, *groups).status == 201
    for way, value in zip(WAYS, ("production", "test", None), strict=True):
        answer = relabel(environments, namespace_name, {ENVIRONMENT: value}, *groups, way=way)
        assert answer.status == 200, answer.body
        assert labels_of(environments, namespace_name).get(ENVIRONMENT) == value
    assert judged(environments, namespace_name) == [(way, "exempt", code) for way in ("", *WAYS)]


@pytest.mark.parametrize("space", ["kube-public", "calico-system"])
def test_no_stranger_makes_an_exempt_namespace_one_of_productions(environments: Installation, space: str) -> None:
    """Flows of an environment would admit its Pods. Other changes are not reviewed."""
    environments.cluster.call("POST", NAMESPACES, namespace(space))
    answer = relabel(environments, space, {ENVIRONMENT: "production"}, STRANGERS)
    assert (answer.status, answer.body["message"]) == (403, REFUSED.format(space, ".environment"))
    before = judged(environments, space)
    assert relabel(environments, space, {"team": "shop"}, STRANGERS).status == 200
    assert judged(environments, space) == before


def test_an_administrator_has_no_privilege_here(environments: Installation, namespace_name: str) -> None:
    """The file names the groups, and `system:masters` no longer counts."""
    answer = create(environments, namespace_name, {ENVIRONMENT: "test"}, "system:masters")
    assert (answer.status, answer.body["message"]) == (403, REFUSED.format(namespace_name, ".environment"))


def test_an_environment_that_there_is_not_is_refused_with_what_was_meant(
    environments: Installation, namespace_name: str
) -> None:
    """It does not matter who sets it; a namespace that has it is reviewed only when it changes."""
    answer = create(environments, namespace_name, {ENVIRONMENT: "producton"}, MEMBERS)
    assert (answer.status, answer.body["message"]) == (403, UNKNOWN.format(namespace_name))
    environments.configure()
    assert create(environments, namespace_name, {ENVIRONMENT: "producton"}, STRANGERS).status == 201
    environments.configure({"namespaces": APART})
    assert relabel(environments, namespace_name, {"team": "shop"}, STRANGERS).status == 200
    assert relabel(environments, namespace_name, {ENVIRONMENT: "production"}, MEMBERS).status == 200


@pytest.mark.parametrize("way", WAYS)
def test_only_who_may_adopts_an_older_namespace_by_its_stamp(environments: Installation, older: str, way: str) -> None:
    """Setting it isolates, and removing it would open, so an unauthorised user can do neither."""
    answer = relabel(environments, older, {GUARD: "enabled"}, STRANGERS, way=way)
    assert (answer.status, answer.body["message"]) == (403, REFUSED.format(older, "['catflap.dev/guard']"))
    assert GUARD not in labels_of(environments, older)
    assert relabel(environments, older, {GUARD: "enabled"}, MEMBERS, way=way).status == 200
    eventually(lambda: closed(environments, older))
    answer = relabel(environments, older, {GUARD: None}, STRANGERS, way=way)
    assert (answer.status, answer.body["message"]) == (403, REFUSED.format(older, "['catflap.dev/guard']"))
    assert closed(environments, older)


def test_a_namespace_with_guarded_labels_goes_in_normal_time(environments: Installation, namespace_name: str) -> None:
    """An unauthorised user deletes it and Kubernetes finalizes it: no label changes, so no review is sent."""
    assert create(environments, namespace_name, {ENVIRONMENT: "test"}, MEMBERS).status == 201
    eventually(lambda: closed(environments, namespace_name))
    went(environments, namespace_name)
    assert [decision for _, decision, _ in judged(environments, namespace_name)] == ["exempt"]


def went(catflap: Installation, space: str) -> None:
    """Delete a namespace as an unauthorised user, and wait until it is gone."""
    begun = time.monotonic()
    answer = catflap.cluster.call("DELETE", f"{NAMESPACES}/{space}", as_user="ann", as_groups=[STRANGERS])
    assert answer.status == 200, answer.body
    eventually(
        lambda: catflap.cluster.call("GET", f"{NAMESPACES}/{space}").status,
        until=lambda seen: seen == 404,
        within=NORMAL_SECONDS,
    )
    assert time.monotonic() - begun < NORMAL_SECONDS


@pytest.fixture
def unanswered(environments: Installation, namespace_name: str) -> Iterator[Installation]:
    """No server answers reviews; one namespace has been in an environment since before."""
    assert create(environments, namespace_name, {ENVIRONMENT: "test"}, MEMBERS).status == 201
    stop(environments.server.process)
    try:
        yield environments
    finally:
        environments.server = environments.revived.enter_context(
            run_server(environments.cluster, environments.folder, environments.port)
        )


def test_without_a_server_namespaces_are_created_and_deleted(unanswered: Installation, namespace_name: str) -> None:
    """The controller isolates and labels them later. What would open a namespace is rejected."""
    plain = f"{namespace_name}-plain"
    assert create(unanswered, plain, {"team": "shop"}, STRANGERS).status == 201
    eventually(lambda: closed(unanswered, plain))
    eventually(lambda: labels_of(unanswered, plain).get(GUARD) == "enabled")
    assert relabel(unanswered, plain, {"team": "search"}, STRANGERS).status == 200
    for space, labels in ((plain, {GUARD: None}), (namespace_name, {ENVIRONMENT: "production"})):
        answer = relabel(unanswered, space, labels, MEMBERS)
        assert (answer.status, 'failed calling webhook "namespaces.catflap.dev"' in answer.body["message"]) == (
            500,
            True,
        )
    for space in (plain, namespace_name):
        went(unanswered, space)


def test_catflap_sets_the_managed_label_of_a_new_namespace(environments: Installation, namespace_name: str) -> None:
    """An unauthorised user who removes it is not rejected: it is set again, and a Pod finds the namespace isolated."""
    assert create(environments, namespace_name, {GUARD: "disabled"}, STRANGERS).status == 201
    assert labels_of(environments, namespace_name)[GUARD] == "enabled"
    assert environments.apply(pod("web", namespace_name, GOOD)).returncode == 0
    record = next(one for one in reversed(environments.server.records()) if one.get("closure"))
    assert record["closure"] in {"proven", "written"}


@pytest.mark.usefixtures("entitled")
@pytest.mark.parametrize("space", ["calico-apiserver", "calico-system", "tigera-operator", "ops"])
def test_a_namespace_whose_accounts_are_trusted_is_not_for_everybody_to_make(catflap: Installation, space: str) -> None:
    """It does not matter what is exempt: an account there could write to Calico's storage, or be exempt itself."""
    catflap.configure({"namespaces": {"exempt": ["monitoring"]}, "exempt": {"groups": ["system:serviceaccounts:ops"]}})
    eventually(lambda: create(catflap, "ops", {}, STRANGERS, query="?dryRun=All").refused)
    answer = create(catflap, space, {}, STRANGERS)
    assert (answer.status, "(namespaces.reserved.groups)" in answer.body["message"]) == (403, True)
