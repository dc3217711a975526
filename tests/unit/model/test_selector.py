"""Calico's selector language, as far as we speak it."""

import pytest

from webhook.model.selector import LONGEST, AllOf, Equals, labels, printed, quoted


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        pytest.param({}, "all()", id="nothing wanted is everything"),
        pytest.param({"app": "web"}, "app == 'web'", id="one label"),
        pytest.param({"b": "2", "a": "1"}, "a == '1' && b == '2'", id="several, in the order of their keys"),
        pytest.param({"a.b/c-d": "e_f"}, "a.b/c-d == 'e_f'", id="keys need no quotes"),
        pytest.param({"a": ""}, "a == ''", id="an empty value"),
        pytest.param({"a": 'say "x"'}, "a == 'say \"x\"'", id="the other quote"),
        pytest.param({"a": "b' || all() || c == 'd"}, None, id="a quote that would end the value"),
        pytest.param({"a": "b\n"}, None, id="a line end, which the grammar lacks"),
    ],
)
def test_labels_are_printed_or_refused(wanted: dict[str, str], text: str | None) -> None:
    """Never misquoted."""
    if text is None:
        with pytest.raises(ValueError, match="a Calico selector cannot say"):
            printed(labels(wanted))
    else:
        assert printed(labels(wanted)) == text


@pytest.mark.parametrize("value", ["'", "a'b", "\n", "a\nb"])
def test_a_value_that_the_grammar_cannot_say_is_refused(value: str) -> None:
    """It has no escapes."""
    with pytest.raises(ValueError, match="cannot say"):
        quoted(value)


def test_a_selector_is_as_long_as_calico_takes() -> None:
    """And not one character more."""
    rest = "a == ''"
    assert len(printed(labels({"a": "b" * (LONGEST - len(rest))}))) == LONGEST
    with pytest.raises(ValueError, match=f"the selector has {LONGEST + 1} characters, Calico takes {LONGEST}"):
        printed(labels({"a": "b" * (LONGEST - len(rest) + 1)}))


def test_the_parts_stand_in_their_order() -> None:
    """Printing sorts nothing; `labels` does."""
    assert str(AllOf((Equals("b", "2"), Equals("a", "1")))) == "b == '2' && a == '1'"
