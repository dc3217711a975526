"""The analyzer gives the same results through the test server as by its own command, and reports what it cannot analyze."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.controlplane.session import provided
from tests.oracles.analyzer import Analyzer, NoAnswer, understood
from tests.oracles.connectivity import FIRST_PORT, LAST_PORT, PROTOCOLS, Connection, with_merged_ports
from tests.oracles.environment import ENVIRONMENT
from tests.oracles.rendering import rendered
from tests.oracles.sample_topology import Pod, Space, Topology
from tests.oracles.three_tiers import FILE, TOPOLOGY
from webhook.netpol.intent import PolicyEngine

COMMAND: Final = ["-I", "-m", "nca", "--connectivity", "-o", "txt_no_fw_rules", "--output_endpoints", "pods", "-r"]
COMMAND_SECONDS: Final = 60.0
LINE: Final = re.compile(
    r"(?P<source>\S+/\S+) => (?P<target>\S+/\S+) : (?:\{protocols:(.+),dst_ports:(.+)\}|All connections)"
)
DENY: Final[dict[str, Any]] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny", "namespace": "shop"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
SHOP: Final = Topology((Space("shop"),), (Pod("shop", "web"), Pod("shop", "api")))


def printed(output: str) -> Iterator[Connection]:
    """The ways between Pods that the command prints, line by line."""
    for line in output.splitlines():
        if match := LINE.fullmatch(line):
            source, target, protocols, ports = match.groups()
            for protocol in protocols.split(", ") if protocols else PROTOCOLS:
                first, _, last = (ports or f"{FIRST_PORT}-{LAST_PORT}").partition("-")
                yield Connection(source, target, protocol, int(first), int(last or first))


@pytest.mark.parametrize("engine", PolicyEngine)
def test_the_command_says_the_same(
    analyzer: Analyzer, request: pytest.FixtureRequest, tmp_path: Path, engine: PolicyEngine
) -> None:
    """The command reads files by its own reader and prints its own text."""
    policies = rendered(FILE, TOPOLOGY, engine)
    calico = engine is PolicyEngine.CALICO
    spaces = [space.manifest(calico=calico) for space in TOPOLOGY.spaces]
    pods = [pod.manifest(calico=calico) for pod in TOPOLOGY.pods]
    items = [*spaces, *pods, *map(understood, policies)]
    path = tmp_path / "everything.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    python = str(provided(request.config, ENVIRONMENT))
    argv = [python, *COMMAND, str(path)]
    output = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True).stdout
    found = with_merged_ports(printed(output))
    assert len(found) > len(TOPOLOGY.pods)
    assert found == analyzer.reach(TOPOLOGY, policies).connections()


def test_a_label_of_digits_is_found(analyzer: Analyzer) -> None:
    """The command does not find it, since it reads a quoted number as a number."""
    topology = Topology(SHOP.spaces, (*SHOP.pods, Pod("shop", "old", {"version": "1"})))
    taking = {"podSelector": {"matchLabels": {"version": "1"}}, "policyTypes": ["Ingress"], "ingress": [{}]}
    open_ = {**DENY, "metadata": {"name": "open", "namespace": "shop"}, "spec": taking}
    inward = {**DENY, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    found = analyzer.reach(topology, [inward, open_]).connections()
    assert {connection.target for connection in found} == {"shop/old"}


def test_an_input_that_the_analyzer_refuses_is_reported(analyzer: Analyzer) -> None:
    """The next question still has an answer."""
    with pytest.raises(NoAnswer, match="SyntaxError: podsel is not a valid entry"):
        analyzer.reach(SHOP, [{**DENY, "spec": {**DENY["spec"], "podsel": {}}}])
    with pytest.raises(NoAnswer, match="a policy was passed over"):
        analyzer.reach(SHOP, [DENY, DENY])
    assert not analyzer.reach(SHOP, [DENY]).connections()


def test_a_kind_that_it_would_pass_over_is_refused() -> None:
    """A staged policy isolates nothing, and the analyzer would ignore it silently."""
    with pytest.raises(ValueError, match="knows no StagedNetworkPolicy"):
        understood({"apiVersion": "projectcalico.org/v3", "kind": "StagedNetworkPolicy", "spec": {}})


def test_a_range_of_addresses_is_tested_by_its_limits(analyzer: Analyzer) -> None:
    """The edges are the last address inside and the first one outside."""
    out = {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    }
    reach = analyzer.reach(SHOP, [{**DENY, "spec": out}])
    assert reach.edges == {"10.0.0.0", "10.255.255.255"}
    asked = ["9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "::a00:1"]
    assert {connection.target for connection in reach.connections(asked)} == {"10.0.0.0", "10.255.255.255"}
