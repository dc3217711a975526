"""An error in a selector of Calico names the place, what is there and what is expected; several wrong rules are named at once."""

from typing import Any

import pytest

from webhook.netpol.reading import read
from webhook.netpol.reading.error_paths import MOST_NAMED
from webhook.netpol.reading.selectors import parse

OPERATORS = "==, !=, in, not in, contains, starts with or ends with"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("app = 'web'", "= at character 5 is unknown (write ==)"),
        ("app == 'web' & role == 'x'", "& at character 14 is unknown (write &&)"),
        ("app == 'web' | role == 'x'", "| at character 14 is unknown (write ||)"),
        (
            "app == 'web' and role == 'x'",
            "expected && or || between two parts at character 14, instead of and (write &&)",
        ),
        ("app == 'web' role == 'x'", "expected && or || between two parts at character 14, instead of role"),
        ("app == web", "expected text in quotes at character 8, instead of web (write 'web')"),
        ("app == 'web", "the quote at character 8 is not closed"),
        ("has(app", "the bracket at character 4 is not closed"),
        ("all(", "the bracket at character 4 is not closed"),
        ("(app == 'web'", "expected ) at the end"),
        ("app == 'web')", "expected && or || between two parts at character 13, instead of )"),
        ("app", f"expected {OPERATORS} at the end"),
        ("app is 'web'", f"expected {OPERATORS} at character 5, instead of is"),
        ("app in ('web')", "expected { at character 8, instead of ("),
        ("app in {'web' 'shop'}", "expected } at character 15, instead of 'shop'"),
        ("app == 'web' &&", "expected the key of a label, has(key), all() or global() at the end"),
        ("'web' == app", "expected the key of a label, has(key), all() or global() at character 1, instead of 'web'"),
        ("app: web", ": at character 4 is unknown"),
        ("!" + "(" * 101, "expected at most 100 nested brackets"),
    ],
)
def test_an_error_has_its_place(text: str, says: str) -> None:
    """Counted from 1, in characters."""
    with pytest.raises(ValueError, match="is not a valid Calico selector: ") as bad:
        parse(text)
    assert says in str(bad.value)


@pytest.mark.parametrize("wrong", [1, MOST_NAMED, MOST_NAMED + 2])
@pytest.mark.parametrize(
    ("resource", "rule", "spec"),
    [
        (("projectcalico.org", "networkpolicies"), {"action": "Allow", "source": {"selector": "a = 'b'"}}, {}),
        (("projectcalico.org", "networkpolicies"), {"action": "No"}, {}),
        (
            ("networking.k8s.io", "networkpolicies"),
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]},
            {"podSelector": {}},
        ),
        (
            ("policy.networking.k8s.io", "adminnetworkpolicies"),
            {"action": "Maybe", "name": "a", "from": [{"namespaces": {}}]},
            {"priority": 1, "subject": {"namespaces": {}}},
        ),
    ],
    ids=["selector", "action", "network", "cluster-wide"],
)
def test_each_wrong_rule_is_named(resource: tuple[str, str], rule: Any, spec: Any, wrong: int) -> None:
    """As far as a message of moderate length goes."""
    found = read(resource, {"metadata": {"name": "a"}, "spec": {**spec, "ingress": [rule] * wrong}}).unreadable
    named = [f"spec.ingress[{number}]" in found for number in range(wrong)]
    assert named == [True] * min(wrong, MOST_NAMED) + [False] * max(0, wrong - MOST_NAMED)
    assert (f"and {wrong - MOST_NAMED} more" in found) == (wrong > MOST_NAMED)


def test_the_field_of_a_selector_is_named_once() -> None:
    """Not as the spec as a whole, instead of twice."""
    found = read(("projectcalico.org", "networkpolicies"), {"spec": {"selector": "a = 'b'"}}).unreadable
    assert found == "spec.selector: \"a = 'b'\" is not a valid Calico selector: = at character 3 is unknown (write ==)"
