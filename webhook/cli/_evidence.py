"""`catflap audit query` and `export`: print what a log says, record by record."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from webhook.audit import ocsf, table
from webhook.audit.entry import Entries, Entry
from webhook.audit.query import Query, Test, moment, names_one, record_types
from webhook.audit.reading import Unreadable, no_record
from webhook.audit.schema import REASONED
from webhook.cli._asking import NamespacePattern, OneOf, ReasonPattern, in_order, meant
from webhook.cli._options import LOGS, Function, Renamed, complain, load_policy, once, policy_option
from webhook.cli._progress import progress
from webhook.cli._streams import warn
from webhook.files import shown
from webhook.guard import binding, namespace_labels, policy_file, policy_protection
from webhook.model.abbreviation import printable
from webhook.model.counting import counted
from webhook.model.custom_rule import CustomRule
from webhook.model.decision import Verdict
from webhook.rules import RULES

FORMATS: Final[Mapping[str, Callable[[Iterator[Entry]], Iterator[bytes]]]] = {"ocsf": ocsf.lines, "csv": table.lines}
# Wide enough for most values; a longer value moves the rest of its line to the right.
COLUMNS: Final = {"TIME": 19, "WHAT": 13, "WHO": 28, "VERB": 7, "OBJECT": 36, "WHY": 0}
LENIENT: Final = "--lenient reads copies in which a collector rewrote the lines"
GAP: Final = "   "
# The rules, other than custom rules, that a record may name as violated.
BUILT_IN: Final = (
    *RULES,
    *(module.PROTECTION for module in (binding, policy_file, namespace_labels, policy_protection)),
)

log_files = click.argument("files", metavar="FILE...", type=LOGS, nargs=-1, required=True)
lenient_option = click.option("--lenient", is_flag=True, help="Accept copies in which a collector rewrote the JSON.")


class MomentType(click.ParamType[datetime]):
    """A date or a time; UTC is the default."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time."""
        if isinstance(value, datetime):
            return value
        try:
            return moment(str(value))
        except ValueError:
            self.fail(f"{value!r}: write 2026-01-31 or 2026-01-31T12:00:00Z", param, ctx)


def filters(function: Function) -> Function:
    """Add the filter options of a query."""
    kinds, verdicts = OneOf(record_types()), OneOf([verdict.value for verdict in Verdict])
    options: tuple[tuple[tuple[str, ...], Any, str], ...] = (
        (("--type", "types"), kinds, "Records of this type."),
        (("--decision", "decisions"), verdicts, "Decisions with this result."),
        (("--user", "users"), str, "Requests of this user."),
        (("--group", "groups"), str, "Requests of a member of this group."),
        (("-n", "--namespace", "namespaces"), NamespacePattern(), "Requests for an object in this namespace."),
        (("--resource", "resources"), str, "Requests for this resource (pods, pods/status) or kind (NetworkPolicy)."),
        (("--name", "names"), str, "Requests for an object with this name."),
        (("--rule", "rules"), str, "Requests that violate this rule, in any mode."),
        (("--reason", "reasons"), ReasonPattern(), "Records with this reason code, such as BreakGlass or Policy*."),
    )
    for names, kind, says in reversed(options):
        function = click.option(*names, type=kind, multiple=True, help=says)(function)
    until = click.option("--to", "end", type=MomentType(), help="Before this time (a date means 00:00 UTC).")
    return click.option("--from", "begin", type=MomentType(), help="From this time on (a date means 00:00 UTC).")(
        until(function)
    )


@click.command("query")
@log_files
@filters
@policy_option(
    required=False, says="The policy file, or the manifest of its ConfigMap. --rule accepts its custom rules."
)
@lenient_option
@click.option("-o", "--output", type=OneOf(["table", "json"]), default="table", show_default=True)
def query(files: tuple[str, ...], lenient: bool, output: str, policy: Path | None, **asked: Any) -> None:
    """Print the records that match the options, in the order of the files; `-` is standard input.

    A record must match at least one value of each option. In names, `*` matches any text. `-o json` prints each record as it is in
    the log.
    """
    in_order(asked["begin"], asked["end"])
    found = Found(Query(**asked).compiled())
    write = sys.stdout.buffer.write
    if output == "table":
        write(line(COLUMNS))
    for entry, text in read(files, lenient=lenient, doing="searching"):
        if found.takes(entry):
            write(text + b"\n" if output == "json" else line(cells(entry)))
    known = {*BUILT_IN, *found.rules, *(rule.id for rule in custom_rules(policy))}
    if unknown := [rule for rule in asked["rules"] if not names_one(rule, known)]:
        complain([unknown_rule(rule, known, found.read) for rule in unknown])
    if asked["reasons"] and found.without_code:
        records = f"{counted(found.without_code, 'record')} without a reason code, which an earlier release wrote"
        warn(f"--reason cannot match {records}")
    if not found.matched:
        warn(f"no record matches; {counted(found.read, 'record')} read")


class Found:
    """Decides which records match a query, and collects what the records contain regardless of the query."""

    def __init__(self, fits: Test) -> None:
        self._fits = fits
        self.read = 0
        self.matched = 0
        self.without_code = 0  # records without a code whose type has reasons
        self.rules: set[str] = set()

    def takes(self, entry: Entry) -> bool:
        """Return whether the query matches a record."""
        fits = self._fits(entry)
        self.read += 1
        self.matched += fits
        self.rules.update(entry.rules)
        self.without_code += entry.type in REASONED and not entry.reason_code
        return fits


def custom_rules(policy: Path | None) -> tuple[CustomRule, ...]:
    """Return the custom rules of a policy file, if one is named; a bad one ends the command."""
    return load_policy(policy).policy.custom if policy else ()


def unknown_rule(rule: str, known: Iterable[str], records: int) -> str:
    """Return the message about a rule in the query that neither catflap nor a record has."""
    return (
        f"--rule {rule!r} is not a rule of catflap, and no record of {counted(records, 'record')} contains "
        f"it.{meant(rule, sorted(known))} "
        f"The rules are {', '.join(sorted(known))}; for a custom rule without violations, add -c POLICY"
    )


@click.command("export")
@log_files
@click.option(
    "-o", "--output", "form", cls=Renamed, former=("--format",), type=OneOf(list(FORMATS)), required=True, help="The output format."
)  # fmt: skip
@lenient_option
def export(files: tuple[str, ...], form: str, lenient: bool) -> None:
    """Print records in a format for other programs: OCSF events, one line of JSON each, or CSV; `-` is standard input."""
    for exported in FORMATS[form](entry for entry, _ in read(files, lenient=lenient, doing="exporting")):
        sys.stdout.buffer.write(exported)


def read(files: tuple[str, ...], *, lenient: bool, doing: str) -> Iterator[tuple[Entry, bytes]]:
    """Yield every record, with a bar on a terminal; report at the end how many texts are no record."""
    once(files)
    try:
        with progress(files, doing, prints=True) as moved:
            entries = Entries(files, lenient=lenient, moved=moved)
            yield from entries
    except Unreadable as bad:
        complain([str(bad)])
    if not entries.read:
        complain([unread(files, lenient=lenient) if entries.were_records else no_record(files)])
    if entries.passed_over:
        warn(
            f"skipped {counted(entries.passed_over, 'line')} without a valid record; catflap audit verify "
            "describes them"
        )


def unread(files: tuple[str, ...], *, lenient: bool) -> str:
    """Return the message about a log without a readable record."""
    remedy = "catflap audit verify describes them" if lenient else LENIENT
    return f"{', '.join(map(shown, files))} contains no valid record; {remedy}"


def cells(entry: Entry) -> tuple[str, ...]:
    """Return the cells of a record in the table."""
    target = entry.object_ref
    what = entry.decision or entry.type
    who = entry.username or str(entry.writer.get("process", ""))
    details = ", ".join(part for part in (*entry.rules, entry.reason, *entry.faults) if part)
    why = ": ".join(part for part in (entry.reason_code, details) if part)
    return entry.time[:19], what, who, entry.verb, " ".join(filter(None, (target.path, target.full_name))), why


def line(values: Any) -> bytes:
    """Return one line of aligned values."""
    padded = (printable(value).ljust(width) for value, width in zip(values, COLUMNS.values(), strict=True))
    return f"{GAP.join(padded).rstrip()}\n".encode()
