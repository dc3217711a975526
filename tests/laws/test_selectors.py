"""The static properties of a selector, and its text, agree with its matches among a few labels."""

from collections.abc import Mapping
from itertools import product
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from tests.laws.strategies import LAW
from webhook.model.selector import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Equals,
    Has,
    Like,
    Not,
    OneOf,
    Selector,
    is_narrow,
    printed,
    values_of,
)
from webhook.netpol.reading.selectors import parse

KEYS: Final = ("a", "in", "x.example/b-c")
VALUES: Final = ("", "v", "w", "vw")
# Every combination of these labels.
LABELLED: Final = tuple(
    {key: value for key, value in zip(KEYS, values, strict=True) if value is not None}
    for values in product((None, *VALUES), repeat=len(KEYS))
)

keys = st.sampled_from(KEYS)
values = st.sampled_from(VALUES)
leaves: st.SearchStrategy[Selector] = (
    st.builds(Equals, keys, values)
    | st.builds(OneOf, keys, st.lists(values, max_size=3).map(tuple))
    | st.builds(Has, keys)
    | st.builds(Like, keys, st.sampled_from(["contains", "starts with", "ends with"]), values)
    | st.just(EVERYTHING)
)
selectors = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Return whether a selector matches labels, as libcalico-go's parser evaluates it."""
    match selector:
        case Not(part):
            return not selects(part, labels)
        case AllOf(parts):
            return all(selects(part, labels) for part in parts)
        case AnyOf(parts):
            return any(selects(part, labels) for part in parts)
        case Equals(key) | OneOf(key) | Has(key) | Like(key):
            return key in labels and is_said(selector, labels[key])
    raise AssertionError(selector)


def is_said(selector: Equals | OneOf | Has | Like, found: str) -> bool:
    """Return whether a condition about one label holds for its value."""
    match selector:
        case Equals(_, value):
            return found == value
        case OneOf(_, among):
            return found in among
        case Like(_, how, value):
            methods = {"contains": str.__contains__, "starts with": str.startswith, "ends with": str.endswith}
            return bool(methods[how](found, value))
    return True


@LAW
@given(selectors, keys)
@example(AnyOf((Equals("a", "v"), AllOf((Has("a"), Equals("in", "v"))))), "a")
@example(AllOf((OneOf("a", ("v", "w")), Not(Equals("a", "v")))), "a")
def test_whatever_is_selected_has_one_of_the_values(selector: Selector, key: str) -> None:
    """This holds where the values are known; a missing label has none of them."""
    possible = values_of(selector, key)
    if possible is not None:
        assert {labels.get(key) for labels in LABELLED if selects(selector, labels)} <= possible


@LAW
@given(selectors)
@example(Not(AllOf((Has("a"), Has("in")))))
@example(AnyOf((Has("a"), Not(Has("in")))))
@example(Not(Not(Not(Has("a")))))
def test_what_selects_the_unlabelled_is_not_narrow(selector: Selector) -> None:
    """Nearly every selector can match objects without labels."""
    if selects(selector, {}):
        assert not is_narrow(selector)


wanted = st.builds(Equals, keys, values) | st.builds(OneOf, keys, st.lists(values, min_size=1).map(tuple))


@LAW
@given(st.lists(wanted, min_size=1))
def test_what_flows_are_made_of_is_narrow(parts: list[Equals | OneOf]) -> None:
    """The selectors are conjunctions of equalities and sets; every possible value of a label is known."""
    selector = AllOf(tuple(parts))
    assert is_narrow(selector)
    for key in KEYS:
        about = [part for part in parts if part.key == key]
        left = {value for value in VALUES if all(is_said(part, value) for part in about)}
        assert values_of(selector, key) == (left if about else None)


@LAW
@given(selectors)
@example(AllOf((AllOf((Has("a"),)), AnyOf((Has("in"), EVERYTHING)))))
@example(Not(AnyOf((Has("a"), Has("in")))))
@example(AnyOf((AllOf((Has("a"), Has("in"))), Not(EVERYTHING))))
def test_a_printed_selector_selects_the_same(selector: Selector) -> None:
    """Parsing the text gives the same selector."""
    again = parse(printed(selector))
    assert [selects(again, labels) for labels in LABELLED] == [selects(selector, labels) for labels in LABELLED]
