"""`catflap audit query` and `export`: print what a log says, record by record."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from webhook.admission import binding, namespace_labels, policy_file, policy_protection
from webhook.audit import csv_table, ocsf
from webhook.audit.log_entry import LogEntry, LogReader
from webhook.audit.log_lines import UnreadableLogError, no_record_message
from webhook.audit.query import EntryFilter, Query, matches_any, parse_time, record_types
from webhook.audit.schema import TYPES_WITH_REASON
from webhook.cli._choices import NamespacePatternType, ReasonPatternType, WordChoice, check_time_range, suggestion
from webhook.cli._command import Verb
from webhook.cli._options import (
    LOGS,
    Function,
    RenamedOption,
    SingleOption,
    check_files,
    check_stdin_once,
    exit_with_errors,
    load_policy,
    policy_option,
)
from webhook.cli._progress import progress
from webhook.cli._streams import print_warning
from webhook.config.enclosure import POLICY_FILE
from webhook.files import shown
from webhook.model.abbreviation import printable
from webhook.model.counting import counted
from webhook.model.custom_rule import CustomRule
from webhook.model.decision import Verdict
from webhook.rules import RULES

FORMATS: Final[Mapping[str, Callable[[Iterator[LogEntry]], Iterator[bytes]]]] = {
    "ocsf": ocsf.encode_events,
    "csv": csv_table.encode_rows,
}
# Wide enough for most values; a longer value moves the rest of its line to the right.
COLUMNS: Final = {"TIME": 19, "WHAT": 13, "WHO": 28, "VERB": 7, "OBJECT": 36, "WHY": 0}
LENIENT: Final = "--lenient reads copies in which a collector rewrote the lines"
GAP: Final = "   "
LOG: Final = "an audit log"
# The rules, other than custom rules, that a record may name as violated.
BUILT_IN_RULES: Final = (
    *RULES,
    *(module.PROTECTION for module in (binding, policy_file, namespace_labels, policy_protection)),
)

log_files = click.argument("files", metavar="FILE...", type=LOGS, nargs=-1, required=True)
lenient_option = click.option("--lenient", is_flag=True, help="Accept copies in which a collector rewrote the JSON.")


class TimeType(click.ParamType[datetime]):
    """A date or a time; UTC is the default."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(str(value)).astimezone(UTC)
        except (ValueError, OverflowError):  # an offset can move the first or the last day out of the calendar
            self.fail(f"{value!r}: write 2026-01-31 or 2026-01-31T12:00:00Z", param, ctx)


def query_options(function: Function) -> Function:
    """Add the filter options of a query."""
    kinds, verdicts = WordChoice(record_types()), WordChoice([verdict.value for verdict in Verdict])
    options: tuple[tuple[tuple[str, ...], Any, str], ...] = (
        (("--type", "types"), kinds, "Records of this type."),
        (("--decision", "decisions"), verdicts, "Decisions with this result."),
        (("--user", "users"), str, "Requests of this user."),
        (("--group", "groups"), str, "Requests of a member of this group."),
        (("-n", "--namespace", "namespaces"), NamespacePatternType(), "Requests for an object in this namespace."),
        (("--resource", "resources"), str, "Requests for this resource (pods, pods/status) or kind (NetworkPolicy)."),
        (("--name", "names"), str, "Requests for an object with this name."),
        (("--rule", "rules"), str, "Requests that violate this rule, in any mode."),
        (("--reason", "reasons"), ReasonPatternType(), "Records with this reason code, such as BreakGlass or Policy*."),
    )
    for names, kind, help_text in reversed(options):
        function = click.option(*names, type=kind, multiple=True, help=help_text)(function)
    until = click.option(
        "--to", "end", cls=SingleOption, type=TimeType(), help="Before this time (a date means 00:00 UTC)."
    )
    return click.option(
        "--from", "begin", cls=SingleOption, type=TimeType(), help="From this time on (a date means 00:00 UTC)."
    )(until(function))


@click.command("query", cls=Verb)
@log_files
@query_options
@policy_option(
    required=False, help_text="The policy file, or the manifest of its ConfigMap. --rule accepts its custom rules."
)
@lenient_option
@click.option("-o", "--output", type=WordChoice(["table", "json"]), default="table", show_default=True)
def query(files: tuple[str, ...], lenient: bool, output: str, policy: Path | None, **asked: Any) -> None:
    """Print the records that match the options, in the order of the files; `-` is standard input.

    A record must match at least one value of each option. In names, `*` matches any text. `-o json` prints each record as it is in
    the log.
    """
    check_time_range(asked["begin"], asked["end"])
    check_stdin_once((policy, *files))
    check_files(([policy] if policy else [], POLICY_FILE.noun), (files, LOG))
    custom = custom_rules(policy)
    found = RecordFilter(Query(**asked).compile())
    write = sys.stdout.buffer.write
    if output == "table":
        write(format_row(COLUMNS))
    for entry, text in read_entries(files, lenient=lenient, doing="searching"):
        if found.matches(entry):
            write(text + b"\n" if output == "json" else format_row(table_row(entry)))
    known_rules = {*BUILT_IN_RULES, *found.rules, *(rule.id for rule in custom)}
    if unknown := [rule for rule in asked["rules"] if not matches_any(rule, known_rules)]:
        exit_with_errors([unknown_rule(rule, known_rules, found.read) for rule in unknown])
    if asked["reasons"] and found.without_code:
        records = f"{counted(found.without_code, 'record')} without a reason code, which an earlier release wrote"
        print_warning(f"--reason cannot match {records}")
    if not found.matched:
        print_warning(f"no record matches; {counted(found.read, 'record')} read")


class RecordFilter:
    """Decides which records match a query, and collects what the records contain regardless of the query."""

    def __init__(self, fits: EntryFilter) -> None:
        self._fits = fits
        self.read = 0
        self.matched = 0
        self.without_code = 0  # records without a code whose type has reasons
        self.rules: set[str] = set()

    def matches(self, entry: LogEntry) -> bool:
        """Return whether the query matches a record."""
        fits = self._fits(entry)
        self.read += 1
        self.matched += fits
        self.rules.update(entry.rules)
        self.without_code += entry.type in TYPES_WITH_REASON and not entry.reason_code
        return fits


def custom_rules(policy: Path | None) -> tuple[CustomRule, ...]:
    """Return the custom rules of a policy file, if one is named; a bad one ends the command."""
    return load_policy(policy).policy.custom if policy else ()


def unknown_rule(rule: str, known_rules: Iterable[str], records: int) -> str:
    """Return the message about a rule in the query that neither catflap nor a record has."""
    return (
        f"--rule {rule!r} is not a rule of catflap, and no record of {counted(records, 'record')} contains "
        f"it.{suggestion(rule, sorted(known_rules))} "
        f"The rules are {', '.join(sorted(known_rules))}; for a custom rule without violations, add -c POLICY"
    )


@click.command("export", cls=Verb)
@log_files
@click.option(
    "-o", "--output", "form", cls=RenamedOption, former=("--format",), type=WordChoice(list(FORMATS)), required=True, help="The output format."
)  # fmt: skip
@lenient_option
def export(files: tuple[str, ...], form: str, lenient: bool) -> None:
    """Print records in a format for other programs: OCSF events, one line of JSON each, or CSV; `-` is standard input."""
    check_stdin_once(files)
    check_files((files, LOG))
    for exported in FORMATS[form](entry for entry, _ in read_entries(files, lenient=lenient, doing="exporting")):
        sys.stdout.buffer.write(exported)


def read_entries(files: tuple[str, ...], *, lenient: bool, doing: str) -> Iterator[tuple[LogEntry, bytes]]:
    """Yield every record, with a bar on a terminal; report at the end how many texts are no record."""
    try:
        with progress(files, doing, prints=True) as on_progress:
            entries = LogReader(files, lenient=lenient, on_progress=on_progress)
            yield from entries
    except UnreadableLogError as bad:
        exit_with_errors([str(bad)])
    if not entries.read:
        exit_with_errors(
            [
                unreadable_log_message(files, lenient=lenient)
                if entries.has_damaged_records
                else no_record_message(files)
            ]
        )
    if entries.skipped:
        print_warning(
            f"{counted(entries.skipped, 'line')} with other text than a valid record; catflap audit verify describes them"
        )


def unreadable_log_message(files: tuple[str, ...], *, lenient: bool) -> str:
    """Return the message about a log without a readable record."""
    remedy = "catflap audit verify describes them" if lenient else LENIENT
    return f"{', '.join(map(shown, files))} contains no valid record; {remedy}"


def table_row(entry: LogEntry) -> tuple[str, ...]:
    """Return the cells of a record in the table."""
    target = entry.object_ref
    outcome = entry.decision or entry.type
    user = entry.username or str(entry.writer.get("process", ""))
    details = ", ".join(part for part in (*entry.rules, entry.reason, *entry.faults) if part)
    reason = ": ".join(part for part in (entry.reason_code, details) if part)
    return entry.time[:19], outcome, user, entry.verb, " ".join(filter(None, (target.path, target.full_name))), reason


def format_row(values: Any) -> bytes:
    """Return one line of aligned values."""
    padded = (printable(value).ljust(width) for value, width in zip(values, COLUMNS.values(), strict=True))
    return f"{GAP.join(padded).rstrip()}\n".encode()
