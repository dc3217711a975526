"""Go accepts every pattern of label values that catflap accepts, and matches the same values."""

from typing import Final

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.laws.strategies import LAW, label_values
from tests.oracles.patterns import PatternOracle
from webhook.model.label_pattern import anchored
from webhook.model.workload_labels import LabelRequirement

MARKS: Final = "".join(chr(code) for code in range(ord(" "), ord("~") + 1) if not chr(code).isalnum())
# Values near to what the patterns below match.
values = st.lists(st.text("abkKsS19_.-", max_size=8) | label_values, min_size=1, max_size=12)

in_class = st.sampled_from([*"abkKsS19_.", r"\-", r"\.", r"\]", "a-k", "A-Z", "0-9", r"\d", r"\w", r"\S", "!-/"])
classes = st.builds(
    "[{}{}{}{}]".format,
    st.sampled_from(["", "^"]),
    st.sampled_from(["", "-"]),
    st.lists(in_class, min_size=1, max_size=4).map("".join),
    st.sampled_from(["", "-"]),
)
atoms = (
    st.sampled_from([*"abkKsS19_-&~ ", ".", "^", "$", r"\.", r"\-", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S"]) | classes
)
counts = st.sampled_from(["*", "+", "?", "*?", "??", "{0}", "{2}", "{1,}", "{0,3}", "{2,3}?", "{1000}"])
trees = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, counts),
        st.builds("({})".format, inner),
        st.builds("(?:{}){}".format, inner, counts),
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner | st.just(""), min_size=2, max_size=3).map("|".join),
    ),
    max_leaves=8,
)
well_formed = st.builds("{}{}".format, st.sampled_from(["", "(?i)"]), trees)
# Parts of patterns in either engine, in any order: most results are invalid in one of the two, or have another meaning.
pieces = st.sampled_from(
    [*MARKS, *"abkKsx019", "[", "[^", "]", "(", "(?:", "(?i)", "(?i:", "(?x)", "(?P<a>", ")", "&&", "--", "~~", "[:alpha:]", "{2}",
     "{01}", "{2,}", "{,3}", "{ 1 }", "{1001}", "{600}", r"\b", r"\b{start}", r"\<", r"\A", r"\z", r"\Q", r"\pL", r"\p{Greek}",
     r"\x61", r"\u0061", r"\x{61}", r"\U00000061", r"\141", r"\1", r"\n", r"\v", r"\a", r"\C", r"\h", "é", "\u017f", "\n"]
)  # fmt: skip
anything = st.lists(pieces | trees, min_size=1, max_size=6).map("".join)


def same_in_go(patterns: PatternOracle, pattern: str, tried: list[str]) -> None:
    """Check that Go accepts a pattern that catflap accepts, and finds the same."""
    try:
        required = LabelRequirement(label="team", matches=pattern)
    except ValidationError:
        reject()
    found = patterns.match(anchored(pattern), tried)
    assert found.error == ""
    assert found.matches == tuple(map(required.admits, tried))


@LAW
@given(pattern=well_formed, tried=values)
def test_what_is_well_formed_means_the_same(patterns: PatternOracle, pattern: str, tried: list[str]) -> None:
    """The pattern has the listed parts, nested."""
    same_in_go(patterns, pattern, tried)


@LAW
@given(pattern=anything, tried=values)
def test_accepted_patterns_mean_the_same(patterns: PatternOracle, pattern: str, tried: list[str]) -> None:
    """The parts are in any order, with other syntax of either engine."""
    same_in_go(patterns, pattern, tried)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        pytest.param("[a-y&&[^x]]+", "a", id="classes cut"),
        pytest.param("[a-c--b]", "-", id="a class taken away"),
        pytest.param("[a-c~~b-d]", "~", id="what is in one class alone"),
        pytest.param("[[a]]", "a", id="a class inside a class"),
        pytest.param("a{01}", "a", id="a count with a nought before it"),
        pytest.param(r"\b{start}a", "a", id="where a word begins"),
        pytest.param(r"\<a", "a", id="the same, shorter"),
    ],
)
def test_some_refused_patterns_mean_something_else_in_go(patterns: PatternOracle, pattern: str, value: str) -> None:
    """Otherwise catflap could accept more patterns."""
    here = LabelRequirement.model_construct(label="team", one_of=None, matches=pattern).admits(value)
    assert patterns.match(anchored(pattern), [value]).matches == (not here,)


@pytest.mark.parametrize("pattern", [r"\u0061", "[a-z]{1,1200}", "(?x)a", "a{2}{3}", "a**", "(?:a{40}){30}"])
def test_some_refused_patterns_are_invalid_in_go(patterns: PatternOracle, pattern: str) -> None:
    """The API server would not accept a ValidatingAdmissionPolicy with it either."""
    LabelRequirement.model_construct(label="team", one_of=None, matches=pattern).admits("a")
    assert patterns.match(anchored(pattern), []).error
