"""What is known of a namespace."""

from datetime import UTC, datetime

import pytest

from webhook.model.namespace import Namespace


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({"catflap.dev/guard": "enabled"}, True, id="our mark"),
        pytest.param({"catflap.dev/guard": "disabled"}, False, id="another value"),
        pytest.param({"guard": "enabled"}, False, id="another key"),
        pytest.param({}, False, id="no label"),
    ],
)
def test_the_guard_label_is_one_label_with_one_value(labels: dict[str, str], *, expected: bool) -> None:
    """Regardless of the user who set it."""
    namespace = Namespace("shop", "1", labels, datetime(2026, 1, 1, tzinfo=UTC), terminating=False)
    assert namespace.has_guard_label is expected
