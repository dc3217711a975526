"""A verb that reports every wrong option of a command line at once, where click itself reports the first."""

from collections.abc import Iterator
from typing import Any

import click


class Verb(click.Command):
    """A command whose usage error contains every wrong value and every missing option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the remaining arguments.  Raises click.UsageError."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as first:
            faults = list(self._faults(ctx, given))
            if len(faults) < 2:  # noqa: PLR2004 (one fault is what click found)
                raise first from None
            raise click.UsageError("\nError: ".join(fault.format_message() for fault in faults), ctx) from None

    def _faults(self, ctx: click.Context, args: list[str]) -> Iterator[click.BadParameter]:
        """Yield what is wrong with each parameter, in the order of the help."""
        options, rest, _ = self.make_parser(ctx).parse_args(args=args)
        for parameter in self.params:
            try:
                _, rest = parameter.handle_parse_result(ctx, options, rest)
            except click.BadParameter as fault:
                yield fault


class VerbGroup(click.Group):
    """A group of such verbs."""

    command_class: type[Any] = Verb
