"""What a command imports before it does anything: an import of everything takes more than a second."""

import subprocess
import sys
from typing import Final

import pytest

# What only a server, a controller or a cluster needs.
HEAVY: Final = frozenset(
    {"a2wsgi", "cel_expr_python", "cryptography", "flask", "gunicorn", "jinja2", "kubernetes", "requests", "waitress"}
)  # fmt: skip
# And what any verb that reads a policy file needs.
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
    """The modules that a command imported."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(ended.stderr.split())


def test_the_help_imports_no_verb() -> None:
    """Within 0.3 s it is there: nothing but click is read."""
    found = imported("--help")
    assert not found & (HEAVY | PARSING)
    assert {name for name in found if name.startswith("webhook")} == {"webhook", "webhook.cli"}


@pytest.mark.parametrize("name", ["check", "config", "render"])
def test_an_offline_verb_imports_no_server_and_no_cluster(name: str) -> None:
    """CI jobs call them a thousand times."""
    assert not imported(name, "--help") & HEAVY
