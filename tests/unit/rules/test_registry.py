"""The rules that there are, as one ordered mapping."""

from webhook.rules import RULES


def test_the_rules_are_in_the_order_of_their_ids() -> None:
    """One object gets one message, whatever order the files were found in."""
    assert list(RULES) == sorted(RULES)


def test_the_key_of_each_rule_is_its_id() -> None:
    """The key is the rule's id."""
    assert all(rule.id == id_ for id_, rule in RULES.items())
