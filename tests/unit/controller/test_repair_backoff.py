"""Tests the delay of repeated repairs."""

from webhook.controller.repair_backoff import LONGEST_PAUSE_SECONDS, QUIET_SECONDS, REPAIRS_WITHOUT_DELAY, RepairBackoff


def test_repeated_repairs_are_delayed_and_reported_once() -> None:
    """Repairs are immediate as often as a person may need them, and namespaces do not delay each other."""
    now = 0.0
    backoff = RepairBackoff(lambda: now)
    told, pauses = [], []
    for _ in range(REPAIRS_WITHOUT_DELAY + 20):
        told.append(backoff.record_repair("shop"))
        pauses.append(backoff.delay("shop"))
    assert told.count(True) == 1
    assert pauses[:REPAIRS_WITHOUT_DELAY] == [0.0] * REPAIRS_WITHOUT_DELAY
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert backoff.delay("other") == 0.0
    now = QUIET_SECONDS
    assert backoff.delay("shop") == 0.0
    assert not backoff.record_repair("shop")
    backoff.forget("shop")
    assert backoff.delay("shop") == 0.0
