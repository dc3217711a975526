"""That the policy file's ConfigMap is missing is said once, and once that it is there again."""

import pytest

from webhook.bootstrap.presence import Presence
from webhook.config.source import ConfigMapRef
from webhook.kube.api import Json


class Cache:
    """What a watch has seen."""

    def __init__(self) -> None:
        self.synced = False
        self.found: Json | None = None

    def get(self, key: str) -> Json | None:
        """The ConfigMap."""
        assert key == "guards/catflap-policy"
        return self.found


@pytest.mark.parametrize(
    ("in_force", "said"),
    [(False, "so this process is not ready, and what is judged is refused"), (True, "goes on with the last one")],
)
def test_what_is_missing_is_said_once(said: str, *, in_force: bool) -> None:
    """Not before the first list is known, and with what it means and what to do."""
    told: list[str] = []
    cache = Cache()
    presence = Presence(
        ConfigMapRef("guards", "catflap-policy"), cache, in_force=lambda: in_force, on_change=told.append
    )
    presence.look()
    assert (told, presence.trouble) == ([], "")
    cache.synced = True
    for _ in range(3):
        presence.look()
    [note] = told
    assert note == presence.trouble
    assert note.startswith("ConfigMap guards/catflap-policy, which holds the policy file, is missing")
    assert said in note
    cache.found = {}
    for _ in range(3):
        presence.look()
    assert told == [note, ""]
    cache.found = None
    presence.look()
    assert len(told) == 3
