"""Repairs in a row."""

from webhook.controller.repairs import AT_ONCE, LONGEST_PAUSE_SECONDS, QUIET_SECONDS, Repairs


def test_what_keeps_being_changed_waits_ever_longer_and_is_told_once() -> None:
    """At once as often as a person may do it; no namespace waits for another's."""
    now = 0.0
    repairs = Repairs(lambda: now)
    told, pauses = [], []
    for _ in range(AT_ONCE + 20):
        told.append(repairs.again("shop"))
        pauses.append(repairs.pause("shop"))
    assert told.count(True) == 1
    assert pauses[:AT_ONCE] == [0.0] * AT_ONCE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert repairs.pause("other") == 0.0
    now = QUIET_SECONDS
    assert repairs.pause("shop") == 0.0
    assert not repairs.again("shop")
    repairs.forget("shop")
    assert repairs.pause("shop") == 0.0
