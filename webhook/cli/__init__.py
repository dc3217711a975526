"""One verb a file; a new file here with a click command `verb` is a new verb.

A verb's module is imported only when the verb is called, so that `catflap check` does not pay for a server.
"""

from importlib import import_module
from pathlib import Path

import click

from webhook import __version__


class Verbs(click.Group):
    """The verbs, found by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Every module of this folder that is a verb."""
        return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of one verb."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return import_module(f"webhook.cli.{cmd_name}").verb  # type: ignore[no-any-return]


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="catflap")
def main() -> None:
    """Lets only workloads with a known role into a cluster, and closes namespaces at birth."""
