"""Check that a broken part hides no fault of the sound parts, and causes no fault in them."""

from typing import Any, Final

import pytest
import yaml

from tests.unit.config.test_wording import PATHS, WRONG, placed
from tests.unit.samples import HEAD
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse

# Faults between parts, each with the reported path.
TOGETHER: Final = {
    "network.flows[0].to": "network: {flows: [{from: frontend, to: database, ports: [5432/TCP]}]}",
    "exceptions[0].rule": "exceptions: [{rule: require-apps, namespace: shop, owner: ann, reason: old, until: 2099-01-01}]",
    "roles.database": "roles: {database: {claim: {namespaces: [shop]}}}",
    "exempt.groups[0]": "exempt: {groups: ['system:authenticated']}",
    "namespaces.environment.label": "namespaces: {environment: {label: catflap.dev/guard, oneOf: [test]}}",
    "workloads.existingWorkloads": "workloads: {scope: object, existingWorkloads: admit}",
    "rules.require-apps": "rules: {require-apps: warn}",
}
# Faults of shape; no check above reads these parts.
SHAPES: Final = {
    "mode": "mode: Enforce",
    "report": "report: auto",
    "validatingAdmissionPolicy": "validatingAdmissionPolicy: 'yes'",
    "reports": "reports: sometimes",
}


def paths(text: str) -> set[str]:
    """Return the paths of the faults of a file."""
    with pytest.raises(BadPolicy) as bad:
        parse(f"{HEAD}{text}")
    return {fault.path for fault in bad.value.faults}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("together", TOGETHER)
def test_a_fault_of_shape_hides_no_fault_of_another_part(shape: str, together: str) -> None:
    """Users can correct both together."""
    assert paths(f"{SHAPES[shape]}\n{TOGETHER[together]}\n") == {shape, together}


def merged(*texts: str) -> str:
    """Merge several files section by section."""
    found: dict[str, Any] = {}
    for text in texts:
        for key, value in yaml.safe_load(text).items():
            found[key] = {**found[key], **value} if key in found else value
    return yaml.safe_dump(found, sort_keys=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            merged("network: {dns: kube-dn}", TOGETHER["network.flows[0].to"]),
            {"network.dns", "network.flows[0].to"},
            id="a typo in dns",
        ),
        pytest.param(
            "network: {flows: [{from: frontend, to: 5, ports: [80/TCP]}, {from: fronted, to: data, ports: [80/TCP]}]}",
            {"network.flows[0].to", "network.flows[1].from"},
            id="another flow, with its own number",
        ),
        pytest.param(
            "network: {flows: [{from: fronted, to: data, ports: [http]}, 5, {from: frontend, to: dat, ports: [80/TCP]}]}",
            {"network.flows[0].from", "network.flows[0].ports[0]", "network.flows[1]", "network.flows[2].to"},
            id="the same flow, and one that is none",
        ),
        pytest.param(
            "exceptions: [{rule: require-apps, namespace: shop}, {rule: known-rol, namespace: shop, owner: a, reason: b, until: 2099-01-01}]",
            {"exceptions[0].owner", "exceptions[0].reason", "exceptions[0].until", "exceptions[0].rule", "exceptions[1].rule"},
            id="an exception that lacks keys",
        ),
        pytest.param(
            "workloads: {role: {oneOf: [web, web]}}\n" + TOGETHER["network.flows[0].to"],
            {"workloads.role.oneOf[1]", "network.flows[0].from", "network.flows[0].to"},
            id="a role listed twice",
        ),
        pytest.param(
            "custom: [{id: mine, resources: [pods], cel: object.x <}, {id: 5, resources: [pods], cel: 'true'}]",
            {"custom[0].cel", "custom[1].id"},
            id="an expression beside a rule whose id is none",
        ),
        pytest.param(
            "namespaces: {flows: []}\nexempt: {groups: ['system:authenticated']}",
            {"namespaces.flows", "exempt.groups[0]"},
            id="a key that is right elsewhere",
        ),
        pytest.param(
            "network: {clusterCIDRs: [10.0.0.0/8], clusterCIDRs: [10.0.0.0/9], flows: [{from: frontend, to: dat, ports: [80/TCP]}]}",
            {"network.clusterCIDRs", "network.flows[0].to"},
            id="a key twice",
        ),
        pytest.param(
            "workloads: {app: {label: app.kubernetes.io/name}, require: [{label: team}]}",
            {"workloads.require[0]"},
            id="a label that is also a default alias",
        ),
        pytest.param(
            "workloads: {app: {label: app.kubernetes.io/name}, role: {oneOf: [a, a]}}",
            {"workloads.role.oneOf[1]"},
            id="a label that is also a default alias, and a broken role",
        ),
    ],
)  # fmt: skip
def test_every_fault_of_a_sound_part_is_told(text: str, told: set[str]) -> None:
    """The path has the item's number in the file."""
    assert paths(text) == told


# Sound files in which one part depends on another, each with a change that breaks the other part.
HANGING: Final = [
    ("workloads: {role: {oneOf: [web, db]}}", "network: {flows: [{from: web, to: db, ports: [80/TCP]}]}", ("workloads", "role", "oneOf")),
    ("workloads: {role: {oneOf: [web, db]}}", "roles: {web: {claim: {namespaces: [shop]}}}", ("workloads", "role", "oneOf")),
    ("namespaces: {environment: {oneOf: [test]}}", "network: {flows: [{from: frontend, to: data, ports: [80/TCP], across: environment}]}", ("namespaces", "environment", "oneOf")),
    ("custom: [{id: mine, resources: [pods], cel: 'true'}]", "rules: {mine: warn}", ("custom", 0, "id")),
    ("custom: [{id: mine, resources: [pods], cel: 'true'}]", "exceptions: [{rule: mine, namespace: a, owner: b, reason: c, until: 2099-01-01}]", ("custom", 0, "id")),
    ("network: {nodeCIDRs: [10.0.0.0/8]}", "network: {presets: [kubelet-probes]}", ("network", "nodeCIDRs")),
    ("namespaces: {includeExisting: all}", "network: {engine: calico, clusterWideDefaultDeny: true}", ("namespaces", "includeExisting")),
    ("workloads: {existingWorkloads: judge}", "workloads: {scope: object}", ("workloads", "existingWorkloads")),
    ("workloads: {fillFromAliases: true, role: {aliases: [component]}}", "network: {flows: [{from: frontend, to: data, ports: [80/TCP]}]}", ("workloads", "fillFromAliases")),
    ("workloads: {extraKinds: [{group: a.example, resource: widgets, kind: Widget, template: spec.template}]}",
     "custom: [{id: mine, resources: [widgets.a.example], cel: 'true'}]", ("workloads", "extraKinds", 0, "resource")),
]  # fmt: skip


@pytest.mark.parametrize(("needed", "hanging", "path"), HANGING)
@pytest.mark.parametrize("how", ["a wrong value", "a misspelt key", "an unknown key", "a key twice"])
def test_what_is_broken_makes_no_other_part_wrong(needed: str, hanging: str, path: tuple[Any, ...], how: str) -> None:
    """A fault that disappears with the correction of another fault is no fault."""
    text = merged(needed, hanging)
    parse(f"{HEAD}{text}")
    content = yaml.safe_load(text)
    inside: Any = content
    for step in path[:-1]:
        inside = inside[step]
    if how == "a wrong value":
        inside[path[-1]] = [[]]
    elif how == "a misspelt key":
        inside[f"{path[-1]}s"] = inside.pop(path[-1])
    elif how == "an unknown key":
        inside["xyzzy"] = inside.pop(path[-1])
    else:
        written = yaml.safe_dump({**inside, "TWICE": inside[path[-1]]}, default_flow_style=True, width=10_000).strip()
        inside["PLACE"] = 1
        whole = yaml.safe_dump(content, default_flow_style=True, width=10_000)
        text = whole.replace(
            yaml.safe_dump(inside, default_flow_style=True, width=10_000).strip(), written.replace("TWICE", path[-1])
        )
    dumped = text if how == "a key twice" else yaml.safe_dump(content, sort_keys=False)
    with pytest.raises(BadPolicy) as bad:
        parse(
            f"{HEAD}{dumped}"
            if how != "a key twice"
            else f"{{apiVersion: catflap.dev/v1, kind: GuardPolicy, {dumped.strip()[1:]}"
        )
    names = {str(path[-1]), f"{path[-1]}s", "xyzzy"}
    for fault in bad.value.faults:
        last = fault.path.replace("[", ".").replace("]", "").split(".")
        assert names & set(last) or "this key is missing" in fault.message, fault


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_no_wrong_value_keeps_the_sound_parts_from_being_judged(path: tuple[str | int, ...]) -> None:
    """Judging also raises no error: the compared fault is in a part that no check relates to others."""
    beside = {"policyFile": {"deletedBy": ["system:authenticated"]}}
    for value in WRONG:
        content = {**placed(path, value)}
        if "policyFile" in content or not isinstance(content, dict):
            continue
        text = yaml.safe_dump({**content, **beside}, sort_keys=False)
        told = paths(text)
        assert told & {"policyFile.deletedBy[0]", ""}  # "" is the path of the message that there are more faults
