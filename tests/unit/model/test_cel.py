"""Texts as parts of expressions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.cel.library import compile_expression
from webhook.model.cel import fits_any, quoted


@settings(deadline=None)  # a busy machine compiles as slowly as it likes
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_a_text_says_itself_and_nothing_else(text: str) -> None:
    """Whatever quotes, backslashes and operators it contains."""
    assert compile_expression(f"object == {quoted(text)}").run({"object": text})
    assert not compile_expression(f"object == {quoted(text)}").run({"object": f"{text}x"})


@pytest.mark.parametrize("name", ["x'] || true || name in ['", "x\\'", "a\\", '"', "a'b*"])
def test_a_name_cannot_end_its_list(name: str) -> None:
    """No name of a policy file makes a condition true of others."""
    expression = fits_any([name, "shop"], "object")
    assert not compile_expression(expression).run({"object": "other"})
    assert compile_expression(expression).run({"object": "shop"})
    assert compile_expression(expression).run({"object": name.removesuffix("*")})


def test_usual_names_are_written_as_people_write_them() -> None:
    """Between single quotes."""
    assert fits_any(["shop", "team-*"], "n") == "n in ['shop'] || ['team-'].exists(stem, n.startsWith(stem))"
