"""The analyzer's environment where it cannot be installed."""

import io
from pathlib import Path

import pytest

from tests.controlplane.cache import cache_root
from tests.controlplane.golang import Unavailable
from tests.controlplane.progress import Progress
from tests.oracles.environment import REQUIREMENTS, install


def test_without_an_index_it_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason has the index and pip's message, and no partial environment stays."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(
        Unavailable, match=r"(?s)^network-config-analyzer: cannot be installed from PyPI: .*No matching"
    ):
        install(Progress(io.StringIO()))
    assert [path.name for path in cache_root().iterdir()] == ["lock"]


def test_every_requirement_has_its_hashes() -> None:
    """Otherwise pip would refuse all of them; and every package comes from an index."""
    pinned = [line for line in REQUIREMENTS.read_text().splitlines() if line and line[0] not in "# "]
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)
