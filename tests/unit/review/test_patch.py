"""Check JSON Patch for labels with an independent implementation."""

import json
from typing import Any

import pytest

from tests.unit.review.json_patch import apply
from webhook.review.patch import label_patch, pointer


@pytest.mark.parametrize(
    ("key", "step"),
    [
        pytest.param("app", "app", id="nothing to escape"),
        pytest.param("app.kubernetes.io/name", "app.kubernetes.io~1name", id="a slash"),
        pytest.param("a~b", "a~0b", id="a tilde"),
        pytest.param("a~1b", "a~01b", id="what looks escaped already"),
        pytest.param("~/", "~0~1", id="both"),
    ],
)
def test_key_is_escaped_as_in_rfc_6901(key: str, step: str) -> None:
    """RFC 6901, section 3, escapes the tilde first."""
    assert pointer(key) == step


LABELS = {"app": "web", "app.kubernetes.io/name": "a~b/c", "x~y": ""}


@pytest.mark.parametrize("present", [{"team": "a"}, {"app": "old"}], ids=["other labels", "one to write over"])
def test_labels_are_added_to_existing_ones(present: dict[str, str]) -> None:
    """Labels outside of the patch do not change."""
    source = {"metadata": {"name": "web", "labels": present}, "spec": {}}
    patched = apply(source, json.loads(label_patch(LABELS, has_labels=True)))
    assert patched == {"metadata": {"name": "web", "labels": {**present, **LABELS}}, "spec": {}}


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"name": "web"}, id="no map"),
        pytest.param({"name": "web", "labels": {}}, id="an empty map"),
        pytest.param({"name": "web", "labels": None}, id="null"),
    ],
)
def test_missing_label_map_is_created(metadata: dict[str, Any]) -> None:
    """`add` replaces an existing member."""
    patched = apply({"metadata": metadata}, json.loads(label_patch(LABELS, has_labels=False)))
    assert patched == {"metadata": {"name": "web", "labels": LABELS}}


def test_adding_to_no_map_would_fail() -> None:
    """The code therefore distinguishes the two cases."""
    with pytest.raises(KeyError):
        apply({"metadata": {}}, json.loads(label_patch(LABELS, has_labels=True)))
