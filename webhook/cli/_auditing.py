"""Print the result of a verification: for people, and as JSON for programs."""

from collections.abc import Iterator
from typing import Any

from webhook.audit.finding import Finding
from webhook.audit.sequence import Chain
from webhook.audit.verify import Report
from webhook.cli._streams import say
from webhook.cli._tables import Column, echo_table
from webhook.model.counting import counted

COLUMNS = tuple(map(Column, ("CHAIN", "WRITER", "FROM", "TO", "RECORDS", "SIGNED", "KEY", "END")))
SHORT = 8  # of a chain's name: enough to distinguish a log's chains
UNVOUCHED = "no trusted root key confirms the keys of the chains; use --trust ROOT.pub"


def show(report: Report, *, trusted: bool) -> None:
    """Print each chain on a line, then each damage, then the verdict."""
    echo_table(COLUMNS, map(tuple, map(cells, report.chains)))
    for line in (*map(in_words, report.findings), *ending(report, trusted=trusted)):
        say(line)


def cells(chain: Chain) -> Iterator[str]:
    """Yield the cells of one row of the table."""
    yield chain.name[:SHORT]
    yield writer(chain)
    yield from (chain.began[:19], chain.ended[:19], str(chain.records))
    yield f"to {chain.signed}" if chain.signed >= 0 else "no"
    yield "key confirmed" if chain.vouched else "-"
    yield "stop" if chain.stopped else "open"


def writer(chain: Chain) -> str:
    """Return the writer of a chain: its process, and its Pod or its process id."""
    if chain.writer is None:
        return "?"
    pod = chain.writer.get("pod")
    name = pod.get("name") if isinstance(pod, dict) else None
    return f"{chain.writer.get('process')} {name or chain.writer.get('pid')}"


def in_words(finding: Finding) -> str:
    """Return a damage as a line with a position that editors can jump to."""
    which = f" chain {finding.chain[:SHORT]}" if finding.chain else ""
    which += f" record {finding.seq}" if finding.seq is not None else ""
    return f"{finding.place.file}:{finding.place.line}:{which} {finding.damage}: {finding.says}"


def ending(report: Report, *, trusted: bool) -> Iterator[str]:
    """Yield what the result rests on, and the result."""
    yield from (f"note: {note}" for note in report.notes)
    if not trusted:
        yield f"note: {UNVOUCHED}"
    if report.untold:
        yield f"and {report.untold} more"
    found = len(report.findings) + report.untold
    looked = f"{counted(report.records, 'record')} in {counted(len(report.chains), 'chain')}"
    yield f"damaged: {counted(found, 'finding')} in {looked}" if found else f"sound: {looked}"


def as_json(report: Report) -> dict[str, Any]:
    """Return the documented JSON."""
    return {
        "sound": report.is_sound,
        "records": report.records,
        "chains": [chain_as_json(chain) for chain in report.chains],
        "findings": [finding_as_json(finding) for finding in report.findings],
        "untold": report.untold,
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
        "signedSeq": chain.signed if chain.signed >= 0 else None,
        "keyVouchedFor": chain.vouched,
        "stopped": chain.stopped,
    }


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """Return one damage as JSON."""
    place = {"file": finding.place.file, "line": finding.place.line}
    which = {"chain": finding.chain or None, "seq": finding.seq}
    return {"damage": finding.damage, **place, **which, "message": finding.says}
