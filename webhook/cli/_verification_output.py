"""Print the result of a verification: for people, and as JSON for programs."""

from collections.abc import Iterator
from typing import Any

from webhook.audit.chain_verifier import Chain
from webhook.audit.findings import Finding
from webhook.audit.verify import VerificationReport
from webhook.cli._streams import print_line
from webhook.cli._tables import Column, echo_table
from webhook.model.counting import counted

COLUMNS = tuple(map(Column, ("CHAIN", "WRITER", "FROM", "TO", "RECORDS", "SIGNED", "KEY", "END")))
SHORT_NAME_LENGTH = 8  # of a chain's name: enough to distinguish a log's chains
UNCERTIFIED_NOTE = "no trusted root key confirms the keys of the chains; use --trust ROOT.pub"


def show(report: VerificationReport, *, trusted: bool) -> None:
    """Print each chain on a line, then each damage, then the verdict."""
    echo_table(COLUMNS, map(tuple, map(table_row, report.chains)))
    for line in (*map(describe, report.findings), *summary(report, trusted=trusted)):
        print_line(line)


def table_row(chain: Chain) -> Iterator[str]:
    """Yield the cells of one row of the table."""
    yield chain.name[:SHORT_NAME_LENGTH]
    yield describe_writer(chain)
    yield from (chain.began[:19], chain.ended[:19], str(chain.records))
    yield f"to {chain.signed_to}" if chain.signed_to >= 0 else "no"
    yield "key confirmed" if chain.is_key_certified else "-"
    yield "stop" if chain.is_stopped else "open"


def describe_writer(chain: Chain) -> str:
    """Return the writer of a chain: its process, and its Pod or its process id."""
    if chain.writer is None:
        return "?"
    pod = chain.writer.get("pod")
    name = pod.get("name") if isinstance(pod, dict) else None
    return f"{chain.writer.get('process')} {name or chain.writer.get('pid')}"


def describe(finding: Finding) -> str:
    """Return a damage as a line with a position that editors can jump to."""
    subject = f" chain {finding.chain[:SHORT_NAME_LENGTH]}" if finding.chain else ""
    subject += f" record {finding.seq}" if finding.seq is not None else ""
    return f"{finding.place.file}:{finding.place.line}:{subject} {finding.kind}: {finding.message}"


def summary(report: VerificationReport, *, trusted: bool) -> Iterator[str]:
    """Yield what the result rests on, and the result."""
    yield from (f"note: {note}" for note in report.notes)
    if not trusted:
        yield f"note: {UNCERTIFIED_NOTE}"
    if report.omitted:
        yield f"and {report.omitted} more"
    found = len(report.findings) + report.omitted
    looked = f"{counted(report.records, 'record')} in {counted(len(report.chains), 'chain')}"
    yield f"damaged: {counted(found, 'finding')} in {looked}" if found else f"sound: {looked}"


def as_json(report: VerificationReport) -> dict[str, Any]:
    """Return the documented JSON."""
    return {
        "sound": report.is_sound,
        "records": report.records,
        "chains": [chain_as_json(chain) for chain in report.chains],
        "findings": [finding_as_json(finding) for finding in report.findings],
        "untold": report.omitted,
        "notes": list(report.notes),
    }


def chain_as_json(chain: Chain) -> dict[str, Any]:
    """Return one chain as JSON."""
    return {
        "chain": chain.name,
        "writer": chain.writer,
        "from": chain.began,
        "to": chain.ended,
        "records": chain.records,
        "lastSeq": chain.head.seq,
        "lastHash": chain.head.hash,
        "signedSeq": chain.signed_to if chain.signed_to >= 0 else None,
        "keyVouchedFor": chain.is_key_certified,
        "stopped": chain.is_stopped,
    }


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """Return one damage as JSON."""
    place = {"file": finding.place.file, "line": finding.place.line}
    record = {"chain": finding.chain or None, "seq": finding.seq}
    return {"damage": finding.kind, **place, **record, "message": finding.message}
