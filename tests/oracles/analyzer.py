"""Query network-config-analyzer for the allowed connections under a set of NetworkPolicies and Calico policies."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from tests.oracles.connectivity import FIRST_PORT, LAST_PORT, OTHER, Connection, Connections, with_merged_ports
from tests.oracles.conversation import Conversation
from tests.oracles.sample_topology import Manifest, Topology

SERVER: Final = Path(__file__).parent / "network_config_analyzer" / "server.py"
ANSWER_SECONDS: Final = 60.0  # a hundred times what a large question takes
CALICO: Final = "projectcalico.org/v3"
KINDS: Final = {("networking.k8s.io/v1", "NetworkPolicy"), (CALICO, "NetworkPolicy"), (CALICO, "GlobalNetworkPolicy")}
# Fields that the analyzer refuses, and that have no effect on its result: all of catflap's policies are in one tier.
REFUSED: Final = {"tier", "performanceHints"}


class NoAnswer(Exception):  # noqa: N818 -- reads as what it is
    """The analyzer refuses the manifests; the message is the analyzer's."""


@dataclass(frozen=True)
class Reach:
    """An answer: each of the `parts` has sources, targets and protocols, with Pods by name and addresses by ranges."""

    parts: tuple[Mapping[str, Any], ...]

    @cached_property
    def edges(self) -> frozenset[str]:
        """Return the first and last address of every range in the answer.

        Between two edges of whatever is compared, all addresses are treated alike, so the edges alone tell a difference.
        """
        return frozenset(
            address
            for part in self.parts
            for end in ("sources", "targets")
            for span in part[end]["addresses"]
            for address in span
        )

    def connections(self, addresses: Iterable[str] = ()) -> Connections:
        """What is open between Pods, and between them and these addresses; not from a Pod to itself, which always is."""
        known = sorted(addresses)
        return with_merged_ports(
            Connection(source, target, protocol, first, last)
            for part in self.parts
            for source in ends(part["sources"], known)
            for target in ends(part["targets"], known)
            if source != target
            for protocol in part["protocols"]
            for first, last in ([(FIRST_PORT, LAST_PORT)] if protocol == OTHER else part["ports"])
        )


class Analyzer(Conversation):
    """The running analyzer, in the Python of its virtual environment."""

    def __init__(self, python: Path) -> None:
        super().__init__([python, "-I", SERVER], seconds=ANSWER_SECONDS)

    def reach(self, topology: Topology, policies: Sequence[Manifest]) -> Reach:
        """Return the allowed connections; raises `NoAnswer`."""
        calico = any(policy["apiVersion"] == CALICO for policy in policies)
        answer = self.ask(
            {
                "namespaces": [space.manifest(calico=calico) for space in topology.spaces],
                "pods": [pod.manifest(calico=calico) for pod in topology.pods],
                "policies": [understood(policy) for policy in policies],
            }
        )
        if "error" in answer:
            raise NoAnswer(answer["error"])
        return Reach(tuple(answer["ways"]))


def understood(policy: Manifest) -> Manifest:
    """Convert a policy for the analyzer; raises ValueError for a kind that the analyzer would silently ignore."""
    if (policy["apiVersion"], policy["kind"]) not in KINDS:
        raise ValueError(f"the analyzer knows no {policy['kind']} of {policy['apiVersion']}")
    spec = {key: value for key, value in policy["spec"].items() if key not in REFUSED}
    return {**policy, "spec": spec}


def ends(found: Mapping[str, Any], addresses: Iterable[str]) -> Iterator[str]:
    """Return the Pods at one end, and those of the addresses that are in one of its ranges."""
    yield from found["pods"]
    spans = [(ip_address(first), ip_address(last)) for first, last in found["addresses"]]
    for text in addresses:
        address = ip_address(text)
        if any(first.version == address.version and int(first) <= int(address) <= int(last) for first, last in spans):
            yield text
