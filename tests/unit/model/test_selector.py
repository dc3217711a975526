"""The subset of Calico's selector language that catflap writes."""

import pytest

from webhook.model.selector import (
    EVERYTHING,
    LONGEST,
    AllOf,
    AnyOf,
    CommonLabels,
    Equals,
    Global,
    Has,
    Like,
    Not,
    OneOf,
    Selector,
    is_narrow,
    labels,
    printed,
    quoted,
    values_of,
)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        pytest.param({}, "all()", id="nothing wanted is everything"),
        pytest.param({"app": "web"}, "app == 'web'", id="one label"),
        pytest.param({"b": "2", "a": "1"}, "a == '1' && b == '2'", id="several, in the order of their keys"),
        pytest.param({"a.b/c-d": "e_f"}, "a.b/c-d == 'e_f'", id="keys need no quotes"),
        pytest.param({"a": ""}, "a == ''", id="an empty value"),
        pytest.param({"a": 'say "x"'}, "a == 'say \"x\"'", id="the other quote"),
        pytest.param({"a": "b' || all()"}, 'a == "b\' || all()"', id="a quote that would end the value"),
        pytest.param({"a": "b' || all() || c == \"d"}, None, id="both quotes: either would end the value"),
        pytest.param({"a": "b\n"}, "a == 'b\n'", id="a line end, which only a value may have"),
    ],
)
def test_labels_are_printed_or_refused(wanted: dict[str, str], text: str | None) -> None:
    """Never misquoted."""
    if text is None:
        with pytest.raises(ValueError, match="a Calico selector cannot express"):
            printed(labels(wanted))
    else:
        assert printed(labels(wanted)) == text


@pytest.mark.parametrize("value", ["'\"", "\"a'", "a'b\"c"])
def test_a_value_that_the_grammar_cannot_say_is_refused(value: str) -> None:
    """It has no escapes."""
    with pytest.raises(ValueError, match="cannot express"):
        quoted(value)


def test_a_selector_is_as_long_as_calico_takes() -> None:
    """And not one character more."""
    rest = "a == ''"
    assert len(printed(labels({"a": "b" * (LONGEST - len(rest))}))) == LONGEST
    with pytest.raises(
        ValueError, match=f"the selector has {LONGEST + 1} characters, and the limit of Calico is {LONGEST}"
    ):
        printed(labels({"a": "b" * (LONGEST - len(rest) + 1)}))


def test_the_parts_keep_their_order() -> None:
    """Printing sorts nothing; `labels` does."""
    assert str(AllOf((Equals("b", "2"), Equals("a", "1")))) == "b == '2' && a == '1'"


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        pytest.param(EVERYTHING, "all()", id="everything"),
        pytest.param(Global(), "global()", id="what is in no namespace"),
        pytest.param(Has("a"), "has(a)", id="a label"),
        pytest.param(OneOf("a", ("b", "c")), "a in {'b', 'c'}", id="a set"),
        pytest.param(OneOf("a", ()), "a in {}", id="a set of nothing"),
        pytest.param(Like("a", "starts with", "b"), "a starts with 'b'", id="a beginning"),
        pytest.param(Not(Equals("a", "b")), "a != 'b'", id="not a value"),
        pytest.param(Not(OneOf("a", ("b",))), "a not in {'b'}", id="not one of a set"),
        pytest.param(Not(Has("a")), "!has(a)", id="not a label"),
        pytest.param(Not(Like("a", "contains", "b")), "!a contains 'b'", id="not a piece"),
        pytest.param(Not(Not(Equals("a", "b"))), "!a != 'b'", id="not not"),
        pytest.param(Not(EVERYTHING), "!all()", id="nothing"),
        pytest.param(Not(Global()), "!global()", id="what is in a namespace"),
        pytest.param(Not(AllOf((Has("a"), Has("b")))), "!(has(a) && has(b))", id="not both"),
        pytest.param(AnyOf((Has("a"), Equals("b", "c"))), "has(a) || b == 'c'", id="either"),
        pytest.param(
            AllOf((AnyOf((Has("a"), Has("b"))), Has("c"))), "(has(a) || has(b)) && has(c)", id="either, and another"
        ),
        pytest.param(
            AnyOf((AllOf((Has("a"), Has("b"))), EVERYTHING)), "(has(a) && has(b)) || all()", id="both, or everything"
        ),
        pytest.param(AllOf((AllOf((Has("a"),)),)), "(has(a))", id="a part of one part"),
    ],
)
def test_a_tree_is_printed_as_calico_reads_it(selector: Selector, text: str) -> None:
    """With brackets where parts would be read together."""
    assert printed(selector) == text


@pytest.mark.parametrize(
    "selector",
    [OneOf("a", ("b", "'\"")), Not(OneOf("a", ("\"'",))), Like("a", "contains", "'\""), Not(Equals("a", "'\""))],
)
def test_a_value_that_cannot_be_said_is_refused_anywhere(selector: Selector) -> None:
    """In a tree of any shape."""
    with pytest.raises(ValueError, match="cannot express"):
        printed(AllOf((Has("x"), AnyOf((Has("y"), selector)))))


def test_a_label_that_is_always_there_makes_nothing_narrow() -> None:
    """Nor does a value that may be any; one that is named does."""
    common = CommonLabels(distinct=frozenset({"name"}))
    assert not is_narrow(Has("name"), common)
    assert not is_narrow(Like("name", "starts with", ""), common)
    assert not is_narrow(AllOf((Has("name"), Not(Equals("name", "x")))), common)
    assert is_narrow(Equals("name", "x"), common)
    assert is_narrow(AllOf((Has("name"), Has("other"))), common)


@pytest.mark.parametrize(
    ("selector", "values"),
    [
        pytest.param(Equals("a", "b"), {"b"}, id="a value"),
        pytest.param(Equals("c", "b"), None, id="another label"),
        pytest.param(Has("a"), None, id="any value"),
        pytest.param(Not(Equals("a", "b")), None, id="any but one"),
        pytest.param(AllOf((OneOf("a", ("b", "c")), OneOf("a", ("c", "d")))), {"c"}, id="what two sets share"),
        pytest.param(AllOf((Equals("a", "b"), Equals("a", "c"))), set(), id="no value is two"),
        pytest.param(AllOf((Equals("c", "d"), Equals("a", "b"))), {"b"}, id="beside another label"),
        pytest.param(AnyOf((Equals("a", "b"), OneOf("a", ("c",)))), {"b", "c"}, id="either"),
        pytest.param(AnyOf((Equals("a", "b"), Has("c"))), None, id="or whatever else"),
        pytest.param(EVERYTHING, None, id="everything"),
    ],
)
def test_the_possible_values_of_a_label_under_a_selector(selector: Selector, values: set[str] | None) -> None:
    """By equalities and sets."""
    assert values_of(selector, "a") == values


@pytest.mark.parametrize(
    ("selector", "narrow"),
    [
        pytest.param(EVERYTHING, False, id="everything"),
        pytest.param(Has("a"), True, id="a label"),
        pytest.param(Not(Has("a")), False, id="no label"),
        pytest.param(Not(Equals("a", "b")), False, id="not a value, so perhaps no label"),
        pytest.param(AllOf((Not(Has("a")), Equals("b", "c"))), True, id="a value, and no other label"),
        pytest.param(AnyOf((Not(Has("a")), Equals("b", "c"))), False, id="a value, or no other label"),
        pytest.param(AnyOf((Has("a"), Equals("b", "c"))), True, id="either of two"),
        pytest.param(Not(Not(Has("a"))), True, id="not not a label"),
        pytest.param(Not(Not(Not(Has("a")))), False, id="not not no label"),
    ],
)
def test_a_selector_is_narrow_where_a_label_has_to_be_there(selector: Selector, narrow: bool) -> None:
    """For `not` selects what has no labels at all."""
    assert is_narrow(selector) is narrow
