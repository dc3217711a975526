"""Tests custom rules on a real API server: they agree with Kubernetes' own CEL, and are rejected where that would be."""

from collections.abc import Mapping
from functools import partial
from string import ascii_lowercase
from typing import Final

import pytest

from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import GOOD, Json, deployment, namespace, pod
from tests.cluster.policy_edits import edit
from webhook.cel.library import BadExpressionError, compile_expression

ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
PODS: Final = "/api/v1/namespaces/{}/pods{}"
NAME: Final = "custom-rules"
CHUNK: Final = 12  # their warnings fit into the 4096 characters that the API server returns

EXPRESSIONS: Final = (
    # fields and their presence
    "object.spec.containers.all(c, has(c.resources) && has(c.resources.limits))",
    "object.spec.containers.all(c, has(c.resources.limits.memory))",
    "has(object.spec.hostNetwork) && object.spec.hostNetwork",
    "object.metadata.annotations['owner'] == 'team-a'",
    "object.?metadata.?annotations[?'owner'].orValue('') == 'team-a'",
    "'owner' in object.metadata.?annotations.orValue({})",
    "object.metadata.labels.exists(key, key.startsWith('example.com/'))",
    "object.spec.nodeSelector.disk == 'ssd'",
    "oldObject == null",
    # the request and the namespace
    "request.operation == 'CREATE' && request.kind.kind == 'Pod' && request.resource.resource == 'pods'",
    "request.userInfo.username.startsWith('system:') || 'system:masters' in request.userInfo.groups",
    "request.dryRun && request.namespace == object.metadata.namespace",
    "namespaceObject.metadata.name == request.namespace",
    "namespaceObject.metadata.labels.tier == 'gold'",
    "namespaceObject.metadata.labels.missing == 'gold'",
    "namespaceObject.metadata.UID != ''",
    "namespaceObject.metadata.creationTimestamp < timestamp('2100-01-01T00:00:00Z')",
    "namespaceObject.status.phase == 'Active' && namespaceObject.spec.finalizers == ['kubernetes']",
    "has(request.subResource) || !has(request.userInfo.uid)",
    # loops
    "object.spec.containers.exists(c, c.name == 'side')",
    "object.spec.containers.exists_one(c, c.name == 'main')",
    "object.spec.containers.map(c, c.name).sort() == ['main', 'side']",
    "object.spec.containers.filter(c, has(c.env)).size() == 1",
    "object.spec.containers.all(c, c.?env.orValue([]).all(e, e.name != 'SECRET'))",
    "object.spec.containers.map(c, has(c.ports), c.name).size() == 0",
    # text
    "object.spec.containers.all(c, c.image.matches('^registry[.]example/'))",
    "object.spec.containers.all(c, c.image.lowerAscii().startsWith('registry.example/'))",
    "object.spec.containers.all(c, c.image.substring(0, c.image.indexOf('/')) == 'registry.example')",
    "object.spec.containers.all(c, c.image.lastIndexOf(':') > c.image.lastIndexOf('/'))",
    "object.spec.containers[0].image.substring(0, 8) == 'registry' && object.metadata.name.size() < 63",
    "object.metadata.name.charAt(0) == 'p' && object.metadata.name.indexOf('ai') == 2",
    "object.metadata.name.charAt(9) == ''",
    "' a '.trim().upperAscii() + object.metadata.name == 'Arich'",
    "strings.quote(object.metadata.name) == '\"rich\"'",
    "object.metadata.name.matches(object.metadata.name + '(') || object.metadata.name == 'plain'",
    # numbers, and values that are none
    "object.spec.terminationGracePeriodSeconds == 30",
    "object.spec.terminationGracePeriodSeconds / (object.spec.containers.size() - 1) > 0",
    "object.spec.containers.size() + int(object.spec.priority) == 1",
    "int(object.metadata.annotations.number) > 5",
    "object.spec.containers[1].name == 'side'",
    "object.spec.terminationGracePeriodSeconds > 29.5 && object.spec.terminationGracePeriodSeconds in [30, 60]",
    "object.metadata.annotations.number > 5",
    "object.spec.containers.map(c, c.name).sort().reverse()[0] == 'side'",
    "object.spec.containers.map(c, c.image.size() > 5).distinct() == [true]",
    "object.spec.containers.slice(1, 2)[0].name == 'side'",
    "timestamp('2026-01-01T12:30:00Z').getHours() == 12 && object.metadata.name.size() == 4",
    # sets, and loops over two variables
    "sets.contains(['main', 'side'], object.spec.containers.map(c, c.name))",
    "sets.intersects(object.spec.containers.map(c, c.name), ['side'])",
    "sets.equivalent(object.spec.containers.map(c, c.name), ['side', 'main', 'main'])",
    "object.metadata.labels.all(k, v, v != 'b')",
    "object.spec.containers.exists(i, c, i == 1 && c.name == 'side')",
    "object.metadata.labels.existsOne(k, v, k.startsWith('example.com/'))",
    "object.spec.containers.transformList(i, c, i) == [0, 1]",
    # errors that another branch absorbs
    "object.spec.missing == 1 || object.kind == 'Pod'",
    "object.kind == 'Job' && object.spec.missing == 1",
    "has(object.spec.missing.deeper) || true",
)

# Expressions that only one of the two rejects when the rule is written; docs/custom-rules.md lists them.
DIFFERENT: Final = {
    "namespaceObject.metadata.uid != ''": "what a namespace has is not checked before",
    "request.nothing == 1": "what request has is not checked before",
    "1 < 2.0": "integers compare with floating-point numbers only where one is not known before",
    "[1, 'a'].size() == 2": "a list written out may be of several types",
    "'abc'.reverse() == 'cba'": "texts can be reversed",
    **dict.fromkeys(
        (
            "'a'.replace('a', 'b') == 'b'",
            "'a,b'.split(',').size() == 2",
            "['a', 'b'].join(',') == 'a,b'",
            "'%d'.format([1]) == '1'",
            "'a1'.find('[0-9]') == '1'",
            "'a1'.findAll('[0-9]').size() == 1",
            "[1, 2].sum() == 3",
            "[1, 2].min() == 1 && [1, 2].max() == 2",
            "[1, 2].isSorted()",
            "[1, 2].indexOf(2) == 1 && [1, 2].lastIndexOf(2) == 1",
            "[[1]].flatten() == [1]",
            "lists.range(3) == [0, 1, 2]",
            "[2, 1].sortBy(x, x) == [1, 2]",
            "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
            "{'a': 1}.transformMapEntry(k, v, {k: v}) == {'a': 1}",
            "quantity('1Gi').isLessThan(quantity('2Gi'))",
            "isQuantity('1')",
            "ip('10.0.0.1').family() == 4",
            "isIP('10.0.0.1')",
            "cidr('10.0.0.0/8').containsIP('10.0.0.1')",
            "timestamp('2020-01-01T00:00:00Z').getHours('Europe/Berlin') == 1",
            "url('https://example.com').getHost() == 'example.com'",
            "semver('1.0.0').major() == 1",
            "authorizer.group('').resource('pods').check('get').allowed()",
        ),
        "functions that we do not have",
    ),
}


def identifier(number: int) -> str:
    """Return the id of the rule with an expression; ids have no digits."""
    return f"r-{ascii_lowercase[number // 26]}{ascii_lowercase[number % 26]}"


def samples(space: str) -> list[Json]:
    """Return Pods that differ in the fields that the expressions read."""
    limits = {"resources": {"limits": {"memory": "64Mi", "cpu": "500m"}}}
    rich = pod(
        "rich",
        space,
        {**GOOD, "example.com/a": "b"},
        annotations={"owner": "team-a", "number": "7", "address": "10.1.2.3"},
    )
    rich["spec"] = {
        "containers": [
            {"name": "main", "image": "registry.example/main:1", **limits, "env": [{"name": "A", "value": "b"}]},
            {"name": "side", "image": "registry.example/side@sha256:00", **limits, "ports": [{"containerPort": 80}]},
        ],
        "nodeSelector": {"disk": "ssd"},
        "hostNetwork": True,
    }
    odd = pod("odd", space, GOOD, annotations={"owner": "", "number": "x", "address": "fe80::1"})
    odd["spec"] = {
        "containers": [{"name": "main", "image": "nginx", "resources": {"limits": {"memory": "2Gi"}}}],
        "terminationGracePeriodSeconds": 60,
    }
    return [pod("plain", space, GOOD), rich, odd]


def validating(name: str, expressions: Mapping[str, str], space: str) -> Json:
    """Return a ValidatingAdmissionPolicy for the Pods of one namespace, with the rules' ids as messages."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ],
            },
            "validations": [{"expression": text, "message": rule} for rule, text in expressions.items()],
        },
    }


def warning(name: str) -> Json:
    """Return the binding under which a policy warns."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Warn"]},
    }


def by_kubernetes(catflap: Installation, manifest: Json, expressions: Mapping[str, str]) -> dict[str, str]:
    """Return Kubernetes' verdict on an object: for each violated rule, whether it is false or fails."""
    path = PODS.format(manifest["metadata"]["namespace"], "?dryRun=All")
    warnings = catflap.cluster.call("POST", path, manifest).warnings
    said = {}
    for rule, text in expressions.items():
        if any(f"expression '{text[:60]}" in one for one in warnings):
            said[rule] = "error"
        elif any(one.endswith(f": {rule}") for one in warnings):
            said[rule] = "false"
    return said


def by_catflap(catflap: Installation) -> dict[str, str]:
    """Return catflap's verdict on the last object, from its record."""
    found = catflap.server.records()[-1].get("audited", [])
    return {one["rule"]: "error" if "expression fails" in one["message"] else "false" for one in found}


@pytest.mark.parametrize("first", range(0, len(EXPRESSIONS), CHUNK))
def test_the_verdicts_are_kubernetes_own(catflap: Installation, namespace_name: str, first: int) -> None:
    """The result is true, false or an error, for each expression and each object."""
    expressions = {identifier(number): text for number, text in enumerate(EXPRESSIONS)}
    expressions = dict(list(expressions.items())[first : first + CHUNK])
    catflap.apply(namespace(namespace_name, tier="gold"))
    name = f"{NAME}-{first}"
    canary = {identifier(len(EXPRESSIONS)): "false"}
    catflap.cluster.api(
        "POST", f"{ADMISSION}/validatingadmissionpolicies", validating(name, {**expressions, **canary}, namespace_name)
    )
    catflap.cluster.api("POST", f"{ADMISSION}/validatingadmissionpolicybindings", warning(name))
    rules = [{"id": rule, "resources": ["pods"], "cel": text} for rule, text in expressions.items()]
    catflap.configure({"custom": rules, "mode": "audit"})
    plain, *others = samples(namespace_name)
    eventually(partial(by_kubernetes, catflap, plain, canary), within=30)
    for manifest in (plain, *others):
        theirs = by_kubernetes(catflap, manifest, expressions)
        ours = by_catflap(catflap)
        told = {expressions[rule]: (theirs.get(rule, "true"), ours.get(rule, "true")) for rule in expressions}
        assert {text: verdicts for text, verdicts in told.items() if verdicts[0] != verdicts[1]} == {}


@pytest.mark.parametrize("expression", DIFFERENT)
def test_what_differs_is_what_is_documented(catflap: Installation, expression: str) -> None:
    """Exactly one of the two rejects each of these when it is written."""
    policy = validating(f"{NAME}-trial", {"trial": expression}, "nowhere")
    answer = catflap.cluster.call("POST", f"{ADMISSION}/validatingadmissionpolicies?dryRun=All", policy)
    try:
        compile_expression(expression)
        taken = True
    except BadExpressionError:
        taken = False
    assert answer.refused is taken, answer.body


LIMITS: Final = {
    "id": "limits-set",
    "resources": ["pods", "deployments"],
    "cel": "(object.kind == 'Pod' ? object : object.spec.template).spec.containers.all(c, "
    "has(c.resources) && has(c.resources.limits))",
    "message": "set resource limits",
}


def test_a_pod_is_refused_with_the_rules_message(catflap: Installation, namespace_name: str) -> None:
    """Kubectl prints the message, and a Deployment is judged before its Pods."""
    catflap.apply(namespace(namespace_name))
    catflap.configure({"custom": [LIMITS]})
    refused = catflap.apply(pod("web", namespace_name, GOOD))
    assert f"Pod {namespace_name}/web has 1 violation:\n- limits-set: set resource limits" in refused.stderr
    refused = catflap.apply(deployment("web", namespace_name, GOOD))
    assert f"Deployment {namespace_name}/web has 1 violation:\n- limits-set: set resource limits" in refused.stderr
    assert (
        catflap.apply(
            {**samples(namespace_name)[2], "metadata": pod("fine", namespace_name, GOOD)["metadata"]}
        ).returncode
        == 0
    )
    catflap.configure({"custom": [LIMITS], "rules": {"limits-set": "warn"}})
    warned = catflap.apply(pod("web", namespace_name, GOOD))
    assert warned.returncode == 0
    assert "limits-set: set resource limits" in warned.stderr


def test_an_error_refuses_and_says_what_to_do(catflap: Installation, namespace_name: str) -> None:
    """An error does not admit the object."""
    catflap.apply(namespace(namespace_name))
    rule = {**LIMITS, "cel": "object.spec.priorityClassName == 'low'"}
    catflap.configure({"custom": [rule]})
    refused = catflap.apply(pod("web", namespace_name, GOOD))
    assert refused.returncode == 1
    assert 'limits-set: the rule\'s expression fails: the field "priorityClassName" is absent' in refused.stderr
    assert "can use has()" in refused.stderr


def test_a_bad_expression_is_refused_at_the_door(catflap: Installation) -> None:
    """The message appears when the file is applied, with line and column in the file and in the expression."""
    head = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\n"
    text = f"{head}custom:\n  - id: limits-set\n    resources: [pods]\n    cel: object.spec.n + 1 == 'a'\n"
    answer = edit(catflap, text)
    assert answer.status == 403
    assert (
        "custom[0].cel: line 1, column 19 of the expression: the operator == does not take values of these types: int, string"
        in answer.body["message"]
    )
    assert answer.body["message"].endswith("(line 6, column 5)")
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == ["custom[0].cel"]


def test_the_namespace_is_looked_at_as_it_is_now(catflap: Installation, namespace_name: str) -> None:
    """It uses the rights of the chart, and no cached value."""
    catflap.apply(namespace(namespace_name))
    rule = {**LIMITS, "cel": "namespaceObject.metadata.?labels[?'tier'].orValue('') == 'gold'"}
    catflap.configure({"custom": [rule]})
    assert catflap.apply(pod("web", namespace_name, GOOD)).returncode == 1
    catflap.apply(namespace(namespace_name, tier="gold"))
    assert catflap.apply(pod("web", namespace_name, GOOD)).returncode == 0


def test_changes_that_only_custom_rules_read_are_asked_about(catflap: Installation, namespace_name: str) -> None:
    """The registration follows: without such rules, edits of annotations are not reviewed."""
    catflap.apply(namespace(namespace_name))
    assert catflap.apply(pod("web", namespace_name, GOOD)).returncode == 0
    path = PODS.format(namespace_name, "/web?dryRun=All")
    change = {"metadata": {"annotations": {"note": "x"}}}
    merge = "application/merge-patch+json"
    rule = {**LIMITS, "resources": ["pods"], "cel": "!('note' in object.metadata.?annotations.orValue({}))"}
    catflap.configure({"custom": [rule]})
    eventually(lambda: catflap.cluster.call("PATCH", path, change, content_type=merge).status == 403)
    catflap.configure()
    eventually(lambda: catflap.cluster.call("PATCH", path, change, content_type=merge).status == 200)


REGISTRY: Final = {
    "id": "registry",
    "resources": ["pods"],
    "cel": "object.spec.containers.all(c, c.image.startsWith('registry.example/'))",
    "message": "images come\nfrom registry.example\n",
}


def test_padding_hides_no_change(catflap: Installation, namespace_name: str) -> None:
    """An object that is too large is rejected if a field that the rule reads changes, and reported otherwise."""
    catflap.apply(namespace(namespace_name))
    fine = {"containers": [{"name": "main", "image": "registry.example/a"}]}
    assert catflap.apply({**pod("web", namespace_name, GOOD), "spec": fine}).returncode == 0
    path = PODS.format(namespace_name, "/web?dryRun=All")
    merge = "application/merge-patch+json"
    evil = {"containers": [{"name": "main", "image": "evil.example/a"}]}
    padding = {"annotations": {f"example.com/a{number}": "x" * 240 for number in range(950)}}
    strategic = "application/strategic-merge-patch+json"
    catflap.configure({"custom": [REGISTRY]})
    eventually(lambda: catflap.cluster.call("PATCH", path, {"spec": evil}, content_type=strategic).status == 403)
    both = catflap.cluster.call("PATCH", path, {"spec": evil, "metadata": padding}, content_type=strategic)
    assert (both.status, "too large" in both.body["message"]) == (403, True)
    padded = catflap.cluster.call("PATCH", path, {"metadata": padding}, content_type=merge)
    assert padded.status == 200
    assert any("too large" in one for one in padded.warnings)


def test_a_rule_about_who_asks_holds_for_changes(catflap: Installation, namespace_name: str) -> None:
    """It holds for more than creation."""
    catflap.apply(namespace(namespace_name))
    assert catflap.apply(pod("web", namespace_name, GOOD)).returncode == 0
    path = PODS.format(namespace_name, "/web?dryRun=All")
    change = {"metadata": {"annotations": {"note": "x"}}}
    catflap.configure({"custom": [{**REGISTRY, "cel": "'admins' in request.userInfo.groups"}]})
    merge = "application/merge-patch+json"
    eventually(lambda: catflap.cluster.call("PATCH", path, change, content_type=merge).status == 403)


def test_a_warning_of_several_lines_is_shown(catflap: Installation, namespace_name: str) -> None:
    """It matches one namespace."""
    catflap.apply(namespace(namespace_name))
    catflap.configure({"custom": [{**REGISTRY, "cel": "false"}], "rules": {"registry": "warn"}})
    warned = catflap.apply(pod("web", namespace_name, GOOD))
    assert warned.returncode == 0
    assert "Warning: registry: images come from registry.example" in warned.stderr
