"""Rules, and the registry that checks itself."""

from collections.abc import Iterator

import pytest

from tests.unit.samples import policy, workload
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Remedy, Rule, RuleFinding, Violation, rules_by_id
from webhook.model.workload import Workload


def complaint(_workload: Workload, _policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield a rule that nothing pleases, twice."""
    yield RuleFinding(path="metadata.name", message="is not to my liking")
    yield RuleFinding(path="metadata.labels.role", message="nor is this", remedy=Remedy(place="metadata", label="role"))


def rule(id_: str) -> Rule:
    """Return a rule under an id."""
    return Rule(id=id_, since="0.1", check=complaint)


def test_a_rule_puts_its_id_on_every_fault() -> None:
    """In the order in which the check found them, with the remedy as it was."""
    assert rule("like-me").judge(workload(), policy()) == (
        Violation(rule="like-me", path="metadata.name", message="is not to my liking"),
        Violation(
            rule="like-me",
            path="metadata.labels.role",
            message="nor is this",
            remedy=Remedy(place="metadata", label="role"),
        ),
    )


def test_a_rules_title_is_the_first_line_of_its_module() -> None:
    """The docstring is the documentation."""
    assert rule("like-me").title == "Rules, and the registry that checks itself."


def test_the_registry_orders_by_id() -> None:
    """Whatever order the modules are found in."""
    assert list(rules_by_id([rule("b"), rule("c-d"), rule("a")])) == ["a", "b", "c-d"]


def test_the_registry_refuses_an_id_that_is_taken() -> None:
    """At import, before anything is judged."""
    with pytest.raises(ValueError, match=r"^two rules claim the id 'a'$"):
        rules_by_id([rule("a"), rule("b"), rule("a")])


@pytest.mark.parametrize("id_", ["", "A", "a_b", "a-", "-a", "a--b", "a b", "a1"])
def test_the_registry_refuses_an_id_that_is_not_words_and_hyphens(id_: str) -> None:
    """Ids are used in policy files, metrics and URLs."""
    with pytest.raises(ValueError, match="not lower-case words joined by hyphens"):
        rules_by_id([rule(id_)])
