"""Check that the beginning of a review suffices to read its request, for any names of objects and users."""

import json
from typing import Any, Final

import pytest

from tests.reviews import GOOD, namespace, pod, review
from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL
from webhook.review.decode import decode
from webhook.review.envelope import BadReview
from webhook.review.truncated_review import HEAD_BYTES, decode_beginning

WHY: Final = "it is too large"
TAIL: Final = "x" * HEAD_BYTES
NAMES: Final = (',"object":{', '\\","oldObject":null', "}}", "\u00e9\U0001f600", "")


def policy(name: str, labels: dict[str, str], **metadata: Any) -> dict[str, Any]:
    """Return a network policy that is too large."""
    metadata = {**metadata, "name": name, "labels": labels}
    return {"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1", "metadata": metadata, "spec": {"x": TAIL}}


def head(manifest: dict[str, Any] | None, **request: Any) -> bytes:
    """Return the first bytes of a review as the API server writes it."""
    whole = review(manifest, **request)
    last = {key: whole["request"].pop(key) for key in ("object", "oldObject", "dryRun")}
    whole["request"] |= last
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()[:HEAD_BYTES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("extra", [{}, {"object": ["x"]}, {"a": ["y"], "object": None}, {"a": [], "oldObject": None}])
def test_request_fields_are_read(name: str, extra: dict[str, Any]) -> None:
    """The result equals that of the whole review."""
    user = {"username": f"jane{name}", "groups": [name, "b"], "extra": extra}
    manifest = {**pod(GOOD), "status": {"message": TAIL}}
    found = decode_beginning(head(manifest, userInfo=user, subResource="status", before=pod(GOOD)), WHY)
    small = decode(json.dumps(review(pod(GOOD), userInfo=user, subResource="status", before=pod(GOOD))).encode())
    assert (found.uid, found.user, found.target, found.operation) == (
        small.uid,
        small.user,
        small.target,
        small.operation,
    )
    assert found.unread == WHY
    assert found.workload is None


@pytest.mark.parametrize("labels", [{}, {"a": "}{"}, {MANAGED_BY_LABEL: MANAGED_BY}, {"a": 'b"}}'}])
@pytest.mark.parametrize("name", ["open", "catflap-default-deny"])
def test_the_name_and_the_labels_of_a_policy_are_read(name: str, labels: dict[str, str]) -> None:
    """They show whether catflap wrote the policy."""
    found = decode_beginning(head(policy(name, labels, annotations={"a": '{"object":{'})), WHY)
    assert found.policy is not None
    assert (found.policy.name, found.policy.labels) == (name, labels)


def test_a_policy_with_metadata_that_do_not_end_may_be_ours() -> None:
    """Its name and its labels are unknown, so catflap may have written it."""
    assert decode_beginning(head(policy("open", {}, annotations={"a": TAIL})), WHY).policy is None


@pytest.mark.parametrize("body", [b"", b"{}", b" " * 100, TAIL.encode(), b'{"request":{"uid":"1","object":{}'])
def test_other_beginning_is_a_bad_review(body: bytes) -> None:
    """The server cannot answer such a request."""
    with pytest.raises(BadReview):
        decode_beginning(body, WHY)


def test_review_that_begins_with_the_object_is_invalid() -> None:
    """The API server never writes such a review."""
    whole = review({**namespace(), "status": {"x": TAIL}})
    whole["request"] = {"object": whole["request"].pop("object"), **whole["request"]}
    with pytest.raises(BadReview):
        decode_beginning(json.dumps(whole, separators=(",", ":")).encode()[:HEAD_BYTES], WHY)
