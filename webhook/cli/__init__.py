"""Find the verbs: each file has one verb, and a new file here with a click command `verb` is a new verb.

A verb's module is imported only when the verb is called, so that `catflap check` does not pay for a server. The list of
all verbs reads their sentences from the source, as an import of each would take a second
(tests/contracts/test_imports.py).
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from webhook import __version__

FOLDER: Final = Path(__file__).parent
INDENT: Final = 6  # of click's lists, including the space between their columns


class Verbs(click.Group):
    """The group of all verbs, which finds them by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return every module of this folder that is a verb."""
        return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of one verb."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return import_module(f"webhook.cli.{cmd_name}").verb  # type: ignore[no-any-return]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb of a command line; the error for an unknown one names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as bad:
            raise click.NoSuchCommand(bad.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each verb with its sentence."""
        names = self.list_commands(ctx)
        room = formatter.width - INDENT - max(map(len, names), default=0)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, click.Command(name, help=first_sentence(name)).get_short_help_str(room)) for name in names]
            )


def first_sentence(name: str) -> str:
    """Return the docstring of a verb's function, without an import of its module."""
    source = FOLDER.joinpath(f"{name}.py").read_text(encoding="utf-8")
    functions = (one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef) and one.name == "verb")
    return next((ast.get_docstring(one) or "" for one in functions), "")


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="catflap")
def main() -> None:
    """Reject workloads without the required labels, and isolate each new namespace."""
