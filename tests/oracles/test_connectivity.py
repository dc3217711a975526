"""Equal sets of connections have one form."""

import pytest

from tests.oracles.connectivity import Connection, with_merged_ports


@pytest.mark.parametrize(
    ("ranges", "pieces"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(80, 80)], [(80, 80)], id="one port"),
        pytest.param([(1, 5), (6, 9)], [(1, 9)], id="side by side"),
        pytest.param([(1, 5), (7, 9)], [(1, 5), (7, 9)], id="apart"),
        pytest.param([(1, 9), (3, 4), (9, 12)], [(1, 12)], id="one in another"),
        pytest.param([(7, 9), (1, 5), (1, 5)], [(1, 5), (7, 9)], id="in any order, twice"),
    ],
)
def test_ports_are_in_as_few_ranges_as_possible(ranges: list[tuple[int, int]], pieces: list[tuple[int, int]]) -> None:
    """This holds for each pair of ends and each protocol separately."""
    connections = [Connection("a/b", target, "TCP", *ports) for ports in ranges for target in ("c/d", "e/f")]
    assert with_merged_ports(connections) == {
        Connection("a/b", target, "TCP", *ports) for ports in pieces for target in ("c/d", "e/f")
    }


def test_protocols_stay_apart() -> None:
    """Ranges of different protocols are not merged, although they touch."""
    connections = [Connection("a/b", "c/d", "TCP", 1, 5), Connection("a/b", "c/d", "UDP", 6, 9)]
    assert with_merged_ports(connections) == set(connections)
    assert {str(connection) for connection in connections} == {"a/b → c/d 1-5/TCP", "a/b → c/d 6-9/UDP"}
