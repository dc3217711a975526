"""How long namespaces were without their policy, by the log."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.entries import DECISION, TIME, WRITE, entry
from webhook.audit.record import stamp
from webhook.report import closing
from webhook.report.closing import Spaces, unexplained, waits

AT = datetime.fromisoformat(TIME)
MADE: dict[str, Any] = DECISION | {"phase": "mutate", "objectRef": {"resource": "namespaces", "name": "shop"}}
TAKEN: dict[str, Any] = DECISION | {
    "verb": "delete",
    "decision": "exempt",
    "objectRef": {"resource": "networkpolicies", "namespace": "shop", "name": "catflap-default-deny"},
}
POD: dict[str, Any] = DECISION | {"objectRef": {"resource": "pods", "namespace": "shop", "name": "web"}}


def spaces(*records: tuple[float, dict[str, Any]]) -> Spaces:
    """What is found in records, each so many seconds after the first moment."""
    found = Spaces()
    for seconds, record in records:
        at = AT + timedelta(seconds=seconds)
        found.take(entry(record, time=stamp(at)), at)
    return found


def seconds(found: Spaces, name: str = "shop") -> list[float | None]:
    """Each wait of a namespace."""
    return [one.seconds for one in waits(found.found[name])]


def test_from_the_request_for_a_namespace_to_the_write_of_its_policy() -> None:
    """Whichever file is read first; a later write is another matter."""
    records = [(0.0, MADE), (0.5, WRITE), (9.0, WRITE)]
    assert seconds(spaces(*records)) == seconds(spaces(*reversed(records))) == [0.5]


def test_from_its_removal_to_its_return() -> None:
    """Who was let remove it is on record; who was not changed nothing."""
    refused = TAKEN | {"decision": "denied"}
    restored = WRITE | {"reason": "restored: it was edited or deleted"}
    found = spaces((0.0, MADE), (1.0, WRITE), (5.0, refused), (60.0, TAKEN), (60.2, restored))
    assert seconds(found) == [1.0, pytest.approx(0.2)]
    assert found.found["shop"].restored == 1


def test_what_was_taken_away_past_us_has_no_known_length() -> None:
    """It is counted, and no time stands for it; what is on record explains its own return alone, whichever file is read first."""
    restored = WRITE | {"reason": "restored: it was edited or deleted"}
    records = [(0.0, MADE), (1.0, WRITE), (30.0, restored), (60.0, TAKEN), (60.2, restored), (90.0, restored)]
    for told in (records, records[::-1]):
        found = spaces(*told)
        assert seconds(found) == [1.0, pytest.approx(0.2)]
        assert unexplained(found.found["shop"]) == 2


def test_a_write_that_is_missing_is_told() -> None:
    """It has no end that could be counted."""
    assert seconds(spaces((1.0, MADE), (0.5, WRITE))) == [None]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(MADE | {"dryRun": True}, id="a dry run"),
        pytest.param(MADE | {"phase": "validate"}, id="the second question about the same"),
        pytest.param(MADE | {"decision": "unavailable"}, id="a refusal"),
        pytest.param(WRITE | {"objectRef": WRITE["objectRef"] | {"name": "catflap-allow-dns"}}, id="another policy"),
        pytest.param(WRITE | {"objectRef": WRITE["objectRef"] | {"kind": "StagedNetworkPolicy"}}, id="a staged one"),
        pytest.param(WRITE | {"verb": "delete"}, id="its removal by ourselves"),
    ],
)
def test_what_says_nothing_of_it(other: dict[str, Any]) -> None:
    """Neither made nor closed."""
    assert not any(one.made or one.closed for one in spaces((0.0, other)).found.values())


def test_pods_count_by_what_was_known_of_their_namespace() -> None:
    """At the moment at which they were let in."""
    proofs = ("proven", "written", "unguarded", "staged")
    found = spaces(*((0.0, POD | {"closure": proof}) for proof in proofs), (1.0, POD | {"decision": "denied"}))
    assert (found.found["shop"].pods, found.found["shop"].proven) == (4, 2)


def test_namespaces_without_end_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not kept is counted."""
    monkeypatch.setattr(closing, "MOST_NAMESPACES", 2)
    found = spaces(*((0.0, MADE | {"objectRef": {"resource": "namespaces", "name": f"n{n}"}}) for n in range(5)))
    assert (len(found.found), found.untold) == (2, 3)
