"""Imports of the commands: an import of all modules would take more than a second."""

import subprocess
import sys
from typing import Final

import pytest

# Packages for servers, controllers and clusters only.
HEAVY: Final = frozenset(
    {"a2wsgi", "cel_expr_python", "cryptography", "flask", "gunicorn", "jinja2", "kubernetes", "requests", "waitress"}
)  # fmt: skip
# Packages that each verb with a policy file needs.
PARSING: Final = frozenset({"msgspec", "pydantic", "rich", "yaml"})
SCRIPT: Final = """
import sys
from webhook.cli import main
try:
    main(sys.argv[1:], prog_name="catflap")
except SystemExit as ended:
    assert not ended.code
print("\\n".join(sys.modules), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """Return the modules that a command imported."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(ended.stderr.split())


def test_the_help_imports_no_verb() -> None:
    """The help takes less than 0.3 s, because only click is imported."""
    found = imported("--help")
    assert not found & (HEAVY | PARSING)
    assert {name for name in found if name.startswith("webhook")} == {"webhook", "webhook.cli"}


@pytest.mark.parametrize("name", ["check", "config", "render"])
def test_an_offline_verb_imports_no_server_and_no_cluster(name: str) -> None:
    """CI jobs call them often."""
    assert not imported(name, "--help") & HEAVY
