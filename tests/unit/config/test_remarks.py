"""Settings that have no effect are told, and settings that have one are not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.unit.samples import HEAD
from webhook.config.default import DEFAULT_POLICY
from webhook.config.remarks import remarks_on

NOW: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
EXAMPLES: Final = sorted((Path(__file__).parents[2] / "cases" / "netpol").rglob("policy.yaml"))
FLOW: Final = "from: frontend, to: backend, ports: [80/TCP]"
TWO: Final = "namespaces: {environment: {oneOf: [a, b]}}\nworkloads: {role: {oneOf: [backend, data]}}"
BOTH: Final = "workloads: {role: {oneOf: [frontend, backend]}}"


def told(text: str) -> list[str]:
    """The remarks on a file."""
    return [str(one) for one in remarks_on(HEAD + text, NOW)]


def exception(rule: str = "require-app", namespace: str = "shop", until: str = "2026-06-15") -> str:
    """A file with one exception."""
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
        ("network: {engine: none}\ngate: {freshness: 1}", "gate.freshness"),
        ("network: {engine: none}\nnamespaces: {adopt: [a]}", "namespaces.adopt"),
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
        ("namespaces: {adopt: [team-*, team-a-*, a]}", "namespaces.adopt[1]"),
        ("namespaces: {reserved: {prefixes: [a-*, a-b-*]}}", "namespaces.reserved.prefixes[1]"),
        ("roles: {data: {claim: {namespaces: [a-*, a-b]}}}", "roles.data.claim.namespaces[1]"),
        ("namespaces: {overrides: [{names: [kube-system], mode: off}]}", "namespaces.overrides[0].names[0]"),
        ("namespaces: {overrides: [{names: [a-*], mode: off}, {names: [a-b, a-c-*], mode: warn}]}", "namespaces.overrides[1]"),
        ("namespaces: {overrides: [{labels: {a: b}, mode: off}, {names: [c], labels: {a: b, d: e}, mode: warn}]}", "namespaces.overrides[1]"),
        ("rules: {mine: off}\ncustom: [{id: mine, resources: [pods], cel: 'true'}]", "custom[0]"),
        (
            f"{TWO}\nnetwork: {{flows: [{{from: {{role: backend, namespaces: [x]}}, to: {{role: data, namespaces: [y]}}, ports: [1/TCP]}}]}}",
            "network.flows[0]",
        ),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_told(text: str, path: str) -> None:
    """At its path, and nothing else is."""
    assert [one.partition(": ")[0] for one in told(text)] == [path]


@pytest.mark.parametrize(
    "text",
    [
        "",
        exception(),
        exception("mine") + "\nrules: {mine: warn}\ncustom: [{id: mine, resources: [pods], cel: 'true'}]",
        exception() + "\nmode: off\nnamespaces: {overrides: [{names: [shop], mode: warn}]}",
        "network: {engine: none, flows: []}",
        exception()[:-1] + exception(namespace="other").replace("exceptions: [", ", "),
        f"{BOTH}\nnetwork: {{flows: [{{{FLOW}}}]}}",
        "network: {flows: [{from: {namespaces: [a]}, to: backend, ports: [1/TCP]}]}",
        "network: {clusterCIDRs: [10.0.0.0/8, 11.0.0.0/8, 'fd00::/8', '::/16']}",
        f"{BOTH}\nnetwork: {{flows: [{{from: frontend, to: backend, ports: [80/TCP, 80/UDP, 81-90/TCP, 85-95/TCP]}}]}}",
        "network: {nodeCIDRs: [10.0.0.0/8], presets: [kubelet-probes]}",
        "namespaces: {adopt: [team-*, teams-*, team]}",
        "namespaces: {overrides: [{names: [a], mode: off}, {names: [a, b], mode: warn}]}",
        "namespaces: {overrides: [{names: [a], labels: {c: d}, mode: off}, {names: [a], mode: warn}]}",
        f"{TWO}\nnetwork: {{flows: [{{from: {{role: backend, namespaces: [x]}}, to: {{role: data, namespaces: [x]}}, ports: [1/TCP]}}]}}",
        f"{TWO}\nnetwork: {{flows: [{{from: {{role: backend, namespaces: [x]}}, to: data, ports: [1/TCP], across: environment}}]}}",
    ],
)  # fmt: skip
def test_what_has_an_effect_is_not_told(text: str) -> None:
    """No one reads warnings of which half are wrong."""
    assert told(text) == []


def test_the_default_file_has_no_remark() -> None:
    """It spells out every key."""
    assert remarks_on(DEFAULT_POLICY, NOW) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_a_remark_points_at_a_line_of_the_file(path: Path) -> None:
    """Where the file has that key."""
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert all(one.place is None or one.place.line <= lines for one in remarks_on(text, NOW))


def test_no_endless_list_is_told() -> None:
    """Of one kind."""
    found = told(f"network: {{clusterCIDRs: [10.0.0.0/8, {', '.join(f'10.{n}.0.0/16' for n in range(100))}]}}")
    assert len(found) == 21
    assert found[0].startswith("and more of this kind: ")
