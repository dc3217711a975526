"""Whether the log is what its writers wrote."""

from collections.abc import Mapping
from typing import Final

from webhook.audit.verify import Report
from webhook.report.section import Section, Table
from webhook.report.wording import SHORT, and_more, moment

MOST_CHAINS: Final = 100
MOST_FINDINGS: Final = 100


def integrity(report: Report, *, trusted: bool, closed: bool) -> Section:
    """The section."""
    return Section(
        "integrity",
        "Integrity of the log",
        [
            (
                "Each process writes a chain: every record bears the SHA-256 of the one before it, and Ed25519 signatures at most 1,000 "
                "records or 60 seconds apart vouch for what stands before them."
            ),
            "An audit root key was given, and has to vouch for the key of each chain."
            if trusted
            else "No audit root key was given (--trust): a chain rewritten whole would not show.",
            "Every chain had to end in its stop record (--closed)."
            if closed
            else "A chain need not end in its stop record (--closed was not asked for): a cut end would not show.",
            *report.notes,
        ],
        [chains(report), findings(report)],
    )


def chains(report: Report) -> Table:
    """Who wrote, from when to when, and whose word vouches for it."""
    rows = [
        (
            chain.name[:SHORT],
            writer(chain.writer),
            moment(chain.began),
            moment(chain.ended),
            chain.records,
            f"to {chain.signed}" if chain.signed >= 0 else "no",
            "root key" if chain.vouched else "nobody",
            "stop record" if chain.stopped else "open",
        )
        for chain in report.chains[:MOST_CHAINS]
    ]
    return Table(
        ["Chain", "Writer", "From (UTC)", "To (UTC)", "Records", "Signed", "Vouched for by", "End"],
        rows,
        "Chains",
        "no chain",
        numbers=frozenset({4}),
        more=and_more(len(report.chains) - len(rows), "chain"),
    )


def findings(report: Report) -> Table:
    """What is wrong, and where."""
    rows = [
        (
            one.damage.value,
            f"{one.place.file}:{one.place.line}",
            one.chain[:SHORT],
            "" if one.seq is None else one.seq,
            one.says,
        )
        for one in report.findings[:MOST_FINDINGS]
    ]
    return Table(
        ["Damage", "Where", "Chain", "Record", "What"],
        rows,
        "Findings",
        "nothing was edited, removed, put in, reordered or cut",
        numbers=frozenset({3}),
        more=and_more(len(report.findings) + report.untold - len(rows), "finding"),
    )


def writer(found: Mapping[str, object] | None) -> str:
    """Who wrote a chain."""
    if found is None:
        return "not known: its start is not here"
    pod = found.get("pod")
    name = pod.get("name") if isinstance(pod, dict) else None
    return f"{found.get('process')} {name or found.get('pid')}"
