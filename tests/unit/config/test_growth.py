"""Check that a file of twice the size does not take four times the work, counted in calls."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Final

import pytest

from tests.unit.samples import HEAD, policy
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.config.remarks import remarks_on
from webhook.netpol.flows import flow_intents

STAGES: Final = "namespaces: {environment: {oneOf: [production, test]}}\n"
EVERYBODY: Final = "{cidrs: [0.0.0.0/0]}"


def flows(count: int, item: Callable[[int], str], before: str = "") -> str:
    """Return a network section."""
    return f"network:\n{before}  flows:\n" + "".join(f"  - {{{item(number)}}}\n" for number in range(count))


def address(number: int) -> str:
    """Return an even address for a number."""
    return f"10.0.{number >> 7}.{number << 1 & 255}"


GROWING: Final[dict[str, Callable[[int], str]]] = {
    "flows": lambda n: flows(n, lambda k: f"from: frontend, to: backend, ports: [{k + 1}/TCP]"),
    "flows that lead across": lambda n: (
        STAGES
        + flows(
            n,
            lambda k: (
                f"from: {EVERYBODY}, to: backend, ports: [{k + 1}/TCP]"
                if k % 2
                else f"from: backend, to: {EVERYBODY}, ports: [{k + 2}/TCP]"
            ),
        )
    ),
    "flows of many ports": lambda n: (
        STAGES
        + flows(
            n,
            lambda k: (
                f"from: {EVERYBODY}, to: backend, ports: [{', '.join(f'{100 * k + p}/TCP' for p in range(1, 40, 2))}]"
            ),
        )
    ),
    "networks of flows and of the cluster": lambda n: (
        STAGES
        + flows(
            n,
            lambda k: f"from: {{cidrs: [{address(k)}]}}, to: backend, ports: [1/TCP]",
            f"  clusterCIDRs: [{', '.join(map(address, range(n)))}]\n",
        )
    ),
    "flows to outside of many networks": lambda n: flows(
        n,
        lambda k: f"from: backend, to: outside, ports: [{k + 1}/TCP]",
        f"  clusterCIDRs: [{', '.join(map(address, range(n // 4)))}]\n",
    ),
    "unknown keys": lambda n: "".join(f"mode{k}: warn\n" for k in range(n)),
    "included namespaces": lambda n: f"namespaces: {{includeExisting: [{', '.join(f'n{k}' for k in range(n))}]}}\n",
    "exceptions": lambda n: (
        "exceptions:\n"
        + "".join(
            f"  - {{rule: require-app, namespace: n{k}, owner: a, reason: b, until: 2099-01-01}}\n" for k in range(n)
        )
    ),
    "exempt namespaces": lambda n: f"namespaces: {{exempt: [{', '.join(f'n{k}' for k in range(n))}]}}\n",
}


def remarks(text: str) -> object:
    """Compute the remarks on a file."""
    return remarks_on(text, datetime(2026, 6, 15, tzinfo=UTC))


@contextmanager
def counting() -> Iterator[list[int]]:
    """Count calls of functions in Python and C."""
    calls = [0]

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        calls[0] += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def calls_for(text: str, read: Callable[[str], object] = parse) -> int:
    """Return the number of calls that judge a file."""
    with counting() as calls, suppress(BadPolicy):
        read(HEAD + text)
    return calls[0]


def calls_to_close(count: int) -> int:
    """Return the number of calls that render the policies of one namespace under `count` roles with a flow each."""
    roles = f"workloads: {{role: {{oneOf: [{', '.join(f'r{number}' for number in range(count))}]}}}}\n"
    found = policy(roles + flows(count, lambda k: f"from: r{k}, to: r{k * 3 % count}, ports: [1/TCP]"))
    with counting() as calls:
        assert len(list(flow_intents(found, "shop", ""))) == count
    return calls[0]


def test_a_namespace_is_closed_without_a_look_at_each_flow_for_each_role() -> None:
    """The gate waits for this work."""
    assert calls_to_close(200) < 2.5 * calls_to_close(100)


@pytest.mark.parametrize("made", GROWING.values(), ids=GROWING.keys())
def test_twice_as_much_takes_twice_as_long(made: Callable[[int], str]) -> None:
    """Sorting may add a little more."""
    calls_for(made(100))  # work that is done once
    assert calls_for(made(200)) < 2.5 * calls_for(made(100))


@pytest.mark.parametrize("fault", ["", "mode: Loud\n"], ids=["a sound file", "a file with a fault"])
@pytest.mark.parametrize("made", GROWING.values(), ids=GROWING.keys())
def test_remarks_on_twice_as_much_take_twice_as_long(made: Callable[[int], str], fault: str) -> None:
    """This includes a file with a fault, whose sound parts are extracted."""
    calls_for(made(100) + fault, remarks)
    assert calls_for(made(200) + fault, remarks) < 2.5 * calls_for(made(100) + fault, remarks)
