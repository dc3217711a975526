"""Check which custom rules the policy file refuses, and the places of the faults."""

import sys

import pytest

from tests.unit.samples import HEAD, policy
from webhook.cel import library
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.model.kinds import KUBERNETES_OWN
from webhook.model.modes import Mode

GOOD = '  - {id: mine, resources: [pods], cel: "object.spec.n == 1"}\n'


def faults(text: str) -> list[str]:
    """Return each fault of a file with these lines, with its line and column."""
    with pytest.raises(BadPolicy) as bad:
        parse(HEAD + text)
    return [f"{one.place.line}:{one.place.column} {one}" if one.place else str(one) for one in bad.value.faults]


def test_a_good_rule_is_taken() -> None:
    """A mode and exceptions may name its id."""
    exception = "{rule: mine, namespace: a, owner: b, reason: c, until: 2030-01-01}"
    found = policy(f"rules: {{mine: warn}}\nexceptions: [{exception}]\ncustom:\n{GOOD}")
    assert found.mode_of("mine") is Mode.WARN
    assert found.custom[0].says == "not true: object.spec.n == 1"


def test_a_namespace_may_have_a_mode_of_its_own() -> None:
    """An override names custom rules like built-in rules."""
    found = policy(f"namespaces: {{overrides: [{{names: [a], rules: {{mine: warn}}}}]}}\ncustom:\n{GOOD}")
    assert found.mode_of("mine", override=found.namespaces.override("a", {})) is Mode.WARN


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "{id: mine, resources: [pods], cel: \"1 + 'a' == 2\"}",
            "4:35 custom[0].cel: line 1, column 3 of the expression: the operator + does not take values of these types: int, string",
        ),
        (
            '{id: mine, resources: [pods], cel: "object.a"}',
            (
                "4:35 custom[0].cel: the expression returns a value of any type (dyn) instead of true or false; "
                "compare the value, such as == true"
            ),
        ),
        (
            '{id: mine, resources: [pods], cel: "params.a == 1"}',
            "4:35 custom[0].cel: the expression reads params, and the rule has no params; add params",
        ),
        (
            '{id: require-app, resources: [pods], cel: "true"}',
            "4:6 custom[0].id: 'require-app' is the id of a built-in rule; choose another id",
        ),
        (
            '{id: Mine, resources: [pods], cel: "true"}',
            (
                "4:6 custom[0].id: 'Mine' is not a valid rule id: expected lower-case words joined by hyphens; did you "
                "mean 'mine'?"
            ),
        ),
        (
            '{id: mine, resources: [], cel: "true"}',
            "4:16 custom[0].resources: the list is empty; expected at least 1 item",
        ),
    ],
)
def test_a_bad_rule_is_refused_at_its_place(rule: str, said: str) -> None:
    """The place is in the file, and the message has the place in the expression."""
    assert faults(f"custom:\n  - {rule}\n") == [said]


def test_a_resource_that_makes_no_pods_is_refused() -> None:
    """The message lists the resources that make Pods."""
    [fault] = faults('custom:\n  - {id: mine, resources: [configmaps], cel: "true"}\n')
    assert (
        "custom[0].resources[0]: 'configmaps' is not a resource that custom rules can check: write workloads for "
        "all" in fault
    )


EXTRA = "workloads: {extraKinds: [{group: example.com, resource: widgets, kind: Widget, template: spec.pod}]}\n"


@pytest.mark.parametrize("name", ["widgets.example.com", "services.serving.knative.dev", "deployments.apps", "jobs"])
def test_a_resource_is_named_with_its_group(name: str) -> None:
    """Extra kinds need their group like built-in kinds; only Kubernetes' own kinds need none."""
    policy(f'{EXTRA}custom:\n  - {{id: mine, resources: [{name}], cel: "true"}}\n')


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("services", "services.serving.knative.dev"),
        ("configurations", "configurations.serving.knative.dev"),
        ("widgets", "widgets.example.com"),
    ],
)
def test_a_plural_alone_means_kubernetes_own(name: str, full: str) -> None:
    """A rule about `services` means Kubernetes' own Services, which make no Pods."""
    [fault] = faults(f'{EXTRA}custom:\n  - {{id: mine, resources: [{name}], cel: "true"}}\n')
    assert (
        f"{name!r} is not a resource that custom rules can check: write {full}, because a plural without a "
        "group means the resource of Kubernetes"
    ) in fault


@pytest.mark.parametrize(
    ("name", "own", "others"), [("daemonsets", True, False), ("daemonsets.apps.kruise.io", False, True)]
)
def test_a_rule_is_about_the_resource_that_it_names(name: str, own: bool, others: bool) -> None:
    """The rule ignores other resources with the same plural."""
    [rule] = policy(f'custom:\n  - {{id: mine, resources: [{name}], cel: "true"}}\n').custom
    assert (rule.applies("apps", "daemonsets"), rule.applies("apps.kruise.io", "daemonsets")) == (own, others)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            "{a: [1, 18446744073709551616]}",
            ("custom[0].params.a[1]: the number has more than 64 bits; write it in quotes"),
        ),
        ("{a: -9223372036854775809}", "custom[0].params.a: the number has more than 64 bits"),
        ("{a: {b: {null: 1}}}", "custom[0].params.a.b"),
        ("{a: {1: 1}}", "custom[0].params.a"),
        ("{a: !!set {b}}", "custom[0].params.a"),
    ],
)
def test_params_that_no_run_could_read_are_refused(params: str, said: str) -> None:
    """Otherwise each object would cause an error."""
    found = faults(f'custom:\n  - {{id: mine, resources: [pods], cel: "params.a == 1", params: {params}}}\n')
    assert any(said in one for one in found), found


def test_params_that_can_be_read_are_taken() -> None:
    """Every JSON value is allowed."""
    params = "{a: [18446744073709551615, -9223372036854775808, 1.5, null, true, text, 2026-01-01, 1e400], b: {c: {}}}"
    policy(f'custom:\n  - {{id: mine, resources: [pods], cel: "params.a == params.b", params: {params}}}\n')


def test_a_rule_that_no_object_could_afford_is_refused() -> None:
    """The check runs when the file is read, not for each object."""
    cel = "params.a.all(x, params.a.all(y, x != y + 'z'))"
    items = ", ".join(f"item-{number}" for number in range(900))
    [fault] = faults(f'custom:\n  - {{id: mine, resources: [pods], cel: "{cel}", params: {{a: [{items}]}}}}\n')
    assert "custom[0].cel: the expression can exceed the cost limit for every object" in fault


def test_an_id_stands_once() -> None:
    """With a repeated id, a mode or an exception would apply to both rules."""
    assert faults(f"custom:\n{GOOD}{GOOD}") == [
        ("5:6 custom[1].id: an earlier custom rule has the id 'mine'; choose another id")
    ]


def test_expressions_are_bounded_together() -> None:
    """The library would need seconds for them, and the webhook has little time."""
    rules = "".join(
        f'  - {{id: {"a" * (number + 1)}, resources: [pods], cel: "{" || ".join(["true"] * 1_200)}"}}\n'
        for number in range(6)
    )
    assert faults(f"custom:\n{rules}") == [
        (
            f"3:1 custom: the expressions of all custom rules have {6 * (1_200 * 8 - 4)} characters together; the "
            "limit is 50000"
        )
    ]


@pytest.mark.parametrize(("pattern", "large"), [("(a{900}){90}", 162_004), ("[a\\\\pL]{800}", 160_004)])
def test_their_patterns_are_bounded_together(pattern: str, large: int) -> None:
    """The limit counts their repetitions written out."""
    rule = f"cel: \"object.a.matches('{pattern}') || 'it{{9999}}' == object.b || object.b.matches('{pattern}')\""
    [fault] = faults(f"custom:\n  - {{id: mine, resources: [pods], {rule}}}\n")
    assert fault.startswith("3:1 custom: with expanded repetitions, the patterns of all custom rules have ")
    assert fault.endswith(f" {large} characters together; the limit is 150000")


def test_an_unknown_id_is_answered_with_the_custom_ones_too() -> None:
    """The answer treats them like built-in rules."""
    [fault] = faults(f"rules: {{min: warn}}\ncustom:\n{GOOD}")
    assert "rules.min: unknown rule 'min'; did you mean 'mine'?" in fault
    [fault] = faults(f"namespaces: {{overrides: [{{names: [a], rules: {{min: warn}}}}]}}\ncustom:\n{GOOD}")
    assert "namespaces.overrides[0].rules.min: unknown rule 'min'; did you mean 'mine'?" in fault
    [fault] = faults(
        f"exceptions: [{{rule: min, namespace: a, owner: b, reason: c, until: 2030-01-01}}]\ncustom:\n{GOOD}"
    )
    assert "did you mean 'mine'?" in fault


def test_without_the_library_the_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the remedy; a file without custom rules needs no library."""
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    library.load_library.cache_clear()
    try:
        [fault] = faults(f"custom:\n{GOOD}")
        policy("")
    finally:
        monkeypatch.undo()
        library.load_library.cache_clear()
    assert fault == (
        "3:1 custom: custom rules in CEL need a library that is not installed (cel_expr_python): pip install "
        "catflap[cel]"
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("deployment", "deployments"),
        ("Deployment", "deployments"),
        ("deploy", "deployments"),
        ("Pods", "pods"),
        ("po", "pods"),
        ("v1/pods", "pods"),
        ("sts", "statefulsets"),
        ("StatefulSet", "statefulsets"),
        ("replicationcontroller", "replicationcontrollers"),
        ("cj", "cronjobs"),
        ("deploymets", "deployments"),
        ("apps/deployments", "deployments"),
        ("apps/v1/deployments", "deployments"),
        ("deployments.v1.apps", "deployments.apps"),
        ("Rollout", "rollouts.argoproj.io"),
        ("rollout.argoproj.io", "rollouts.argoproj.io"),
        ("workload", "workloads"),
        ("'*'", "workloads"),
        ("all", "workloads"),
    ],
)
def test_a_resource_that_may_be_meant_is_proposed(written: str, meant: str) -> None:
    """The test compares whole sentences for a kind, a singular, a short name, a version and a typing error."""
    [fault] = faults(f"custom: [{{id: mine, resources: [{written}], cel: object.a == 1}}]\n")
    assert fault.endswith(f"is not a resource that custom rules can check; did you mean {meant!r}?")


@pytest.mark.parametrize("written", ["configmaps", "ingress", "namespaces"])
def test_the_list_of_resources_is_not_cut_off(written: str) -> None:
    """It has each of Kubernetes' own resources."""
    [fault] = faults(f"custom: [{{id: mine, resources: [{written}], cel: object.a == 1}}]\n")
    assert all(f" {maker.resource}" in fault for maker in KUBERNETES_OWN)
    assert " … " not in fault


def test_each_number_that_is_none_is_told() -> None:
    """Each number has its own place; the limits themselves are allowed."""
    text = "custom: [{id: mine, resources: [pods], cel: params.a == 1, params: {a: .nan, b: [.inf, .nan], c: {d: .NaN}}}]\n"
    paths = [fault.split()[1].rstrip(":") for fault in faults(text)]
    assert paths == ["custom[0].params.a", "custom[0].params.b[1]", "custom[0].params.c.d"]
