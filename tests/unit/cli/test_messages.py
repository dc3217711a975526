"""What a user reads of wrong manifests: golden files, each beside its manifest.

Nothing writes them anew: a changed message is read before it is copied into its file.
"""

from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from tests.unit.samples import HEAD
from webhook.cli import main

FOLDER: Final = Path(__file__).parents[2] / "cases" / "messages" / "manifests"
MANIFESTS: Final = sorted(path for path in FOLDER.iterdir() if path.suffix != ".txt")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_a_wrong_manifest_is_answered_in_words_that_help(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the file, the line and the column, the value, what is expected and what to do."""
    monkeypatch.chdir(FOLDER)
    policy = tmp_path / "policy.yaml"
    policy.write_text(HEAD, encoding="utf-8")
    outcome = CliRunner().invoke(main, ["check", "--strict", "-c", str(policy), manifest.name])
    answer = f"{outcome.stdout}{outcome.stderr}exit {outcome.exit_code}\n"
    assert answer == manifest.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_golden_file_has_its_manifest() -> None:
    """One without would be read by no test."""
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in MANIFESTS}
