"""What one document may cost."""

import pytest

from webhook.syntax import composing
from webhook.syntax.composing import BadYamlError, compose


@pytest.mark.parametrize("text", ["[1, 1, 1, 1]", "a: 1\nb: 1", "[[], [], [], []]", "- {}\n- {}\n- {}\n- {}\n"])
def test_a_document_has_a_bound_of_values(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists, mappings, keys and scalars count; the place of the first one too many is named."""
    monkeypatch.setattr(composing, "MOST_VALUES", 4)
    with pytest.raises(BadYamlError, match="more than 4 values") as bad:
        compose(text)
    assert bad.value.place is not None
    monkeypatch.setattr(composing, "MOST_VALUES", 5)
    compose(text)
