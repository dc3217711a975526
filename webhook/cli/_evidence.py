"""`catflap audit query` and `export`: what a log tells, record by record."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import click

from webhook.audit import ocsf, table
from webhook.audit.entry import Entries, Entry, printable
from webhook.audit.query import Query, moment, record_types
from webhook.audit.reading import Unreadable
from webhook.cli._options import Function, Renamed, complain
from webhook.cli._progress import progress
from webhook.model.decision import Verdict

FORMATS: Final[Mapping[str, Callable[[Iterator[Entry]], Iterator[bytes]]]] = {"ocsf": ocsf.lines, "csv": table.lines}
# Wide enough for most; what is longer pushes its line's rest to the right.
COLUMNS: Final = {"TIME": 19, "WHAT": 13, "WHO": 28, "VERB": 7, "OBJECT": 36, "WHY": 0}
GAP: Final = "   "

log_file = click.Path(exists=True, dir_okay=False, allow_dash=True)
log_files = click.argument("files", metavar="FILE...", type=log_file, nargs=-1, required=True)
lenient_option = click.option("--lenient", is_flag=True, help="Take copies whose JSON a collector wrote anew.")


class MomentType(click.ParamType[datetime]):
    """A date or a time, UTC unless it says otherwise."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The point in time."""
        if isinstance(value, datetime):
            return value
        try:
            return moment(str(value))
        except ValueError:
            self.fail(f"{value!r}: write 2026-01-31 or 2026-01-31T12:00:00Z", param, ctx)


def filters(function: Function) -> Function:
    """The questions of a query."""
    kinds, verdicts = click.Choice(record_types()), click.Choice([verdict.value for verdict in Verdict])
    options: tuple[tuple[tuple[str, ...], Any, str], ...] = (
        (("--type", "types"), kinds, "Records of this type."),
        (("--decision", "decisions"), verdicts, "Decisions that came out so."),
        (("--user", "users"), str, "Asked by this user."),
        (("--group", "groups"), str, "Asked by a member of this group."),
        (("-n", "--namespace", "namespaces"), str, "About an object in this namespace."),
        (("--resource", "resources"), str, "About this resource (pods, pods/status) or kind (NetworkPolicy)."),
        (("--name", "names"), str, "About an object of this name."),
        (("--rule", "rules"), str, "This rule was broken, whatever came of it."),
    )
    for names, kind, says in reversed(options):
        function = click.option(*names, type=kind, multiple=True, help=says)(function)
    until = click.option("--to", "end", type=MomentType(), help="Before this time (a date is its first moment).")
    return click.option("--from", "begin", type=MomentType(), help="From this time on.")(until(function))


@click.command("query")
@log_files
@filters
@lenient_option
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def query(files: tuple[str, ...], lenient: bool, output: str, **asked: Any) -> None:
    """Print the records that answer a question, oldest file first; `-` is standard input.

    Options of different kinds must all hold, of one kind any; in names `*` stands for any text. `-o json` prints each record as
    it stands in the log.
    """
    fits = Query(**asked).compiled()
    with printing() as write:
        if output == "table":
            write(line(COLUMNS))
        for entry, text in read(files, lenient=lenient, doing="searching"):
            if fits(entry):
                write(text + b"\n" if output == "json" else line(cells(entry)))


@click.command("export")
@log_files
@click.option(
    "-o", "--output", "form", cls=Renamed, former=("--format",), type=click.Choice(list(FORMATS)), required=True, help="Which form."
)  # fmt: skip
@lenient_option
def export(files: tuple[str, ...], form: str, lenient: bool) -> None:
    """Print records in a form that others read: OCSF events, a line of JSON each, or CSV; `-` is standard input."""
    with printing() as write:
        for exported in FORMATS[form](entry for entry, _ in read(files, lenient=lenient, doing="exporting")):
            write(exported)


def read(files: tuple[str, ...], *, lenient: bool, doing: str) -> Iterator[tuple[Entry, bytes]]:
    """Every record, with a bar where that can be seen; what is no record is counted at the end."""
    try:
        with progress(files, doing, prints=True) as moved:
            entries = Entries(files, lenient=lenient, moved=moved)
            yield from entries
    except Unreadable as bad:
        complain([str(bad)])
    if not entries.read:
        hint = (
            "; --lenient reads copies whose lines a collector wrote anew" if entries.passed_over and not lenient else ""
        )
        complain([f"no record in {', '.join(files)}{hint}"])
    if entries.passed_over:
        told = f"passed over {entries.passed_over} pieces that are no records; catflap audit verify says what they are"
        click.echo(f"catflap: {told}", err=True)


@contextmanager
def printing() -> Iterator[Callable[[bytes], object]]:
    """Where records are printed to, whatever the terminal's encoding; whoever wants no more of them is no failure."""
    try:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as bad:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (what is left cannot be printed either)
        complain([f"standard output: {bad}"])


def cells(entry: Entry) -> tuple[str, ...]:
    """A record in the columns of the table."""
    target = entry.object_ref
    what = entry.decision or entry.type
    who = entry.username or str(entry.writer.get("process", ""))
    why = ", ".join(part for part in (*entry.rules, entry.reason, *entry.faults) if part)
    return entry.time[:19], what, who, entry.verb, " ".join(filter(None, (target.path, target.full_name))), why


def line(values: Any) -> bytes:
    """Values under each other."""
    padded = (printable(value).ljust(width) for value, width in zip(values, COLUMNS.values(), strict=True))
    return f"{GAP.join(padded).rstrip()}\n".encode()
