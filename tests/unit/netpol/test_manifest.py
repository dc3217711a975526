"""The common metadata of catflap's manifests."""

from webhook.netpol.manifest import RenderTarget, manifest_metadata


def test_labels_of_the_engine_are_merged() -> None:
    """The labels are one map."""
    found = manifest_metadata("a", RenderTarget("shop", "1", "2"), labels={"x": "y"})
    assert found["labels"] == {"app.kubernetes.io/managed-by": "catflap", "x": "y"}
