"""The cost of checking a policy is measured in executed lines of catflap's code, since a busy machine does not change them.

Twice the size may cost twice as much, and a little more for sorting; a product of two lists would cost four times as much.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import pytest

from tests.reviews import encoded
from webhook.admission.judge import judge
from webhook.config.parse import parse
from webhook.model.policy import GuardPolicy
from webhook.netpol.reading.limits import MOST_PARTS
from webhook.review.decode import decode

Json = dict[str, Any]

MOST_GROWTH: Final = 2.5
FILE: Final = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nrules: {no-open-policy: enforce}\n"
FLOWS: Final = "network:\n  clusterCIDRs: [10.0.0.0/8, 172.16.0.0/12]\n  flows:\n" + "".join(
    f"    - {{from: backend, to: outside, ports: [{1000 + number}/TCP]}}\n" for number in range(100)
)


@contextmanager
def counting_lines() -> Iterator[Callable[[], int]]:
    """Count the executed lines of catflap's code in a block."""
    count = 0

    def line(frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ARG001 (as sys.settrace calls it)
        nonlocal count
        count += event == "line"
        return line

    def call(frame: FrameType, event: str, arg: Any) -> Any:
        return line(frame, event, arg) if "webhook" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield lambda: count
    finally:
        sys.settrace(before)


def cost(manifest: Json, file: GuardPolicy) -> int:
    """Return the number of executed lines to read and check a policy in a review."""
    body = encoded(manifest)
    assert file.network.sources is not file.network.targets  # made here, once for a file
    with counting_lines() as count:
        judge(decode(body).policy, file)
    return count()


def plain(**spec: Any) -> Json:
    """Return a NetworkPolicy."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "large", "namespace": "shop"},
        "spec": {"podSelector": {}, **spec},
    }


def calico(**spec: Any) -> Json:
    """Return a policy of Calico."""
    metadata = {"name": "large", "namespace": "shop"}
    return {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def space(number: int) -> Json:
    """Return a namespace selector that matches nearly everything, different for each number."""
    return {"matchExpressions": [{"key": f"label-{number}", "operator": "DoesNotExist"}]}


def net(number: int) -> str:
    """Return a small network, separate for each number."""
    return f"{20 + number // 128}.{number % 128 * 2}.7.0/24"


def egress_rules(nets: list[str], ports: list[Any]) -> Json:
    """Return an egress rule of Calico."""
    return {"action": "Allow", "protocol": "TCP", "destination": {"nets": nets, "ports": ports}}


SHAPES: Final[dict[str, Callable[[int], Json]]] = {
    "peers and ports of one rule": lambda n: plain(
        ingress=[
            {
                "from": [{"namespaceSelector": space(one)} for one in range(n)],
                "ports": [{"port": 2 * one + 1} for one in range(n)],
            }
        ]
    ),
    "networks and ports of one rule": lambda n: calico(
        selector="role == 'backend'",
        types=["Egress"],
        egress=[egress_rules([net(one) for one in range(n)], [2 * one + 1 for one in range(n)])],
    ),
    "networks that flows reach": lambda n: calico(
        selector="role == 'backend'",
        types=["Egress"],
        egress=[egress_rules([net(one) for one in range(n)], [1000 + one for one in range(n % 100)])],
    ),
    "rules with a network and a port each": lambda n: calico(
        types=["Egress"], egress=[egress_rules([f"{one % 200 + 1}.{one}.0.0/16"], [2 * one + 1]) for one in range(n // 4)]
    ),
    "rules whose ports overlap": lambda n: calico(
        types=["Egress"],
        egress=[egress_rules([f"{one % 200 + 1}.0.0.0/8"], [f"{one + 1}:{one + 9}"]) for one in range(n // 2)],
    ),
    "a subject and rules for every peer": lambda n: plain(
        podSelector={"matchExpressions": [{"key": "a", "operator": "In", "values": [f"v{one}" for one in range(n)]}]},
        ingress=[{}] * n,
    ),
    "exceptions": lambda n: plain(
        policyTypes=["Egress"],
        egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [net(one) for one in range(n)]}}]}],
    ),
    "a selector's brackets": lambda n: calico(
        selector=f"{'(' * min(n // 8, 90)}a == 'b'{')' * min(n // 8, 90)}", types=["Ingress"], ingress=[{}] * 0
    ),
    "selectors of many rules": lambda n: calico(
        types=["Ingress"],
        ingress=[{"action": "Allow", "source": {"selector": "a == 'b' || has(c) && d in {'e', 'f'}"}}] * (n // 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("file", [FILE, FILE + FLOWS], ids=["without flows", "with flows"])
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_size_costs_twice_as_much(shape: str, file: str) -> None:
    """This holds for each large part, and for each kind of comparison."""
    policy = parse(file).policy
    small, large = (cost(SHAPES[shape](size), policy) for size in (400, 800))
    assert large <= MOST_GROWTH * small


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(
            plain(ingress=[{"from": [{"podSelector": {}}] * 3000, "ports": [{"port": 1}] * 3000}]), id="a rule"
        ),
        pytest.param(plain(ingress=[{}] * (MOST_PARTS + 1)), id="rules"),
        pytest.param(
            plain(podSelector={"matchLabels": {f"k{one}": "v" for one in range(MOST_PARTS + 1)}}), id="labels"
        ),
        pytest.param(
            plain(egress=[{"to": [{"ipBlock": {"cidr": "::/0", "except": ["::/1"] * (MOST_PARTS + 1)}}]}]),
            id="exceptions",
        ),
        pytest.param(calico(ingress=[egress_rules(["10.0.0.0/8"] * (MOST_PARTS + 1), [])]), id="networks"),
        pytest.param(
            calico(ingress=[{"action": "Allow", "source": {"selector": "a == 'b' " + " " * 500}}] * 300), id="text"
        ),
        pytest.param(plain(ingress=[{}] * 900_000), id="3 MB of rules"),
        pytest.param(calico(selector="a == 'b' || " * 250_000), id="3 MB of a selector"),
    ],
)
def test_too_large_policy_is_one_short_violation(manifest: Json) -> None:
    """Its parts are counted and not read.  It is never admitted silently."""
    policy = parse(FILE).policy
    with counting_lines() as count:
        found = judge(decode(encoded(manifest)).policy, policy)
    assert [(one.rule, one.path) for one in found] == [("no-open-policy", "spec")]
    assert len(found[0].message) < 400
    assert found[0].message.startswith("cannot determine the allowed traffic: ")
    assert count() < 40 * MOST_PARTS


def test_the_violations_of_the_largest_policy_are_few_and_short() -> None:
    """The record has the first ten of each kind, and the number of the others."""
    rules = [{"from": [{"namespaceSelector": space(one)}], "ports": [{"port": one + 1}]} for one in range(800)]
    found = judge(decode(encoded(plain(ingress=rules))).policy, parse(FILE).policy)
    assert len(found) == 11
    assert found[-1].path == "spec.ingress[10]"
    assert found[-1].message.startswith(
        "from this rule on, 790 more rules allow connections: the peers are not restricted"
    )
    assert sum(len(one.message) for one in found) < 4000
