"""What was changed in the guard itself."""

from webhook.audit.entry import Entry
from webhook.audit.verify import Report
from webhook.report.figures import MOST_LINES, Figures
from webhook.report.section import Section, Table
from webhook.report.wording import MOST_ROWS, SHORT, moment, others


def changes(figures: Figures, report: Report) -> Section:
    """What was changed in the guard itself."""
    files = [
        (
            moment(entry.time),
            "in force" if entry.accepted else "refused",
            entry.policy_digest[:SHORT],
            "; ".join(entry.faults),
        )
        for entry in reversed(figures.files)
    ]
    running = [(moment(entry.time), entry.type, told(entry), entry.reason) for entry in reversed(figures.running)]
    writes = figures.writes.ranked(MOST_ROWS)
    stops = sum(chain.stopped for chain in report.chains)
    older = f"The newest {MOST_LINES}; all are in the log."
    return Section(
        "changes",
        "Changes of the guard itself",
        [f"{len(report.chains):,} processes began to write in these logs, {stops:,} of them ended in order."],
        [
            Table(
                ["When (UTC)", "Policy file", "Digest", "Faults"],
                files,
                "Policy files",
                more=older if figures.types["configuration"] > len(files) else "",
            ),
            Table(
                ["What", "How", "Why", "Times"],
                [(kind, verb, why, count) for (kind, verb, why), count in writes.named],
                "What catflap wrote",
                numbers=frozenset({3}),
                more=others(writes.others),
            ),
            Table(
                ["When (UTC)", "What", "Which", "Why"],
                running,
                "Certificates and leading controllers",
                more=older if figures.types["certificate"] + figures.types["leader"] > len(running) else "",
            ),
        ],
    )


def told(entry: Entry) -> str:
    """A certificate, or a controller and what it did."""
    if entry.type == "leader":
        return f"{entry.candidate} {'leads' if entry.leads else 'leads no longer'}"
    serving = entry.serving
    names = ", ".join(map(str, serving.get("names", ())))
    return f"{str(serving.get('fingerprint', ''))[:SHORT]} for {names}, to {str(serving.get('notAfter', ''))[:10]}"
