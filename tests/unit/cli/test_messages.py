"""Compare the messages about wrong manifests, policy files and command lines with golden files next to the inputs.

No program updates the golden files: a person reads a changed message and then copies it into its file.
"""

import shlex
import shutil
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from tests.unit.samples import HEAD
from webhook.cli import main

CASES: Final = Path(__file__).parents[2] / "cases" / "messages"
FOLDER: Final = CASES / "manifests"
POLICIES: Final = sorted((CASES / "policies").glob("*.yaml"))
# Each file has the words after `catflap`; they run in a copy of the folder with the files that they name.
COMMANDS: Final = sorted((CASES / "commands").glob("*.args"))
GIVEN: Final = CASES / "commands" / "given"
MANIFESTS: Final = sorted(path for path in FOLDER.iterdir() if path.suffix != ".txt")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_a_wrong_manifest_is_answered_in_words_that_help(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the file, the line, the column, the value, the expected value and the remedy."""
    monkeypatch.chdir(FOLDER)
    policy = tmp_path / "policy.yaml"
    policy.write_text(HEAD, encoding="utf-8")
    outcome = CliRunner().invoke(main, ["check", "--strict", "-c", str(policy), manifest.name])
    answer = f"{outcome.stdout}{outcome.stderr}exit {outcome.exit_code}\n"
    assert answer == manifest.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_a_wrong_policy_file_is_answered_in_words_that_help(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is like that about a manifest; a setting without effect yields a warning."""
    monkeypatch.chdir(policy.parent)
    outcome = CliRunner().invoke(main, ["config", "check", policy.name])
    answer = f"{outcome.stdout}{outcome.stderr}exit {outcome.exit_code}\n"
    assert answer == policy.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.stem)
def test_a_wrong_command_line_is_answered_in_words_that_help(
    command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the value, option, expected value and remedy; the code differs from a clean result's."""
    shutil.copytree(GIVEN, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    words = shlex.split(command.read_text(encoding="utf-8"))
    environment = {"COLUMNS": "120", "HOME": str(tmp_path / "home"), "KUBECONFIG": None}
    outcome = CliRunner().invoke(main, words, prog_name="catflap", env=environment)
    answer = f"{outcome.stdout}{outcome.stderr}exit {outcome.exit_code}\n"
    assert answer == command.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["commands", "manifests", "policies"])
def test_every_golden_file_has_its_question(folder: str) -> None:
    """No test would read a golden file without an input."""
    names = {path.stem for path in (CASES / folder).iterdir() if path.suffix != ".txt" and path != GIVEN}
    assert {path.stem for path in (CASES / folder).glob("*.txt")} == names
