"""Calico's own parser reads every printed selector with the same meaning, and accepts every selector that catflap accepts."""

import re
from collections.abc import Mapping
from itertools import chain, combinations
from typing import Any, Final

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from tests.laws.strategies import LAW, label_keys, label_names
from tests.oracles.rendering import rendered
from tests.oracles.sample_topology import Topology
from tests.oracles.selectors import SelectorOracle
from tests.oracles.strategies import files, topologies
from webhook.config.faults import BadPolicy
from webhook.model.selector import (
    AllOf,
    AnyOf,
    Equals,
    Global,
    Has,
    Like,
    Not,
    OneOf,
    Selector,
    labels,
    printed,
)
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.reading.selectors import parse

KEYS: Final = ("a", "b", "app.kubernetes.io/name")
VALUES: Final = ("", "x", "y", "x-y", "in", "has", "not", "all")

leaves: st.SearchStrategy[Selector] = st.one_of(
    st.builds(Equals, st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.builds(OneOf, st.sampled_from(KEYS), st.lists(st.sampled_from(VALUES), max_size=3).map(tuple)),
    st.builds(Has, st.sampled_from(KEYS)),
    st.builds(
        Like, st.sampled_from(KEYS), st.sampled_from(["contains", "starts with", "ends with"]), st.sampled_from(VALUES)
    ),
    st.just(AllOf(())),
    st.just(Global()),
)
trees: st.SearchStrategy[Selector] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=8,
)
label_sets = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
# Parts of selectors in any order: some sequences are selectors, most are nearly valid.
pieces = st.sampled_from(
    ["a", "b-1", "app.kubernetes.io/name", "has(a)", "has( b )", "has()", "has", "(", ")", "{", "}", ",", "!", "&&", "||",
     "==", "!=", "=", "in", "not in", "notin", "not", "contains", "starts with", "starts", "ends with", "with", "all()",
     "all( )", "global()", "'x'", '"x"', "''", "'it\"s'", "' '", "'", '"', " ", "\t", "\n", "é", "'é'"]
)  # fmt: skip
texts = st.lists(pieces, max_size=8).map("".join) | st.lists(pieces, max_size=8).map(" ".join)


TOKEN: Final = re.compile(r"""'[^']*'|"[^"]*"|[A-Za-z0-9_./-]+|&&|\|\||[!=]=|\S""")


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """Generate a selector with other blanks than catflap's, and sometimes with a token too many or too few."""
    tokens = TOKEN.findall(printed(draw(trees)))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(tokens)))
        tokens[at : at + draw(st.integers(0, 1))] = draw(st.lists(pieces, max_size=1))
    blanks = draw(st.lists(st.sampled_from(["", " ", "\t "]), min_size=len(tokens), max_size=len(tokens)))
    return "".join(f"{token}{blank}" for token, blank in zip(tokens, blanks, strict=True))


def selects(tree: Selector, found: Mapping[str, str]) -> bool:  # noqa: PLR0911 -- one a kind of node
    """Return whether a tree matches labels, by the definition of each of its nodes."""
    match tree:
        case Equals(key, value):
            return found.get(key) == value
        case OneOf(key, values):
            return key in found and found[key] in values
        case Has(key):
            return key in found
        case Like(key, "contains", value):
            return key in found and value in found[key]
        case Like(key, "starts with", value):
            return key in found and found[key].startswith(value)
        case Like(key, _, value):
            return key in found and found[key].endswith(value)
        case Not(part):
            return not selects(part, found)
        case AllOf(parts):
            return all(selects(part, found) for part in parts)
        case AnyOf(parts):
            return any(selects(part, found) for part in parts)
    return True  # global(): the parser matches every label set; the namespace is checked elsewhere


def neighbours(wanted: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the labels themselves, the labels without each one, and the labels with one more label or one other value."""
    items = list(wanted.items())
    some = [dict(part) for part in chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))]
    other = [{**wanted, key: f"{value}x"} for key, value in items]
    return [*some, *other, {**wanted, "one-more": "x"}]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("", "all()", id="nothing said is everything"),
        pytest.param("a == 'b'", 'a == "b"', id="either quote"),
        pytest.param("a=='b'&&\t!has(c)", '(a == "b" && !has(c))', id="blanks"),
        pytest.param("a in {'b','c',}", 'a in {"b", "c"}', id="a comma too many"),
    ],
)
def test_the_parser_reads_a_selector(selectors: SelectorOracle, text: str, canonical: str) -> None:
    """The parser prints its canonical text."""
    reading = selectors.read(text)
    assert (reading.canonical, reading.error) == (canonical, "")


@pytest.mark.parametrize("text", ["a", "a = 'b'", "a == b", "a == 'b' &&", "a == 'b'\n", "a == 'it's'", "é == 'b'"])
def test_the_parser_refuses_what_is_none(selectors: SelectorOracle, text: str) -> None:
    """An oracle that never refuses proves nothing."""
    assert not selectors.read(text).is_selector
    with pytest.raises(ValueError, match="Calico takes no"):
        selectors.matches(text, {})


@LAW
@given(wanted=st.dictionaries(label_keys, label_names, max_size=4))
def test_labels_select_pods_with_all_of_them(selectors: SelectorOracle, wanted: dict[str, str]) -> None:
    """No other labels match."""
    reading = selectors.read(printed(labels(wanted)), neighbours(wanted))
    assert list(reading.matches) == [wanted.items() <= one.items() for one in neighbours(wanted)]


@LAW
@given(wanted=st.dictionaries(label_keys, st.text(max_size=20), max_size=3))
def test_any_text_is_a_value_or_is_refused(selectors: SelectorOracle, wanted: dict[str, str]) -> None:
    """A value never changes the structure of the selector."""
    try:
        text = printed(labels(wanted))
    except ValueError:
        assert any("'" in value and '"' in value for value in wanted.values())
    else:
        reading = selectors.read(text, neighbours(wanted))
        assert list(reading.matches) == [wanted.items() <= one.items() for one in neighbours(wanted)]


@LAW
@given(tree=trees, found=st.lists(label_sets, min_size=1, max_size=5))
def test_a_printed_tree_means_what_the_tree_means(
    selectors: SelectorOracle, tree: Selector, found: list[dict[str, str]]
) -> None:
    """The brackets are correct."""
    reading = selectors.read(printed(tree), found)
    assert reading.error == ""
    assert list(reading.matches) == [selects(tree, one) for one in found]


@LAW
@given(text=texts | spoilt(), found=st.lists(label_sets, min_size=1, max_size=5))
def test_catflaps_parser_accepts_what_calico_accepts(
    selectors: SelectorOracle, text: str, found: list[dict[str, str]]
) -> None:
    """Both accept the same texts with the same meaning; otherwise a policy could have another meaning than catflap reads."""
    reading = selectors.read(text, found)
    try:
        tree = parse(text)
    except ValueError:
        # This version of Calico accepts a line end as a blank only inside `has( )` and between `not` and `in`.
        assert not reading.is_selector or "\n" in text
    else:
        assert reading.is_selector
        assert list(reading.matches) == [selects(tree, one) for one in found]


@LAW
@given(tree=trees, found=st.lists(label_sets, min_size=1, max_size=5))
def test_catflaps_parser_reads_calicos_canonical_text(
    selectors: SelectorOracle, tree: Selector, found: list[dict[str, str]]
) -> None:
    """Calico's canonical text has other quotes and brackets, and the same meaning."""
    reading = selectors.read(printed(tree), found)
    assert [selects(parse(reading.canonical), one) for one in found] == list(reading.matches)


@LAW
@given(topology=topologies(), file=files())
def test_calico_takes_every_selector_of_a_policy_file(
    selectors: SelectorOracle, topology: Topology, file: dict[str, Any]
) -> None:
    """This holds for every selector in the rendered policies."""
    try:
        manifests = rendered(file, topology, PolicyEngine.CALICO)
    except BadPolicy:
        reject()
    found = [text for manifest in manifests for text in selectors_in(manifest["spec"])]
    assert [text for text in found if not selectors.read(text).is_selector] == []


def selectors_in(value: Any) -> list[str]:
    """Return every selector at any depth."""
    if isinstance(value, list):
        return [text for one in value for text in selectors_in(one)]
    if not isinstance(value, dict):
        return []
    own = [one for key, one in value.items() if key in {"selector", "namespaceSelector"}]
    return own + [text for one in value.values() for text in selectors_in(one)]
