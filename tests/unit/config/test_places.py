"""Check that every fault has its line and column."""

import pytest

from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.config.places import Place
from webhook.config.reading import read

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
    """Return the place of each fault by its path."""
    with pytest.raises(BadPolicy) as bad:
        parse(text)
    return {fault.path: fault.place for fault in bad.value.faults}


def test_a_fault_is_at_its_key_or_at_its_item() -> None:
    """This applies to block style and to braces."""
    assert found(FAULTY) == {
        "workload": Place(3, 1),
        "rules.no-role": Place(5, 3),
        "workloads.require[0]": Place(8, 7),
        "workloads.require[1]": Place(10, 7),
        "network.flows[0].ports[1]": Place(13, 55),
    }


def test_a_contradiction_has_a_place_as_well() -> None:
    """The checks for contradictions run on files that are otherwise sound."""
    text = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nnetwork:\n  flows:\n  - {from: a, to: backend, ports: [80/TCP]}\n"
    assert found(text) == {"network.flows[0].from": Place(5, 6)}


def test_what_is_missing_is_at_what_it_is_missing_from() -> None:
    """A fault of the whole file has no place."""
    text = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nexceptions:\n- {rule: require-app}\n"
    assert set(found(text).values()) == {Place(4, 3)}
    assert found("mode: warn\n") == {"apiVersion": None, "kind": None}


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("rules", 1, 1),
        ("rules.a", 2, 3),
        ("rules.a.b", 3, 3),
        ("rules.a[0]", 4, 3),
        ("rules.a.c", 2, 3),
        ("rules.[x]", 5, 3),
        ("list[1]", 6, 11),
        ("list[1].x.y", 6, 12),
        ("list[2]", 6, 1),
        ("list.1", 6, 1),
    ],
)
def test_a_key_may_have_dots_and_brackets_of_its_own(path: str, line: int, column: int) -> None:
    """The longest matching key counts."""
    text = 'rules:\n  a: 1\n  a.b: 1\n  "a[0]": 1\n  "[x]": 1\nlist: [0, {x: 1}]\n'
    assert read(text).place(path) == Place(line, column)


def test_what_stands_under_an_alias_is_where_it_is_written() -> None:
    """Users correct the value there."""
    said = read("a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n")
    assert (said.place("c"), said.place("c.b"), said.place("d.b")) == (Place(2, 1), Place(1, 8), Place(1, 8))


def test_nothing_is_nowhere() -> None:
    """An empty file has no keys."""
    assert read("").place("a.b[0]") is None
