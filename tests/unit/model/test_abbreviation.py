"""Long texts and lists in few words."""

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.strategies import LAW
from webhook.model.abbreviation import LONGEST_KEY, listed, shortened


@LAW
@given(st.text(max_size=2_000), st.integers(64, 1_000))
def test_a_text_has_a_bound_and_keeps_both_ends(text: str, most: int) -> None:
    """One within its bound is as it was."""
    found = shortened(text, most)
    assert len(found) <= most
    assert (found == text) == (len(text) <= most)
    assert found[:8] == text[:8]
    assert found[-16:] == text[-16:]


def test_every_key_of_a_label_is_quoted_whole() -> None:
    """The longest that the API server takes."""
    key = f"{'p' * 253}/{'n' * 63}"
    assert shortened(key) == key
    assert len(key) == LONGEST_KEY


def test_a_list_counts_what_it_leaves_out() -> None:
    """A short one is whole."""
    assert listed(("a", "b")) == "a, b"
    assert listed(("a", "b", "c"), 2, joint=" or ") == "a or b and 1 more"
