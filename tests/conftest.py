"""Settings of all tests."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

# Folders of long test files come first, so that no worker is left with one while the others have nothing to do.
LONG_FIRST: Final = ("cluster", "chart", "server", "oracles", "browser", "laws")

# A busy machine can take any time for an example, so no example has a deadline.
settings.register_profile("catflap", deadline=None)
settings.load_profile("catflap")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the test files by their folder."""
    items.sort(key=lambda item: rank(item.path))


def rank(path: Path) -> int:
    """Return the place of a test file's folder in the order."""
    folder = path.relative_to(Path(__file__).parent).parts[0]
    return LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST)
