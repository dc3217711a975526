"""For every text that is not YAML, the message is one of catflap's own, and its position is in the text."""

import re
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from webhook.syntax.yaml_errors import UNKNOWN, YamlComplaint, explain

# Parts of the messages of libyaml and PyYAML.
FOREIGN: Final = re.compile(
    r"did not find|could not find|while (?:parsing|scanning)|not allowed|\bfound\b|<block|token|stream|simple key|scalar|flow|indicator"
)
PIECES: Final = ["a", "b: ", "- ", ":", "[", "]", "{", "}", ",", "'", '"', "|", ">", "&a", "*a", "!t", "!!", "%", "@", "#", "? ", "\t", "\n", "\n  ", "\n    ", " ", "\\", "---", "...", "é", "\u2028", "\ufeff", "0"]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@pytest.mark.parametrize("parser", [yaml.CSafeLoader, yaml.SafeLoader], ids=["libyaml", "Python"])
@given(text=texts)
def test_the_error_of_a_text_that_is_not_yaml_has_a_position_in_it(parser: Any, text: str) -> None:
    """This holds for both parsers."""
    found = parse_error(text, parser)
    if found is None:
        return
    assert not FOREIGN.search(found.says), found
    assert found.says != UNKNOWN
    lines = text.splitlines() or [""]
    assert 1 <= found.line <= len(lines) + 1
    assert 1 <= found.column <= len(lines[min(found.line, len(lines)) - 1]) + 2


def parse_error(text: str, parser: Any) -> YamlComplaint | None:
    """Return the message for a text; None where it is YAML."""
    try:
        list(yaml.parse(text, parser))
    except yaml.YAMLError as bad:
        return explain(bad, text)
    return None
