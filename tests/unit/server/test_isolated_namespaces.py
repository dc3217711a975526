"""The memory that distinguishes a deleted policy from one that never existed."""

from webhook.server.isolation_gate import MAX_REMEMBERED, IsolatedNamespaces

UNDER = ("digest", "networking.k8s.io/v1")


def test_a_remembered_policy_that_is_missing_was_deleted() -> None:
    """The policy must have existed in the namespace with this uid, under this policy file and engine."""
    isolated = IsolatedNamespaces()
    isolated.add("shop", "uid", UNDER)
    assert isolated.contains("shop", "uid", UNDER)
    assert not isolated.contains("other", "uid", UNDER)
    assert not isolated.contains("shop", "another uid", UNDER)
    assert not isolated.contains("shop", "uid", ("digest", "projectcalico.org/v3"))
    assert not isolated.contains("shop", "uid", ("another file", UNDER[1]))


def test_the_memory_is_bounded() -> None:
    """The oldest entries are forgotten first."""
    isolated = IsolatedNamespaces()
    isolated.add("first", "uid", UNDER)
    isolated.add("second", "uid", UNDER)
    isolated.add("first", "uid", UNDER)
    for number in range(MAX_REMEMBERED - 1):
        isolated.add(f"space-{number}", "uid", UNDER)
    assert isolated.contains("first", "uid", UNDER)
    assert not isolated.contains("second", "uid", UNDER)
