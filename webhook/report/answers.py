"""What was answered, and who was refused what."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from webhook.model.decision import Verdict
from webhook.report.charts import bars, over_time, spelled
from webhook.report.figures import Figures
from webhook.report.section import Picture, Section, Table
from webhook.report.tally import MOST_NAMES
from webhook.report.wording import MOST_ROWS, and_more, others, ranked, share

MOST_BARS: Final = 15
MOST_SPANS: Final = 60


def decisions(figures: Figures) -> Section:
    """What was answered, over time."""
    spans, width = figures.over_time.spans(MOST_SPANS), figures.over_time.width
    total = figures.decisions.total()
    words = {
        Verdict.ALLOWED: "judged, and let in",
        Verdict.UNJUDGED: "nothing in it that a rule is about",
        Verdict.EXEMPT: "let in without being held to the rules, for the reasons in section 5",
        Verdict.DENIED: "refused: it breaks a rule",
        Verdict.UNAVAILABLE: "refused for the moment: something could not be found out",
    }
    rows = [
        (name.value, figures.decisions[name], share(figures.decisions[name], total), says)
        for name, says in words.items()
    ]
    pictures = []
    if spans:
        peak = max(spans, key=lambda one: one[1].total())
        shows = f"Answers by decision, a bar for {spelled(width)}; the most, {peak[1].total():,}, from {peak[0]:%Y-%m-%d %H:%M} UTC on."
        pictures = [Picture(over_time(spans, width), shows)]
    return Section(
        "decisions",
        "Decisions",
        [
            (
                f"{total:,} answers, {figures.dry_runs:,} of them to dry runs. Creating a Pod may ask twice: once for labels that are filled in, "
                "once for the verdict."
            )
        ],
        [
            Table(["Decision", "Answers", "Share", "Means"], rows, "By decision", numbers=frozenset({1, 2})),
            ranked(figures.undecided.ranked(MOST_ROWS), "Why", "Answers", "What could not be found out"),
        ],
        pictures,
        limits="A decision is what catflap answered. Whether the object was stored is in the API server's own audit log: another webhook, a "
        "quota or a conflict may have refused what catflap let pass.",
    )


def refusals(figures: Figures) -> Section:
    """Who was refused what."""
    outcomes: dict[str, Counter[str]] = {}
    for (rule, outcome), count in figures.broken.ranked(MOST_NAMES).named:
        outcomes.setdefault(rule, Counter())[outcome] += count
    rules = sorted(outcomes.items(), key=lambda one: (-one[1].total(), one[0]))
    pictures = []
    if rules:
        shows = f"Faults by rule and by what came of them; the most, {rules[0][1].total():,}, of {rules[0][0]}."
        pictures.append(Picture(bars(rules[:MOST_BARS]), shows))
    return Section(
        "refusals",
        "Refusals by rule and team",
        [
            (
                "A team is told by its namespace, and by who asked. One request may break several rules; each counts once for it. What a "
                "controller tries again and again counts each time."
            )
        ],
        [
            by_rule(rules),
            by_namespace(figures),
            ranked(figures.refused_to.ranked(MOST_ROWS), "Who asked", "Refusals", "Refusals by user"),
        ],
        pictures,
    )


def by_rule(rules: Sequence[tuple[str, Counter[str]]]) -> Table:
    """What came of each rule's faults."""
    return Table(
        ["Rule", "Refused", "Warned of", "Only recorded"],
        [(rule, counts["refused"], counts["warned"], counts["recorded"]) for rule, counts in rules[:MOST_ROWS]],
        "Faults by rule",
        numbers=frozenset({1, 2, 3}),
        more=and_more(len(rules) - MOST_ROWS, "rule"),
    )


def by_namespace(figures: Figures) -> Table:
    """Where requests were refused, and by which rules."""
    found, rules = figures.refused_in.ranked(MOST_ROWS), figures.refused_for.ranked(MOST_NAMES).named
    rows = [
        (space or "(none)", count, ", ".join(rule for (where, rule), _ in rules if where == space))
        for space, count in found.named
    ]
    return Table(
        ["Namespace", "Refusals", "Rules, the most frequent first"],
        rows,
        "Refusals by namespace",
        numbers=frozenset({1}),
        more=others(found.others),
    )
