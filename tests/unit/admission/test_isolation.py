"""Namespaces that catflap manages."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from tests.unit.samples import policy
from webhook.admission.isolation import is_managed, reason_not_managed
from webhook.model.namespace import Namespace

BEGAN: Final = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
STAMP: Final = {"catflap.dev/guard": "enabled"}


def guarded(
    name: str = "shop",
    text: str = "",
    *,
    created: datetime = BEGAN - SECOND,
    labels: dict[str, str] | None = None,
) -> bool:
    """Return whether a namespace is managed, by default one created a second before installation; catflap runs in `guards`."""
    namespace = Namespace(name, "1", labels or {}, created, terminating=False)
    return is_managed(namespace, policy(text), isolation_since=BEGAN, own_namespace="guards")


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        pytest.param(BEGAN + SECOND, True, id="younger"),
        pytest.param(BEGAN, True, id="of the same second, which may be younger"),
        pytest.param(BEGAN - SECOND, False, id="older"),
        pytest.param(datetime(2026, 6, 1, 14, 0, 0, tzinfo=UTC) - 2 * timedelta(hours=1), True, id="by the instant"),
    ],
)
def test_a_namespace_is_guarded_by_its_age(created: datetime, *, expected: bool) -> None:
    """Older namespaces are not managed."""
    assert guarded(created=created) is expected


def test_the_guard_label_isolates_an_older_namespace() -> None:
    """A user set the label to isolate the namespace."""
    assert guarded(labels=STAMP)


def test_another_value_of_the_guard_label_changes_nothing() -> None:
    """A younger namespace is guarded by its age, whatever its labels say."""
    assert guarded(created=BEGAN + SECOND, labels={"catflap.dev/guard": "disabled"})


@pytest.mark.parametrize(
    ("included", "expected"),
    [
        pytest.param("all", True, id="all"),
        pytest.param("[shop]", True, id="by name"),
        pytest.param("[sh*]", True, id="by prefix"),
        pytest.param("[team-*]", False, id="another prefix"),
        pytest.param("none", False, id="none"),
    ],
)
def test_an_older_namespace_is_guarded_once_it_is_included(included: str, *, expected: bool) -> None:
    """A running system gets no default-deny unexpectedly."""
    assert guarded(text=f"namespaces: {{includeExisting: {included}}}") is expected


@pytest.mark.parametrize("name", ["kube-system", "calico-system", "guards"])
def test_an_exempt_namespace_is_never_guarded(name: str) -> None:
    """Neither by age, nor by the guard label, nor because the file includes them."""
    assert not guarded(name, "namespaces: {includeExisting: all}", created=BEGAN + SECOND, labels=STAMP)


@pytest.mark.parametrize(
    "name", ["shop", "guards", "kube-public", "calico-system", "build", "sys-a", "default", "catflap-system"]
)
@pytest.mark.parametrize("included", ["none", "all", "[default, guards, build]"])
def test_a_namespace_that_stays_open_has_a_reason(name: str, included: str) -> None:
    """Of `default`, which is as old as its cluster; of any other the name alone says nothing of its age."""
    text = f"namespaces: {{includeExisting: {included}, exempt: [calico-system, build], reserved: {{prefixes: ['sys-*']}}}}"
    created = BEGAN - SECOND if name == "default" else BEGAN + SECOND
    is_open = not guarded(name, text, created=created)
    assert bool(reason_not_managed(name, policy(text), own_namespace="guards")) is is_open
