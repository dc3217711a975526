"""Check the limits of one document."""

import pytest

from webhook.syntax import yaml_composer
from webhook.syntax.yaml_composer import BadYamlError, compose


@pytest.mark.parametrize("text", ["[1, 1, 1, 1]", "a: 1\nb: 1", "[[], [], [], []]", "- {}\n- {}\n- {}\n- {}\n"])
def test_a_document_has_a_bound_of_values(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts lists, mappings, keys and scalars; the message has the place of the first value above it."""
    monkeypatch.setattr(yaml_composer, "MOST_VALUES", 4)
    with pytest.raises(BadYamlError, match="more than 4 values") as bad:
        compose(text)
    assert bad.value.place is not None
    monkeypatch.setattr(yaml_composer, "MOST_VALUES", 5)
    compose(text)
