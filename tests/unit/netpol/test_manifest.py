"""The pieces that every manifest of ours has."""

import pytest

from webhook.netpol.manifest import Birth, metadata, port_and_protocol


@pytest.mark.parametrize(("text", "parts"), [("53/UDP", (53, "UDP")), ("65535/SCTP", (65535, "SCTP"))])
def test_a_port_has_a_number_and_a_protocol(text: str, parts: tuple[int, str]) -> None:
    """As the policy file writes them."""
    assert port_and_protocol(text) == parts


def test_an_engines_own_labels_stand_beside_ours() -> None:
    """In one map."""
    found = metadata("a", Birth("shop", "1", "2"), labels={"x": "y"})
    assert found["labels"] == {"app.kubernetes.io/managed-by": "catflap", "x": "y"}
