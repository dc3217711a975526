"""network-config-analyzer: who reaches whom under a set of policies, plain ones and Calico's."""

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
# What the analyzer refuses, and what makes no difference to it: all that we write is in one tier.
REFUSED: Final = {"tier", "performanceHints"}


class NoAnswer(Exception):  # noqa: N818 -- reads as what it is
    """The analyzer does not take the manifests; the message is its own."""


@dataclass(frozen=True)
class Reach:
    """An answer: `parts` are many sources, targets and protocols each, with Pods by name and addresses by ranges."""

    parts: tuple[Mapping[str, Any], ...]

    @cached_property
    def edges(self) -> frozenset[str]:
        """The first and last address of every range in the answer.

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
    """The running analyzer, in the Python of an environment that has it."""

    def __init__(self, python: Path) -> None:
        super().__init__([python, "-I", SERVER], seconds=ANSWER_SECONDS)

    def reach(self, topology: Topology, policies: Sequence[Manifest]) -> Reach:
        """Who reaches whom; raises `NoAnswer`."""
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
    """A policy in the analyzer's words; raises ValueError for a kind that it would pass over without a word."""
    if (policy["apiVersion"], policy["kind"]) not in KINDS:
        raise ValueError(f"the analyzer knows no {policy['kind']} of {policy['apiVersion']}")
    spec = {key: value for key, value in policy["spec"].items() if key not in REFUSED}
    return {**policy, "spec": spec}


def ends(found: Mapping[str, Any], addresses: Iterable[str]) -> Iterator[str]:
    """The Pods at one end, and those of the addresses that lie in one of its ranges."""
    yield from found["pods"]
    spans = [(ip_address(first), ip_address(last)) for first, last in found["addresses"]]
    for text in addresses:
        address = ip_address(text)
        if any(first.version == address.version and int(first) <= int(address) <= int(last) for first, last in spans):
            yield text
