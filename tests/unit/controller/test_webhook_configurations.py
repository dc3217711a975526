"""Tests the webhook configurations: which requests catflap receives, and what happens if it does not answer."""

from typing import Any, Final

import pytest

from tests.unit.samples import policy
from webhook.controller.webhook_configurations import Endpoint, webhook_configurations
from webhook.model.identity import Identities
from webhook.model.kinds import POD_MAKERS, POLICY_KINDS

BY_URL: Final = Endpoint(ca_bundle="Q0E=", namespace="guards", url="https://127.0.0.1:8443")
BY_SERVICE: Final = Endpoint(ca_bundle="Q0E=", namespace="guards", service="catflap")
LABELLING: Final = {"pods/binding", "pods/status", "namespaces/status", "namespaces/finalize"}
LABELS: Final = "object.?metadata.?labels.orValue({})"
OLD_LABELS: Final = "oldObject.?metadata.?labels.orValue({})"

Webhook = dict[str, Any]


def webhooks(text: str = "", endpoint: Endpoint = BY_SERVICE) -> dict[tuple[str, str], Webhook]:
    """Return every entry by its configuration's kind and its own name."""
    return {
        (configuration["kind"], entry["name"]): entry
        for configuration in webhook_configurations(policy(text), endpoint)
        for entry in configuration["webhooks"]
    }


VALIDATING, MUTATING = "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"
ENTRIES: Final = (
    (VALIDATING, "pods.catflap.dev"),
    (VALIDATING, "workloads.catflap.dev"),
    (VALIDATING, "bindings.catflap.dev"),
    (VALIDATING, "pod-status.catflap.dev"),
    (VALIDATING, "namespaces.catflap.dev"),
    (VALIDATING, "policies.catflap.dev"),
    (VALIDATING, "open-policies.catflap.dev"),
    (VALIDATING, "policy-file.catflap.dev"),
    (MUTATING, "namespaces.catflap.dev"),
    (MUTATING, "pods.catflap.dev"),
)


def test_the_configurations_and_their_entries_are_these() -> None:
    """They have catflap's name and label."""
    assert tuple(webhooks()) == ENTRIES
    for configuration in webhook_configurations(policy(), BY_SERVICE):
        assert configuration["apiVersion"] == "admissionregistration.k8s.io/v1"
        assert configuration["metadata"] == {
            "name": "catflap",
            "labels": {"app.kubernetes.io/managed-by": "catflap"},
        }


def test_entries_for_pods_workloads_and_catflaps_policies_fail_closed() -> None:
    """So do protected labels; creation of namespaces and mutation of Pods do not depend on catflap."""
    assert {key: entry["failurePolicy"] for key, entry in webhooks().items()} == {
        (VALIDATING, "pods.catflap.dev"): "Fail",
        (VALIDATING, "workloads.catflap.dev"): "Fail",
        (VALIDATING, "bindings.catflap.dev"): "Fail",
        (VALIDATING, "pod-status.catflap.dev"): "Fail",
        (VALIDATING, "namespaces.catflap.dev"): "Fail",
        (VALIDATING, "policies.catflap.dev"): "Fail",
        (VALIDATING, "open-policies.catflap.dev"): "Ignore",
        (VALIDATING, "policy-file.catflap.dev"): "Ignore",
        (MUTATING, "namespaces.catflap.dev"): "Ignore",
        (MUTATING, "pods.catflap.dev"): "Ignore",
    }


@pytest.mark.parametrize("key", ENTRIES, ids=" ".join)
def test_every_field_that_would_be_defaulted_is_stated(key: tuple[str, str]) -> None:
    """So the stored entry equals the written one, and no wildcard matches unknown resources."""
    entry = webhooks()[key]
    stated = {"admissionReviewVersions", "clientConfig", "failurePolicy", "matchPolicy", "name", "namespaceSelector"}
    stated |= {"objectSelector", "rules", "sideEffects", "timeoutSeconds"}
    assert stated <= entry.keys() <= stated | {"matchConditions", "reinvocationPolicy"}
    assert ("reinvocationPolicy" in entry) == (key[0] == MUTATING)
    assert (entry["admissionReviewVersions"], entry["objectSelector"]) == (["v1"], {})
    assert entry["sideEffects"] == ("NoneOnDryRun" if key[0] == VALIDATING else "None")
    assert 1 <= entry["timeoutSeconds"] <= 10
    for rule in entry["rules"]:
        assert set(rule) == {"apiGroups", "apiVersions", "operations", "resources", "scope"}
        anyway = {"scope", "apiVersions"} if custom(rule) else {"scope"}
        words = [word for field, found in rule.items() if field not in anyway for word in found]
        assert not [word for word in words if "*" in word or ("/" in word and word not in LABELLING)]


def custom(rule: dict[str, Any]) -> bool:
    """Return whether a rule matches resources of CustomResourceDefinitions, in any version."""
    return all(maker.custom for maker in POD_MAKERS if maker.group in rule["apiGroups"])


def asked_for(entry: Webhook) -> set[tuple[str, str, str]]:
    """Return the group, resource and operation of each request that an entry matches."""
    return {
        (group, resource, operation)
        for rule in entry["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    }


def test_every_kind_that_makes_pods_is_asked_about() -> None:
    """Creation and change are in one entry, so that one message has every violation."""
    pods, workloads, bindings, status, labelled, policies, others, file, namespaces, filled = (
        asked_for(webhooks()[key]) for key in ENTRIES
    )
    both = ("CREATE", "UPDATE")
    assert pods == {("", "pods", operation) for operation in both}
    assert pods | workloads == {(maker.group, maker.resource, operation) for maker in POD_MAKERS for operation in both}
    assert not pods & workloads
    assert bindings == {("", "bindings", "CREATE"), ("", "pods/binding", "CREATE")}
    assert status == {("", "pods/status", "UPDATE")}
    assert {operation for _, _, operation in policies} == {"CREATE", "UPDATE", "DELETE"}
    assert {(group, resource) for group, resource, _ in policies} == {(one.group, one.resource) for one in POLICY_KINDS}
    acting = {(one.group, one.resource) for one in POLICY_KINDS if not one.staged}
    assert others == {(*resource, operation) for resource in acting for operation in both}
    assert labelled == {("", "namespaces", operation) for operation in both} | {
        ("", f"namespaces/{way}", "UPDATE") for way in ("status", "finalize")
    }
    assert file == {("", "configmaps", operation) for operation in (*both, "DELETE")}
    assert namespaces == {("", "namespaces", "CREATE")}
    assert filled == {("", "pods", "CREATE")}


def test_custom_resources_are_asked_about_in_whichever_version() -> None:
    """The API server treats no version as equivalent to another if the CRD has no conversion."""
    rules = webhooks()[VALIDATING, "workloads.catflap.dev"]["rules"]
    versions = {group: rule["apiVersions"] for rule in rules for group in rule["apiGroups"]}
    assert versions == {maker.group: ["*"] if maker.custom else ["v1"] for maker in POD_MAKERS}


def test_each_extra_kind_has_a_rule_after_all_others() -> None:
    """The rule matches any version and any scope, as the file does not name them."""
    text = "workloads: {extraKinds: [{group: example.com, resource: widgets, kind: Widget, template: spec.template}]}"
    key = (VALIDATING, "workloads.catflap.dev")
    assert webhooks(text)[key]["rules"] == [
        *webhooks()[key]["rules"],
        {
            "apiGroups": ["example.com"],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["widgets"],
            "scope": "*",
        },
    ]


def test_namespaces_are_asked_about_cluster_wide() -> None:
    """So are cluster-wide policies, by the scope of their kind."""
    scopes = {key: {rule["scope"] for rule in entry["rules"]} for key, entry in webhooks().items()}
    for phase in (MUTATING, VALIDATING):
        assert scopes.pop((phase, "namespaces.catflap.dev")) == {"Cluster"}
    for name in ("policies", "open-policies"):
        assert scopes.pop((VALIDATING, f"{name}.catflap.dev")) == {"Cluster", "Namespaced"}
        for rule in webhooks()[VALIDATING, f"{name}.catflap.dev"]["rules"]:
            kinds = [
                one for one in POLICY_KINDS if one.resource in rule["resources"] and one.group in rule["apiGroups"]
            ]
            assert {(one.namespaced, one.version) for one in kinds} == {
                (rule["scope"] == "Namespaced", *rule["apiVersions"])
            }
    assert all(scope == {"Namespaced"} for scope in scopes.values())


class TestExempt:
    """Namespaces that never depend on catflap."""

    @staticmethod
    def exempt(text: str = "") -> list[list[str]]:
        """Return the names that each entry excludes, without the entry for all namespaces and the one for catflap's own."""
        found = []
        for key, entry in webhooks(text).items():
            if key == (VALIDATING, "namespaces.catflap.dev"):
                assert entry["namespaceSelector"] == {}
                continue
            if key == (VALIDATING, "policy-file.catflap.dev"):
                own = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["guards"]}
                assert entry["namespaceSelector"] == {"matchExpressions": [own]}
                continue
            (expression,) = entry["namespaceSelector"]["matchExpressions"]
            assert (expression["key"], expression["operator"]) == ("kubernetes.io/metadata.name", "NotIn")
            found.append(expression["values"])
        return found

    def test_exempt_namespaces_and_catflaps_own_are_excluded_by_name(self) -> None:
        """The API server sets that label itself, and no user can change it."""
        default = [
            "calico-apiserver",
            "calico-system",
            "guards",
            "kube-node-lease",
            "kube-public",
            "kube-system",
            "tigera-operator",
        ]
        assert self.exempt() == [default] * (len(ENTRIES) - 2)

    def test_the_clusters_own_are_left_out_whatever_the_file_says(self) -> None:
        """Each name appears once, in order."""
        names = ["guards", "kube-node-lease", "kube-public", "kube-system", "monitoring"]
        assert self.exempt("namespaces: {exempt: [monitoring, guards]}") == [names] * (len(ENTRIES) - 2)


class TestClientConfig:
    """The address of the servers."""

    def test_by_service(self) -> None:
        """Each phase has its own path."""
        assert webhooks()[VALIDATING, "pods.catflap.dev"]["clientConfig"] == {
            "caBundle": "Q0E=",
            "service": {"namespace": "guards", "name": "catflap", "path": "/validate", "port": 443},
        }
        assert webhooks()[MUTATING, "pods.catflap.dev"]["clientConfig"]["service"]["path"] == "/mutate"

    def test_by_another_port_of_the_service(self) -> None:
        """Another server may listen on 443."""
        endpoint = Endpoint(ca_bundle="Q0E=", namespace="guards", service="catflap", port=8443)
        assert webhooks(endpoint=endpoint)[VALIDATING, "pods.catflap.dev"]["clientConfig"]["service"]["port"] == 8443

    def test_by_url(self) -> None:
        """The server may run outside the cluster."""
        assert webhooks(endpoint=BY_URL)[MUTATING, "namespaces.catflap.dev"]["clientConfig"] == {
            "caBundle": "Q0E=",
            "url": "https://127.0.0.1:8443/mutate",
        }


def differs(path: str) -> str:
    """Return a comparison in CEL for objects in which any step may be missing."""
    steps = "".join(f".?{step}" for step in path.split("."))
    return f"object{steps} != oldObject{steps}"


class TestConditions:
    """The exact CEL of conditions that exclude requests which no rule can judge."""

    @staticmethod
    def condition(key: tuple[str, str], text: str = "") -> str:
        """Return the one match condition of an entry."""
        (condition,) = webhooks(text)[key]["matchConditions"]
        assert set(condition) == {"name", "expression"}
        return condition["expression"]  # type: ignore[no-any-return]

    def test_a_pods_update_counts_if_labels_changed(self) -> None:
        """Kubelets update Pods continually."""
        expected = f"request.operation != 'UPDATE' || {LABELS} != {OLD_LABELS}"
        assert self.condition((VALIDATING, "pods.catflap.dev")) == expected

    def test_a_workloads_update_counts_if_its_template_changed(self) -> None:
        """Each kind has its template at its own path, and scaling never matches."""
        found = self.condition((VALIDATING, "workloads.catflap.dev"))
        for maker in POD_MAKERS:
            if maker.template and (maker.template, maker.reference) != ("spec.template", ""):
                named = f"request.resource.group == '{maker.group}' && request.resource.resource == '{maker.resource}'"
                case = f"{named} ? {' || '.join(map(differs, maker.sources))} : "
                assert found.count(case) == 1
                found = found.replace(case, "")
        assert found == f"request.operation != 'UPDATE' || ({differs('spec.template')})"

    def test_an_extra_kind_is_compared_where_the_file_says(self) -> None:
        """A kind with its template at the usual path needs no case of its own."""
        widgets = "{group: example.com, resource: widgets, kind: Widget, template: spec.podTemplate}"
        usual = "{group: example.com, resource: cronjobs, kind: CronJob, template: spec.template}"
        key = (VALIDATING, "workloads.catflap.dev")
        named = "request.resource.group == 'example.com' && request.resource.resource == 'widgets'"
        last = f"({differs('spec.template')})"[1:]
        case = f"{named} ? {differs('spec.podTemplate')} : {last}"
        assert self.condition(key, f"workloads: {{extraKinds: [{widgets}, {usual}]}}") == (
            self.condition(key).removesuffix(last) + case
        )

    def test_with_custom_rules_a_template_is_compared_as_well(self) -> None:
        """Custom rules compare the usual fields, and an extra kind's template may be in another one."""
        key = (VALIDATING, "workloads.catflap.dev")
        start = "request.operation != 'UPDATE' || "
        extra = (
            "workloads: {extraKinds: [{group: example.com, resource: widgets, kind: Widget, template: pod.template}]}"
        )
        rule = "custom: [{id: few, resources: [deployments], cel: 'object.spec.replicas < 5', message: few}]"
        both = self.condition(key, f"{extra}\n{rule}")
        assert both.startswith(f"{start}object.?spec != oldObject.?spec || ")
        assert both.endswith(f" || {self.condition(key, extra).removeprefix(start)}")

    @pytest.mark.parametrize("scope", ["object", "both"])
    def test_an_objects_own_labels_count_where_they_are_judged(self, scope: str) -> None:
        """The template, which other rules read, is compared as well."""
        key = (VALIDATING, "workloads.catflap.dev")
        start = "request.operation != 'UPDATE' || "
        expected = f"{start}{LABELS} != {OLD_LABELS} || {self.condition(key).removeprefix(start)}"
        assert self.condition(key, f"workloads: {{scope: {scope}, existingWorkloads: judge}}") == expected

    def test_a_pod_with_only_an_alias_is_mutated(self) -> None:
        """This holds for the application and the role."""
        assert self.condition((MUTATING, "pods.catflap.dev")) == (
            f"(!('app' in {LABELS}) && ['app.kubernetes.io/name', 'k8s-app'].exists(alias, alias in {LABELS}))"
            f" || (!('role' in {LABELS}) && ['app.kubernetes.io/component'].exists(alias, alias in {LABELS}))"
        )

    def test_a_label_without_aliases_is_left_out(self) -> None:
        """An empty list would have no type in CEL."""
        found = self.condition((MUTATING, "pods.catflap.dev"), "workloads: {app: {aliases: []}}")
        assert found == f"(!('role' in {LABELS}) && ['app.kubernetes.io/component'].exists(alias, alias in {LABELS}))"

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("workloads: {fillFromAliases: false}", id="filling is off"),
            pytest.param("workloads: {app: {aliases: []}, role: {aliases: []}}", id="there is nothing to fill from"),
        ],
    )
    def test_pods_are_not_written_to(self, text: str) -> None:
        """The API server rejects an empty condition, and a useless call delays each Pod."""
        assert (MUTATING, "pods.catflap.dev") not in webhooks(text)
        assert (MUTATING, "namespaces.catflap.dev") in webhooks(text)


def test_a_token_is_the_last_part_of_each_path() -> None:
    """The token proves to the server that the API server sends the request."""
    by_service = Endpoint(ca_bundle="Q0E=", namespace="guards", service="catflap", token="t0ken")
    assert by_service.client_config("/mutate")["service"]["path"] == "/mutate/t0ken"
    by_url = Endpoint(ca_bundle="Q0E=", namespace="guards", url="https://there:8443", token="t0ken")
    assert by_url.client_config("/validate")["url"] == "https://there:8443/validate/t0ken"


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        pytest.param("", "Ignore", id="the default warns"),
        pytest.param("rules: {no-open-policy: enforce}", "Fail", id="everywhere"),
        pytest.param("rules: {no-open-policy: audit}", "Ignore", id="audit"),
        pytest.param(
            "namespaces: {overrides: [{names: [a], rules: {no-open-policy: enforce}}]}", "Fail", id="somewhere"
        ),
        pytest.param("namespaces: {overrides: [{names: [a], mode: enforce}]}", "Ignore", id="all rules somewhere"),
    ],
)
def test_open_policies_fail_closed_where_their_rule_enforces(text: str, fails: str) -> None:
    """Otherwise an answer that comes too late would allow a bypass."""
    assert webhooks(text)[VALIDATING, "open-policies.catflap.dev"]["failurePolicy"] == fails


def test_a_nodes_name_counts_with_a_nodes_group_only() -> None:
    """The node authorizer requires both; a name alone may belong to any user."""
    conditions = webhooks()[VALIDATING, "pod-status.catflap.dev"]["matchConditions"]
    assert {one["name"]: one["expression"] for one in conditions}["no-node"] == (
        "!(request.userInfo.username.startsWith('system:node:') && 'system:nodes' in request.userInfo.groups)"
    )


def test_catflaps_accounts_are_the_discovered_ones() -> None:
    """A name is data with any characters, also inside an expression."""
    name = 'O\'Brien "\\root"'
    made = webhook_configurations(policy(), BY_SERVICE, Identities((name,)))
    [caller] = (
        one["expression"]
        for entry in made[0]["webhooks"]
        if entry["name"] == "policies.catflap.dev"
        for one in entry["matchConditions"]
        if one["name"] == "caller"
    )
    assert caller.endswith(', "O\'Brien \\"\\\\root\\""])')
    assert "serviceaccount:guards" not in caller
