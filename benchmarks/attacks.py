"""Attack a running catflap as a tenant or an unknown sender can, and measure the waiting times of other users meanwhile.

    python -m benchmarks.attacks [--seconds 10] [--engine calico] [--worker gthread] [ATTACK ...]

A control plane of its own runs the chart's configuration. Each attack repeats for some seconds while another user creates
good Pods at a steady rate. The table shows the attack's own answer, the waits of the good Pods, the peak memory of both
processes, and the longest audit record. Ends with status 1 where a good Pod is refused, where the 99th percentile of
the waits is above 250 ms, where memory exceeds the chart's limit, or where the log is not sound afterwards.
"""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.harness import argument_parser, exit_with_status, installation, quantile
from benchmarks.pressure import Pressure, grant_edit, watched
from tests.cluster.installation import CHART, NAMESPACE, Installation
from tests.cluster.manifests import GOOD, Json, namespace, pod
from tests.cluster.policies import GROUPS
from tests.controlplane.protobuf import open_policy, post

ATTACKER: Final = "attacker"
POLICY: Final = "catflap-policy"
LONGEST_WAIT_SECONDS: Final = 0.25
GIVE_UP_SECONDS: Final = 15.0
PAUSE_SECONDS: Final = 0.1

Act = Callable[[Installation, int], str]


class Attack(NamedTuple):
    """One way to attack: `act` does it once and returns the answer in a few words; `at_once` threads repeat it."""

    act: Act
    at_once: int = 1
    policy: Mapping[str, Any] = {}


def create(resource: str, body: Callable[[int], Json], catflap: Installation, number: int, *, query: str = "") -> str:
    """Create one object as the attacker."""
    group = f"/apis/{body(number)['apiVersion']}" if "/" in body(number)["apiVersion"] else "/api/v1"
    path = f"{group}/namespaces/{ATTACKER}/{resource}{query}"
    answer = catflap.cluster.call("POST", path, body(number), as_user=ATTACKER)
    return f"{answer.status} {answer.body.get('reason', 'Created') if isinstance(answer.body, dict) else ''}"


def policy(spec: Json, number: int) -> Json:
    """A NetworkPolicy of the attacker."""
    metadata = {"name": f"wide-{number}-{time.monotonic_ns()}", "namespace": ATTACKER}
    return {"apiVersion": GROUPS["kubernetes"], "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def ingress(peers: list[Json], ports: list[Json]) -> Json:
    """The spec of a policy with one ingress rule."""
    return {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": peers, "ports": ports}]}


def peers_and_ports(size: int) -> Callable[[int], Json]:
    """A policy with as many peers as ports, each peer every namespace."""
    ports = [{"port": 1 + number, "protocol": "TCP"} for number in range(size)]
    return partial(policy, ingress([{"namespaceSelector": {}}] * size, ports))


def networks(size: int) -> Callable[[int], Json]:
    """A policy with many distinct networks on one port."""
    blocks = [{"ipBlock": {"cidr": f"100.{64 + number // 256 % 64}.{number % 256}.0/24"}} for number in range(size)]
    return partial(policy, ingress(blocks, [{"port": 443}]))


def selectors(size: int) -> Callable[[int], Json]:
    """A policy whose peer lists many values."""
    among = {"key": "team", "operator": "In", "values": [f"team-{number}" for number in range(size)]}
    return partial(policy, ingress([{"podSelector": {"matchExpressions": [among]}}], [{"port": 443}]))


def labels(size: int) -> Callable[[int], Json]:
    """A Pod with many labels that rules are about."""
    many = {f"pcns.label-{number}": "x" for number in range(size)}
    return lambda number: pod(f"labels-{number}", ATTACKER, {**GOOD, **many})


def escapes(size: int) -> Callable[[int], Json]:
    """A Pod with an argument of `<`, each of which has six bytes in a review."""
    container = {"name": "web", "image": "nginx", "args": ["<" * size]}
    return lambda number: {**pod(f"escapes-{number}", ATTACKER, GOOD), "spec": {"containers": [container]}}


def good_pod(number: int) -> Json:
    """A Pod without a fault."""
    return pod(f"good-{number}-{time.monotonic_ns()}", ATTACKER, GOOD)


def large_policy_file(number: int) -> str:
    """A policy file of many flows that is wrong; written by hand, as a library takes a second, in which the measured Pods wait as well."""
    flows = "".join(f"  - {{from: frontend, to: backend, ports: [{port}/TCP]}}\n" for port in range(1, 4000))
    return f"apiVersion: catflap.dev/v1\nkind: GuardPolicy\nnetwork:\n  flows:\n{flows}x: {number}\n"


def edit_policy_file(catflap: Installation, number: int) -> str:
    """Offer a large policy file that is wrong, as a dry run."""
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{POLICY}?dryRun=All"
    body = {"data": {"policy.yaml": large_policy_file(number)}}
    answer = catflap.cluster.call("PATCH", path, body, content_type="application/merge-patch+json")
    return f"{answer.status} {answer.body.get('reason', 'Changed')}"


def forged_review(catflap: Installation, number: int) -> str:
    """Post a review that names an owner outside of the namespace, without being the API server."""
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "../../older/deployments/old", "uid": "x"}
    forged = pod("forged", ATTACKER, {})
    forged["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    user = {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": []}
    request = {
        "uid": f"forged-{number}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": ATTACKER,
        "operation": "CREATE",
        "userInfo": user,
        "object": forged,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    context = ssl.create_default_context(cafile=str(catflap.folder / "tls" / "ca.crt"))
    connection = http.client.HTTPSConnection("localhost", catflap.port, context=context, timeout=GIVE_UP_SECONDS)
    with suppress(OSError):
        connection.request("POST", "/validate", json.dumps(review), {"Content-Type": "application/json"})
        return f"{connection.getresponse().status}"
    return "no answer"


def policy_in_protobuf(peers: int, catflap: Installation, number: int) -> str:
    """Create a policy in protobuf, whose review is some times larger than what the API server received."""
    path = f"/api/v1/namespaces/{ATTACKER}/serviceaccounts/default/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = catflap.cluster.api("POST", path, request)["status"]["token"]
    body = open_policy(f"protobuf-{number}-{time.monotonic_ns()}", ATTACKER, peers=peers)
    where = f"/apis/networking.k8s.io/v1/namespaces/{ATTACKER}/networkpolicies?dryRun=All"
    return str(post(catflap.cluster, where, body, token=token))


def idle(_catflap: Installation, _number: int) -> str:
    """Do nothing: the baseline."""
    time.sleep(PAUSE_SECONDS)
    return "-"


ENFORCED: Final = {"rules": {"no-open-policy": "enforce"}}
OUTSIDE: Final = {
    "network": {
        "clusterCIDRs": ["10.0.0.0/8"],
        "flows": [{"from": "outside", "to": "frontend", "ports": [f"{port}/TCP"]} for port in range(8000, 8100)],
    }
}
ATTACKS: Final[Mapping[str, Attack]] = {
    "none": Attack(idle),
    "peers-times-ports-enforced": Attack(partial(create, "networkpolicies", peers_and_ports(3000)), 2, ENFORCED),
    "peers-times-ports-warned": Attack(
        partial(create, "networkpolicies", peers_and_ports(1500), query="?dryRun=All"), 2
    ),
    "networks-times-flows": Attack(partial(create, "networkpolicies", networks(8000), query="?dryRun=All"), 2, OUTSIDE),
    "selector-values": Attack(partial(create, "networkpolicies", selectors(60_000), query="?dryRun=All"), 2),
    "many-labels": Attack(partial(create, "pods", labels(100_000), query="?dryRun=All"), 2),
    "unread": Attack(partial(create, "pods", escapes(1_500_000), query="?dryRun=All"), 2),
    "parallel-creates": Attack(partial(create, "pods", good_pod), 90),
    "protobuf-7-MiB": Attack(partial(policy_in_protobuf, 300_000), 2, ENFORCED),
    "protobuf-17-MiB": Attack(partial(policy_in_protobuf, 700_000), 2, ENFORCED),
    "policy-files": Attack(edit_policy_file, 8),
    "forged-reviews": Attack(forged_review, 72),
}


def carried_out(catflap: Installation, attack: Attack, seconds: float) -> tuple[list[str], Pressure]:
    """Repeat an attack for some seconds; its answers, and what other users experienced."""
    until = time.monotonic() + seconds

    def repeat(thread: int) -> Iterator[str]:
        number = thread * 1_000_000
        while time.monotonic() < until:
            number += 1
            yield attack.act(catflap, number)

    with watched(catflap) as outcome, ThreadPoolExecutor(attack.at_once) as pool:
        answers = [one for rows in pool.map(lambda thread: list(repeat(thread)), range(attack.at_once)) for one in rows]
    return answers, outcome()


def limits() -> dict[str, float]:
    """The chart's memory limits in MiB."""
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return {
        role: float(values[role]["resources"]["limits"]["memory"].removesuffix("Mi"))
        for role in ("server", "controller")
    }


def main() -> None:
    """Carry out the attacks and print the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", default=list(ATTACKS), help=f"of {', '.join(ATTACKS)}")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--worker", choices=("asgi", "gthread"), default="asgi")
    chosen = parser.parse_args()
    table = Table(
        "attack", "answers", "good Pods", "median ms", "p99 ms", "max ms", "server MiB", "controller MiB", "record B"
    )
    broken: list[str] = []
    with installation(chosen.engine, worker=chosen.worker) as catflap:
        catflap.cluster.api("POST", "/api/v1/namespaces", namespace(ATTACKER))
        grant_edit(catflap, ATTACKER, ATTACKER)
        grant_edit(catflap, f"system:serviceaccount:{ATTACKER}:default", ATTACKER)
        for name in chosen.attacks:
            network = {"engine": chosen.engine, **ATTACKS[name].policy.get("network", {})}
            catflap.configure({**ATTACKS[name].policy, "network": network})
            answers, found = carried_out(catflap, ATTACKS[name], chosen.seconds)
            table.add_row(name, summary(answers), *figures(found))
            broken += [f"{name}: {promise}" for promise in broken_promises(found)]
        Console(width=200).print(table)  # before the processes end, as the verification of their log may fail
    exit_with_status(broken)


def summary(answers: list[str]) -> str:
    """How often each answer came."""
    return ", ".join(f"{answers.count(one)} x {one}" for one in sorted(set(answers)))


def figures(found: Pressure) -> list[str]:
    """The cells of one row."""
    waits = found.waits or [0.0]
    options = [f"{1000 * quantile(waits, share):.0f}" for share in (0.5, 0.99, 1.0)]
    good = f"{len(found.waits) - len(found.errors)} of {len(found.waits)}"
    return [good, *options, f"{found.server_peak:.0f}", f"{found.controller_peak:.0f}", str(found.longest_record)]


def broken_promises(found: Pressure) -> Iterator[str]:
    """Yield the broken promises to other users."""
    if found.errors:
        yield f"{len(found.errors)} good Pods were refused, the first with {found.errors[0]}"
    if found.waits and quantile(found.waits, 0.99) > LONGEST_WAIT_SECONDS:
        yield f"the 99th percentile of the waits is {quantile(found.waits, 0.99):.2f} s"
    most = limits()
    if found.server_peak > most["server"] or found.controller_peak > most["controller"]:
        yield f"memory reached {found.server_peak:.0f} and {found.controller_peak:.0f} MiB"


if __name__ == "__main__":
    main()
