"""Tests that a missing ConfigMap of the policy file is reported once, and its return once."""

import pytest

from webhook.bootstrap.policy_file_presence import PolicyFilePresence
from webhook.config.source import ConfigMapRef
from webhook.kube.api import Json


class Cache:
    """The objects that a watch has seen."""

    def __init__(self) -> None:
        self.synced = False
        self.found: Json | None = None

    def get(self, key: str) -> Json | None:
        """Return the ConfigMap."""
        assert key == "guards/catflap-policy"
        return self.found


@pytest.mark.parametrize(
    ("in_force", "said"),
    [(False, "is not ready, and rejects the requests that it must check"), (True, "uses the last policy")],
)
def test_what_is_missing_is_said_once(said: str, *, in_force: bool) -> None:
    """It is reported after the first list, with what it means and how to fix it."""
    told: list[str] = []
    cache = Cache()
    presence = PolicyFilePresence(
        ConfigMapRef("guards", "catflap-policy"), cache, in_force=lambda: in_force, on_change=told.append
    )
    presence.check()
    assert (told, presence.trouble) == ([], "")
    cache.synced = True
    for _ in range(3):
        presence.check()
    [note] = told
    assert note == presence.trouble
    assert note.startswith("ConfigMap guards/catflap-policy, which contains the policy file, is missing")
    assert said in note
    cache.found = {}
    for _ in range(3):
        presence.check()
    assert told == [note, ""]
    cache.found = None
    presence.check()
    assert len(told) == 3
