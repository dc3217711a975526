"""Every fault points at its line and column."""

import pytest
import yaml

from webhook.config.faults import BadPolicy
from webhook.config.parse import PolicyLoader, parse
from webhook.config.places import Place, nearest, places

FAULTY = """\
apiVersion: catflap.dev/v1
kind: GuardPolicy
workload: {}
rules:
  no-role: warn
workloads:
  require:
    - label: team
      matches: "["
    - {label: team}
network:
  flows:
    - {from: frontend, to: backend, ports: [8080/TCP, 99999/TCP]}
    - from: nobody
      to: backend
      ports: [8080/TCP]
"""


def found(text: str) -> dict[str, Place | None]:
    """The place of each fault, by its path."""
    with pytest.raises(BadPolicy) as bad:
        parse(text)
    return {fault.path: fault.place for fault in bad.value.faults}


def test_a_fault_is_at_its_key_or_at_its_item() -> None:
    """In block style and in braces."""
    assert found(FAULTY) == {
        "workload": Place(3, 1),
        "rules.no-role": Place(5, 3),
        "workloads.require[0]": Place(8, 7),
        "workloads.require[1]": Place(10, 7),
        "network.flows[0].ports[1]": Place(13, 55),
    }


def test_a_contradiction_has_a_place_as_well() -> None:
    """Which is only found in a file that is otherwise sound."""
    text = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nnetwork:\n  flows:\n  - {from: a, to: backend, ports: [80/TCP]}\n"
    assert found(text) == {"network.flows[0].from": Place(5, 6)}


def test_what_is_missing_is_at_what_it_is_missing_from() -> None:
    """And where the whole file is meant there is no place."""
    text = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nexceptions:\n- {rule: require-app}\n"
    assert set(found(text).values()) == {Place(4, 3)}
    assert found("mode: warn\n") == {"apiVersion": None, "kind": None}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("mode: [\n", Place(2, 1), id="what is not closed"),
        pytest.param("mode: warn\nmode: warn\n", Place(2, 1), id="a key twice"),
        pytest.param("5\n", None, id="no mapping"),
        pytest.param("a: \x00", None, id="a character that YAML does not take"),
    ],
)
def test_what_is_no_yaml_says_where(text: str, where: Place | None) -> None:
    """As far as the parser knows."""
    assert found(text) == {"": where}


def test_aliases_of_aliases_are_walked_once() -> None:
    """Written out, this would be a thousand million items."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    known = places(yaml.compose("\n".join(lines), PolicyLoader))
    assert known["a9[9]"] == Place(9, 5)  # where what it stands for is written
    assert len(known) == 10 + 10 * 10


def test_nothing_is_nowhere() -> None:
    """An empty file has no keys."""
    assert places(None) == {}
    assert nearest("a.b[0]", {}) is None
