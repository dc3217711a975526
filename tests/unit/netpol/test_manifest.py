"""Fields of every manifest that catflap writes."""

from webhook.netpol.manifest import Birth, metadata


def test_labels_of_an_engine_are_added_to_those_of_catflap() -> None:
    """In one map."""
    found = metadata("a", Birth("shop", "1", "2"), labels={"x": "y"})
    assert found["labels"] == {"app.kubernetes.io/managed-by": "catflap", "x": "y"}
