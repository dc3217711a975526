"""When a missing policy is one that somebody took away."""

from webhook.server.isolation_gate import MAX_REMEMBERED, IsolatedNamespaces

UNDER = ("digest", "networking.k8s.io/v1")


def test_what_was_seen_to_stand_and_is_missing_was_taken_away() -> None:
    """In this very namespace, under this file and engine, and nowhere else."""
    ones = IsolatedNamespaces()
    ones.add("shop", "uid", UNDER)
    assert ones.contains("shop", "uid", UNDER)
    assert not ones.contains("other", "uid", UNDER)
    assert not ones.contains("shop", "made anew", UNDER)
    assert not ones.contains("shop", "uid", ("digest", "projectcalico.org/v3"))
    assert not ones.contains("shop", "uid", ("another file", UNDER[1]))


def test_so_many_are_remembered() -> None:
    """Those that were seen last."""
    ones = IsolatedNamespaces()
    ones.add("first", "uid", UNDER)
    ones.add("second", "uid", UNDER)
    ones.add("first", "uid", UNDER)
    for number in range(MAX_REMEMBERED - 1):
        ones.add(f"space-{number}", "uid", UNDER)
    assert ones.contains("first", "uid", UNDER)
    assert not ones.contains("second", "uid", UNDER)
