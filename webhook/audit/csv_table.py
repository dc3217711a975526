"""Convert records to rows of CSV that are safe to open in a spreadsheet."""

import csv
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from webhook.audit.log_entry import EntryViolation, LogEntry
from webhook.model.abbreviation import printable

# OWASP, CSV Injection: the first characters of a formula, with the wide forms that spreadsheets treat the same; and the
# mark that catflap itself adds.
FORMULA_PREFIXES: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20'")
ESCAPE: Final = "'"
SEPARATOR: Final = " | "

Cell = Callable[[LogEntry], str | int | bool | None]


def join_violations(faults: tuple[EntryViolation, ...]) -> str:
    """Return faults as the text of one cell."""
    return SEPARATOR.join(map(str, faults))


def as_json(value: Mapping[str, Any]) -> str:
    """Return a value with keys as the text of one cell."""
    return msgspec.json.encode(value, order="sorted").decode() if value else ""


COLUMNS: Final[Mapping[str, Cell]] = {
    "time": lambda entry: entry.time,
    "type": lambda entry: entry.type,
    "decision": lambda entry: entry.decision,
    "phase": lambda entry: entry.phase,
    "user": lambda entry: entry.username,
    "groups": lambda entry: SEPARATOR.join(entry.groups),
    "verb": lambda entry: entry.verb,
    "apiGroup": lambda entry: entry.object_ref.api_group,
    "apiVersion": lambda entry: entry.object_ref.api_version,
    "resource": lambda entry: entry.object_ref.path,
    "namespace": lambda entry: entry.object_ref.namespace,
    "name": lambda entry: entry.object_ref.name,
    "dryRun": lambda entry: entry.dry_run,
    "rules": lambda entry: SEPARATOR.join(entry.rules),
    "denied": lambda entry: join_violations(entry.denied),
    "warned": lambda entry: join_violations(entry.warned),
    "audited": lambda entry: join_violations(entry.audited),
    "reasonCode": lambda entry: entry.reason_code,
    "reason": lambda entry: entry.reason,
    "closure": lambda entry: entry.closure,
    "patchedLabels": lambda entry: as_json(entry.patched_labels),
    "accepted": lambda entry: entry.accepted,
    "faults": lambda entry: SEPARATOR.join(entry.faults),
    "serving": lambda entry: as_json(entry.serving),
    "candidate": lambda entry: entry.candidate,
    "leads": lambda entry: entry.leads,
    "writer": lambda entry: as_json(entry.writer),
    "policyDigest": lambda entry: entry.policy_digest,
    "latencyMicroseconds": lambda entry: entry.latency_microseconds,
    "id": lambda entry: entry.id,
    "catflap": lambda entry: entry.catflap,
    "version": lambda entry: entry.version,
    "chain": lambda entry: entry.chain,
    "seq": lambda entry: entry.seq,
    "hash": lambda entry: entry.hash,
}


class CsvLine:
    """A target for a csv writer, which returns each line."""

    def write(self, text: str) -> str:
        """Return the line."""
        return text


def encode_rows(entries: Iterator[LogEntry]) -> Iterator[bytes]:
    """Yield the line of column names, then one line for each record, as in RFC 4180; every cell has quotes."""
    writer = csv.writer(CsvLine(), quoting=csv.QUOTE_ALL)
    yield str(writer.writerow(COLUMNS)).encode()
    for entry in entries:
        yield str(writer.writerow([escape_cell(column(entry)) for column in COLUMNS.values()])).encode()


def escape_cell(value: str | int | bool | None) -> str:
    """Return a value as text that no spreadsheet treats as a formula.

    A text that begins like a formula, or with the mark, gets the mark as a prefix.
    """
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return str(value)
    text = printable(value)
    return ESCAPE + text if text.lstrip().startswith(FORMULA_PREFIXES) else text
