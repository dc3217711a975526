"""Answer who reaches whom, question after question, inside the analyzer's own virtual environment.

Starting it takes half a second and an answer a few hundredths, so it stays.  A question is a line of JSON with `namespaces`,
`pods` and `policies`, all manifests; the answer has `ways`, or `error`.

The analyzer is handed objects instead of files: its reader of YAML takes any scalar that looks like a number for one, even in
quotes, and would not find a label value of digits again.
"""

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nca.CoreDS.ConnectivityProperties import ConnectivityProperties
from nca.CoreDS.Peer import BasePeerSet, IpBlock
from nca.NetworkConfig.NetworkConfig import NetworkConfig
from nca.NetworkConfig.ResourcesHandler import ResourcesParser
from nca.Resources.PolicyResources.NetworkPolicy import PolicyConnectionsFilter
from nca.Utils.NcaLogger import NcaLogger

ANSWER_SECONDS = 120  # then this process ends: its client may have ended
EVERY_PORT = [[1, 65535]]
WITH_PORTS = {6: "TCP", 17: "UDP", 132: "SCTP"}
EVERY_PROTOCOL = range(256)
UNDERSTOOD = {"src_peers", "dst_peers", "protocols", "dst_ports"}


def main() -> None:
    """Answer until the questions end."""
    NcaLogger().dont_collect_msgs()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the analyzer prints there as well
    for line in sys.stdin:
        signal.alarm(ANSWER_SECONDS)
        try:
            answer: dict[str, Any] = {"ways": list(connections(**json.loads(line)))}
        except Exception as error:  # noqa: BLE001 -- whatever it is, who asked has to know
            answer = {"error": f"{type(error).__name__}: {error}"}
        signal.alarm(0)
        print(json.dumps(answer), file=answers, flush=True)


def connections(*, namespaces: Iterable[Any], pods: Iterable[Any], policies: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """What is open: from each of the sources to each of the targets, by each of the protocols, on all these ports."""
    found = allowed(namespaces, pods, policies)
    if not found:
        return
    if strange := set(found.active_dimensions) - UNDERSTOOD:
        raise ValueError(f"nobody here understands {sorted(strange)}")
    for cube in found:
        values = dict(zip(found.active_dimensions, cube, strict=True))
        yield {
            "sources": ends(values["src_peers"]),
            "targets": ends(values["dst_peers"]),
            "protocols": protocols(values.get("protocols", EVERY_PROTOCOL)),
            "ports": [[one.start, one.end] for one in values["dst_ports"]] if "dst_ports" in values else EVERY_PORT,
        }


def allowed(namespaces: Iterable[Any], pods: Iterable[Any], policies: Sequence[Any]) -> ConnectivityProperties:
    """The analyzer's own way from manifests to connections, without its files and its output."""
    BasePeerSet.reset()
    parser = ResourcesParser()
    for namespace in namespaces:
        parser.ns_finder.parse_yaml_code_for_ns(namespace)
    parser.pods_finder.namespaces_finder = parser.ns_finder
    for pod in pods:
        parser.pods_finder.add_eps_from_yaml(pod)
    peers = parser.build_peer_container()
    parser.policies_finder.set_peer_container(peers)
    for policy in policies:
        parser.policies_finder.parse_yaml_code_for_policy(policy, policy["metadata"]["name"])
    parser.policies_finder.parse_policies_in_parse_queue()
    if len(parser.policies_finder.policies_container.policies) != len(policies):
        raise ValueError(
            "a policy was passed over: one of a kind that the analyzer does not know, or a name given twice"
        )
    config = NetworkConfig("question", peers, parser.policies_finder)
    connections = config.allowed_connections(res_conns_filter=PolicyConnectionsFilter.only_all_allowed_connections())
    return config.filter_conns_by_peer_types(connections.all_allowed_conns)


def ends(indices: Any) -> dict[str, list[Any]]:
    """Pods by namespace and name, and addresses as first and last of each range."""
    peers = BasePeerSet().get_peer_set_by_indices(indices)
    blocks = [peer for peer in peers if isinstance(peer, IpBlock)]
    return {
        "pods": sorted(peer.full_name() for peer in peers if not isinstance(peer, IpBlock)),
        "addresses": [[str(one.start), str(one.end)] for block in blocks for one in block],
    }


def protocols(numbers: Any) -> list[str]:
    """Yield the protocols with ports by their names; `other` means at least one of the remaining ones."""
    found = [number for number in EVERY_PROTOCOL if number in numbers]
    return sorted({WITH_PORTS.get(number, "other") for number in found})


if __name__ == "__main__":
    main()
