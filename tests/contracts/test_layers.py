"""The import contracts hold, and they detect violations."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.contracts.source import PACKAGE, ROOT

LINT: Final = "from importlinter.cli import lint_imports_command; lint_imports_command()"
LAYERS: Final = "Higher imports lower, never back"
PURE: Final = "The core is pure"
INDEPENDENT: Final = "Rules do not know each other"
FLASK: Final = "Flask has one door"
KUBERNETES: Final = "Kubernetes has one door"
CRYPTOGRAPHY: Final = "Cryptography has one door"


def broken(checkout: Path) -> set[str]:
    """Return the contracts that a checkout breaks."""
    ended = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    verdicts = [line.rsplit(maxsplit=1) for line in ended.stdout.splitlines() if line.endswith((" KEPT", " BROKEN"))]
    assert verdicts, ended.stdout + ended.stderr
    found = {name for name, verdict in verdicts if verdict == "BROKEN"}
    assert bool(ended.returncode) == bool(found)
    return found


def test_every_contract_is_kept() -> None:
    """For the current package."""
    assert broken(ROOT) == set()


@pytest.mark.parametrize(
    ("module", "line", "contracts"),
    [
        pytest.param("model/names.py", "import webhook.rules", {LAYERS}, id="the model imports a rule"),
        pytest.param("netpol/dns.py", "import webhook.rules", {LAYERS}, id="siblings know each other"),
        pytest.param("review/decode.py", "import webhook.server.http_reply", {LAYERS}, id="the codec imports the server"),
        pytest.param("rules/known_role.py", "import webhook.rules.require_role", {INDEPENDENT}, id="a rule imports another"),
        pytest.param("admission/decide.py", "import time", {PURE}, id="a decision looks at the clock"),
        pytest.param("rules/known_role.py", "import flask", {PURE, FLASK}, id="a rule knows of HTTP"),
        pytest.param("controller/loop.py", "import flask", {FLASK}, id="the controller serves pages"),
        pytest.param("server/review_handler.py", "import kubernetes", {KUBERNETES}, id="the server calls the API by itself"),
        pytest.param("config/parse.py", "import cryptography", {CRYPTOGRAPHY}, id="the policy file is encrypted"),
        pytest.param("somewhere.py", "", {LAYERS}, id="a module without a place"),
    ],
)  # fmt: skip
def test_a_fault_breaks_its_contract(tmp_path: Path, module: str, line: str, contracts: set[str]) -> None:
    """The violation is added to a copy of the package."""
    shutil.copytree(PACKAGE, tmp_path / "webhook", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "webhook" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n" if line else '"""A new module."""\n')
    assert broken(tmp_path) == contracts
