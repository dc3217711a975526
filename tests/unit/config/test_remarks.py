"""Check that settings without an effect have a remark, and that other settings have none."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent
from typing import Any, Final

import pytest
import yaml

from tests.unit.samples import HEAD
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.config.remarks import remarks_on
from webhook.model.rule import Rule
from webhook.rules import RULES

NOW: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
EXAMPLES: Final = sorted((Path(__file__).parents[2] / "cases" / "netpol").rglob("policy.yaml"))
POLICIES: Final = Path(__file__).parents[2] / "cases" / "messages" / "policies"
FLOW: Final = "from: frontend, to: backend, ports: [80/TCP]"
TWO: Final = "namespaces: {environment: {oneOf: [a, b]}}\nworkloads: {role: {oneOf: [backend, data]}}"
BUILT_IN: Final = "{group: apps.kruise.io, resource: clonesets, kind: CloneSet, template: spec.template}"
BOTH: Final = "workloads: {role: {oneOf: [frontend, backend]}}"


def custom(cel: str = "object.kind == 'Pod'", resources: str = "pods", more: str = "") -> str:
    """Return a file with one custom rule."""
    return f'custom: [{{id: mine, resources: [{resources}], cel: "{cel}"{more}}}]'


def told(text: str) -> list[str]:
    """Return the remarks on a file."""
    return [str(one) for one in remarks_on(HEAD + text, NOW)]


def exception(rule: str = "require-app", namespace: str = "shop", until: str = "2026-06-15") -> str:
    """Return a file with one exception."""
    return f"exceptions: [{{rule: {rule}, namespace: {namespace}, owner: a, reason: b, until: {until}}}]"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (exception(until="2026-06-14"), "exceptions[0].until"),
        (exception() + "\nmode: off", "exceptions[0].rule"),
        (exception(namespace="kube-public"), "exceptions[0].namespace"),
        (exception()[:-1] + exception(until="2026-06-20").replace("exceptions: [", ", "), "exceptions[0]"),
        (f"network: {{engine: none, flows: [{{{FLOW}}}]}}", "network.flows"),
        (f"{BOTH}\nnetwork: {{engine: none, flows: [{{{FLOW}}}]}}", "network.flows"),
        ("network: {engine: none, windowsNodes: true}", "network.windowsNodes"),
        ("network: {engine: none, dns: none}", "network.dns"),
        ("network: {engine: none}\nnamespaces: {includeExisting: [a]}", "namespaces.includeExisting"),
        (f"network: {{flows: [{{{FLOW}}}]}}", "workloads.role.oneOf"),
        (f"{BOTH[:-3]}, batch]}}}}\nnetwork: {{flows: [{{{FLOW}}}]}}", "workloads.role.oneOf[2]"),
        ("roles: {backend: {}}", "roles.backend"),
        ("network: {clusterCIDRs: [10.1.0.0/16, 10.0.0.0/8]}", "network.clusterCIDRs[0]"),
        ("network: {clusterCIDRs: ['fd00::/8', 'fd12::/16']}", "network.clusterCIDRs[1]"),
        ("network: {dns: [{cidrs: [10.0.0.0/8, 10.0.0.10]}]}", "network.dns[0].cidrs[1]"),
        ("network: {flows: [{from: {cidrs: [10.0.0.0/8, 10.0.0.10]}, to: {namespaces: [a]}, ports: [1/TCP]}]}", "network.flows[0].from.cidrs[1]"),
        (f"{BOTH}\nnetwork: {{flows: [{{from: frontend, to: backend, ports: [80/TCP, 70-90/TCP]}}]}}", "network.flows[0].ports[0]"),
        (f"{BOTH}\nnetwork: {{flows: [{{{FLOW}}}, {{{FLOW}}}]}}", "network.flows[1]"),
        ("network: {nodeCIDRs: [10.0.0.0/8]}", "network.nodeCIDRs"),
        ("namespaces: {includeExisting: [team-*, team-a-*, a]}", "namespaces.includeExisting[1]"),
        ("namespaces: {reserved: {prefixes: [a-*, a-b-*]}}", "namespaces.reserved.prefixes[1]"),
        ("roles: {data: {claim: {namespaces: [a-*, a-b]}}}", "roles.data.claim.namespaces[1]"),
        ("namespaces: {overrides: [{names: [kube-system], mode: off}]}", "namespaces.overrides[0].names[0]"),
        ("namespaces: {overrides: [{names: [a-*], mode: off}, {names: [a-b, a-c-*], mode: warn}]}", "namespaces.overrides[1]"),
        ("namespaces: {overrides: [{labels: {a: b}, mode: off}, {names: [c], labels: {a: b, d: e}, mode: warn}]}", "namespaces.overrides[1]"),
        (f"rules: {{mine: off}}\n{custom()}", "custom[0]"),
        ("rules: {require-label: warn}", "rules.require-label"),
        ("rules: {require-label: off}", "rules.require-label"),
        ("rules: {role-claim: warn}", "rules.role-claim"),
        ("workloads: {role: {aliases: []}}\nrules: {no-alias-conflict: warn}", "rules.no-alias-conflict"),
        ("namespaces: {overrides: [{names: [a], rules: {require-label: off}}]}", "namespaces.overrides[0].rules.require-label"),
        (exception("require-label"), "exceptions[0].rule"),
        (exception() + "\nnamespaces: {overrides: [{names: [sh*], mode: off}]}", "exceptions[0].rule"),
        (exception() + "\nnamespaces: {overrides: [{names: [shop], rules: {require-app: off}}]}", "exceptions[0].rule"),
        ("workloads: {require: [{label: team, oneOf: [a]}]}\nrules: {require-label: off}", "workloads.require"),
        ("roles: {data: {claim: {namespaces: [a]}}}\nrules: {role-claim: off}", "roles"),
        ("mode: off\nvalidatingAdmissionPolicy: true", "validatingAdmissionPolicy"),
        ("mode: warn\nvalidatingAdmissionPolicy: true", "validatingAdmissionPolicy"),
        ("mode: warn\nvalidatingAdmissionPolicy: true\nrules: {labels-agree: enforce}", "validatingAdmissionPolicy"),
        ("mode: warn\nvalidatingAdmissionPolicy: true\nnamespaces: {overrides: [{names: [a], mode: audit}]}", "validatingAdmissionPolicy"),
        (custom(cel="true"), "custom[0].cel"),
        (custom(cel="1 + 1 == 2"), "custom[0].cel"),
        (custom(cel=r"request.operation != \"DELETE\""), "custom[0].cel"),
        (custom(cel="'DELETE' != request . operation || object.kind == 'Pod'"), "custom[0].cel"),
        (custom(cel="request.operation == 'create'"), "custom[0].cel"),
        (custom(more=", params: {most: 5}"), "custom[0].params"),
        (custom(resources="pods, workloads"), "custom[0].resources[0]"),
        (custom(resources="deployments, pods, deployments.apps"), "custom[0].resources[2]"),
        (f"workloads: {{extraKinds: [{BUILT_IN}]}}", "workloads.extraKinds[0]"),
        ("workloads: {app: {aliases: []}, role: {aliases: []}, fillFromAliases: false}", "workloads.fillFromAliases"),
        ("workloads: {require: [{label: team, oneOf: [a]}, {label: team, oneOf: [a]}]}", "workloads.require[1]"),
        ("workloads: {require: [{label: team, oneOf: [a, b]}, {label: team, oneOf: [b, c]}]}", "workloads.require[1].oneOf[1]"),
        ("workloads: {require: [{label: team, matches: 'a.*'}, {label: team, oneOf: [ab, b]}]}", "workloads.require[1].oneOf[1]"),
        ("workloads: {require: [{label: role, oneOf: [frontend, backend, data, db]}]}", "workloads.require[0].oneOf[3]"),
        ("namespaces: {environment: {label: stage}}", "namespaces.environment.label"),
        ("network: {flows: [{from: {namespaces: [kube-system]}, to: outside, ports: [1/TCP]}]}", "network.flows[0]"),
        ("network: {flows: [{from: {namespaces: [kube-system]}, to: {namespaces: [kube-public]}, ports: [1/TCP]}]}", "network.flows[0]"),
        ("namespaces: {reserved: {prefixes: [a-*]}}\nnetwork: {flows: [{from: {cidrs: [192.0.2.1]}, to: {namespaces: [a-b, a-c]}, ports: [1/TCP]}]}", "network.flows[0]"),
        (f"{BOTH}\nnetwork: {{flows: [{{{FLOW}}}, {{from: frontend, to: backend, ports: [70-90/TCP]}}]}}", "network.flows[0]"),
        (f"{BOTH}\nnetwork: {{flows: [{{{FLOW}}}, {{from: frontend, to: backend, ports: [80-80/TCP]}}]}}", "network.flows[1]"),
        ("network: {dns: [{cidrs: [192.0.2.1]}, {cidrs: [192.0.2.1]}]}", "network.dns[1]"),
        ("namespaces: {includeExisting: [a, b, a]}", "namespaces.includeExisting[2]"),
        ("namespaces: {includeExisting: [kube-system, a]}", "namespaces.includeExisting[0]"),
        ("namespaces: {includeExisting: [a-*, b], reserved: {prefixes: [a-*]}}", "namespaces.includeExisting[0]"),
        ("namespaces: {includeExisting: [a-b-*, b], reserved: {prefixes: [a-*]}}", "namespaces.includeExisting[0]"),
        ("namespaces: {includeExisting: [a-b], reserved: {prefixes: [a-*]}}", "namespaces.includeExisting[0]"),
        ("namespaces: {exempt: [kube-system, a-b], reserved: {prefixes: [a-*]}}", "namespaces.exempt[1]"),
        ("namespaces: {reserved: {prefixes: [a-*]}, overrides: [{names: [a-*], mode: off}]}", "namespaces.overrides[0].names[0]"),
        ("namespaces: {reserved: {prefixes: [a-*]}, overrides: [{names: [b, a-b-*], mode: off}]}", "namespaces.overrides[0].names[1]"),
        ("roles: {data: {claim: {namespaces: [kube-system, a]}}}", "roles.data.claim.namespaces[0]"),
        ("roles: {data: {claim: {serviceAccounts: [a/b, kube-system/c]}}}", "roles.data.claim.serviceAccounts[1]"),
        ("exempt: {groups: ['catflap:break-glass', a]}", "exempt.groups[0]"),
        ("breakGlass: {groups: [a]}\npolicyFile: {deletedBy: [b, a]}", "policyFile.deletedBy[1]"),
        ("breakGlass: {groups: [a]}\nnamespaces: {labelledBy: [a]}", "namespaces.labelledBy[0]"),
        ("breakGlass: {groups: [a]}\nnamespaces: {reserved: {groups: [a]}}", "namespaces.reserved.groups[0]"),
        ("exempt: {users: ['system:serviceaccount:a:b'], serviceAccounts: [a/b]}", "exempt.users[0]"),
        ("exempt: {groups: ['system:serviceaccounts:a'], serviceAccounts: [a/b, c/d]}", "exempt.serviceAccounts[0]"),
        ("exempt: {groups: ['system:serviceaccounts:a'], users: ['system:serviceaccount:a:b']}", "exempt.users[0]"),
        (
            f"{TWO}\nnetwork: {{flows: [{{from: {{role: backend, namespaces: [x]}}, to: {{role: data, namespaces: [y]}}, ports: [1/TCP]}}]}}",
            "network.flows[0]",
        ),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_told(text: str, path: str) -> None:
    """The remark is at the setting's path, and no other setting has one."""
    assert [one.partition(": ")[0] for one in told(text)] == [path]


@pytest.mark.parametrize(
    "text",
    [
        "",
        exception(),
        exception("mine") + f"\nrules: {{mine: warn}}\n{custom()}",
        "mode: off",
        exception() + "\nnamespaces: {overrides: [{labels: {a: b}, mode: warn}, {names: [shop], mode: off}]}",
        exception() + "\nmode: off\nnamespaces: {overrides: [{names: [shop], rules: {require-app: warn}}]}",
        "rules: {no-alias-conflict: warn, labels-agree: off, require-app: off, keep-role: warn}",
        "workloads: {require: [{label: team, oneOf: [a]}]}\nrules: {require-label: warn}",
        "workloads: {require: [{label: team, oneOf: [a]}]}\nrules: {require-label: off}\nnamespaces: {overrides: [{names: [a], rules: {require-label: audit}}]}",
        "roles: {data: {claim: {namespaces: [a]}}}\nrules: {role-claim: warn}",
        "validatingAdmissionPolicy: true",
        "mode: warn\nvalidatingAdmissionPolicy: true\nrules: {known-role: enforce}",
        "mode: off\nvalidatingAdmissionPolicy: true\nnamespaces: {overrides: [{names: [a], mode: enforce}]}",
        custom(cel="false"),
        custom(cel="request.operation != 'UPDATE' || object.kind == 'Pod'"),
        custom(cel="params.most > 1", more=", params: {most: 5}"),
        custom(resources="pods, deployments"),
        "workloads: {app: {aliases: []}, role: {aliases: []}}",
        "workloads: {role: {aliases: []}, fillFromAliases: false}",
        "workloads: {require: [{label: team, oneOf: [a, b]}, {label: team, oneOf: [b]}, {label: other, oneOf: [c]}]}",
        "workloads: {require: [{label: team, matches: 'a.*'}, {label: team, matches: '.*b'}]}",
        "namespaces: {environment: {label: stage, oneOf: [a]}}",
        "namespaces: {environment: {label: environment}}",
        "network: {flows: [{from: {namespaces: [kube-system]}, to: backend, ports: [1/TCP]}]}",
        "network: {flows: [{from: {namespaces: [kube-system, a]}, to: outside, ports: [1/TCP]}]}",
        f"{BOTH}\nnetwork: {{flows: [{{{FLOW}}}, {{from: backend, to: frontend, ports: [80/TCP]}}, {{from: frontend, to: backend, ports: [80/UDP]}}]}}",
        "namespaces: {includeExisting: [a-*, b], reserved: {prefixes: [a-b-*]}}",
        "namespaces: {reserved: {prefixes: [calico-*]}}",
        "namespaces: {reserved: {prefixes: [a-b-*]}, overrides: [{names: [a-*], mode: off}]}",
        "roles: {data: {claim: {namespaces: [kube-system]}}}",
        "breakGlass: {groups: [a]}\nexempt: {groups: [b], users: [a]}",
        "exempt: {groups: ['system:serviceaccounts:a'], serviceAccounts: [c/d], users: [b]}",
        exception() + "\nmode: off\nnamespaces: {overrides: [{names: [shop], mode: warn}]}",
        "network: {engine: none, flows: []}",
        exception()[:-1] + exception(namespace="other").replace("exceptions: [", ", "),
        f"{BOTH}\nnetwork: {{flows: [{{{FLOW}}}]}}",
        "network: {flows: [{from: {namespaces: [a]}, to: backend, ports: [1/TCP]}]}",
        "network: {clusterCIDRs: [10.0.0.0/8, 11.0.0.0/8, 'fd00::/8', '::/16']}",
        f"{BOTH}\nnetwork: {{flows: [{{from: frontend, to: backend, ports: [80/TCP, 80/UDP, 81-90/TCP, 85-95/TCP]}}]}}",
        "network: {nodeCIDRs: [10.0.0.0/8], presets: [kubelet-probes]}",
        "namespaces: {includeExisting: [team-*, teams-*, team]}",
        "namespaces: {overrides: [{names: [a], mode: off}, {names: [a, b], mode: warn}]}",
        "namespaces: {overrides: [{names: [a], labels: {c: d}, mode: off}, {names: [a], mode: warn}]}",
        f"{TWO}\nnetwork: {{flows: [{{from: {{role: backend, namespaces: [x]}}, to: {{role: data, namespaces: [x]}}, ports: [1/TCP]}}]}}",
        f"{TWO}\nnetwork: {{flows: [{{from: {{role: backend, namespaces: [x]}}, to: data, ports: [1/TCP], across: environment}}]}}",
    ],
)  # fmt: skip
def test_what_has_an_effect_is_not_told(text: str) -> None:
    """Users ignore warnings that are often wrong."""
    assert told(text) == []


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        ("mode: Enforce", "rules.require-label"),
        ("validatingAdmissionPolicies: true", "rules.require-label"),
        ("network: {flows: [{from: {}, to: backend}]}", "rules.require-label"),
        ("custom: [{id: Mine, resources: [pods]}]", "rules.require-label"),
        ("exceptions: [{}]", "rules.require-label"),
        ("workloads: {role: {oneOf: []}}", "rules.require-label"),
        ("workloads: {require: [{label: a}]}", None),
        ("workloads: {required: [{label: a}]}", None),
        ("workloads: []", None),
    ],
)
def test_a_file_with_faults_has_remarks_on_what_they_do_not_touch(fault: str, path: str | None) -> None:
    """A setting has no remark if the correction of a fault may give it an effect."""
    found = [one.partition(": ")[0] for one in told(f"rules: {{require-label: warn}}\n{fault}")]
    assert found == ([path] if path else [])


def test_a_list_in_which_an_item_is_at_fault_has_no_remarks() -> None:
    """The numbers of its items may change, and the user must edit the list anyway."""
    assert told("network: {clusterCIDRs: [10.0.0.0/8, 10.0.0.0/8, 10.1.0.0/16], nodeCIDRs: [10.2.0.0/16]}") == [
        "network.nodeCIDRs: it has no effect without the preset kubelet-probes"
    ]
    assert told("namespaces: {includeExisting: [a, a, B]}") == []
    assert (
        told(
            "network: {flows: [{from: frontend, to: {namespaces: [a]}, ports: [82/TCP, 81/TCP, 81/TCP, 80/TCP, 70-90/TCP]}]}"
        )
        == []
    )


def test_a_broken_flow_may_be_what_names_a_role() -> None:
    """No role is reported as unused; the ports of the other flows are checked."""
    flows = "{from: frontend, to: backend, ports: [80/TCP, 70-90/TCP]}, {from: data, ports: [1/TCP]}"
    assert [one.partition(": ")[0] for one in told(f"network: {{flows: [{flows}]}}")] == ["network.flows[0].ports[0]"]


def test_remarks_on_a_config_map_with_faults_are_at_its_lines() -> None:
    """The faults of the manifest and of the policy file hide no remarks."""
    text = "apiVersion: V1\nkind: ConfigMap\ndata:\n  policy.yaml: |\n" + indent(
        f"{HEAD}mode: Warn\nrules: {{require-label: warn}}", "    "
    )
    assert [(one.path, one.place) for one in remarks_on(text, NOW)] == [("rules.require-label", (8, 13))]


@pytest.mark.parametrize("rule", [one for one in RULES.values() if one.settings], ids=lambda rule: rule.id)
def test_a_rule_with_settings_of_its_own_judges_nothing_without_them(rule: Rule) -> None:
    """The message names the settings if the mode has no effect."""
    assert f"{rule.settings} is empty" in told(f"rules: {{{rule.id}: warn}}")[0]


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield each path of a file."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from paths(one, (*path, key))


def changed(content: Any, path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> Any:
    """Return a file with one value changed."""
    whole = deepcopy(content)
    around = whole
    for step in path[:-1]:
        around = around[step]
    change(around, path[-1])
    return whole


def broken(around: Any, key: Any) -> None:
    """Replace a value by a mapping that no policy file allows."""
    around[key] = {"?": []}


def misspelt(around: Any, key: Any) -> None:
    """Rename a key to an unknown one; leave an item of a list unchanged."""
    if isinstance(around, dict):
        around[f"{key}-x-x"] = around.pop(key)


@pytest.mark.parametrize("change", [broken, misspelt])
@pytest.mark.parametrize("name", ["no-effect", "no-effect-of-every-sort", "no-effect-without-policies"])
def test_what_is_said_of_a_faulty_file_is_said_of_the_file_without_the_fault(
    name: str, change: Callable[[Any, Any], None]
) -> None:
    """For each faulty key and item, a warning does not depend on how the user corrects it."""
    content = yaml.safe_load((POLICIES / f"{name}.yaml").read_text(encoding="utf-8").replace("off", "'off'"))
    sound = {(one.path, one.message) for one in remarks_on(yaml.safe_dump(content), NOW)}
    assert sound
    kept = 0
    for path in paths(content):
        text = yaml.safe_dump(changed(content, path, change))
        try:
            parse(text)
        except BadPolicy:
            found = {(one.path, one.message) for one in remarks_on(text, NOW)}
            assert found <= sound, path
            kept += len(found)
    assert kept > len(sound)
