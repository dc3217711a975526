"""The pieces that every manifest of ours has."""

from webhook.netpol.manifest import RenderTarget, metadata


def test_an_engines_own_labels_stand_beside_ours() -> None:
    """In one map."""
    found = metadata("a", RenderTarget("shop", "1", "2"), labels={"x": "y"})
    assert found["labels"] == {"app.kubernetes.io/managed-by": "catflap", "x": "y"}
