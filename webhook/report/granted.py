"""What is kept from the rules: by what the policy file says, and by how often the log says so."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from webhook.config.parse import Loaded
from webhook.model.modes import Mode, Override
from webhook.report.figures import Figures
from webhook.report.section import Section, Table
from webhook.report.tally import MOST_NAMES
from webhook.rules import RULES

MOST_ROWS: Final = 50
NOT_GIVEN: Final = "not known: no policy file was given (-c)"


class Entry(Struct, frozen=True):
    """One entry of the webhook configurations: which requests come to us, and which ones do not."""

    name: str
    resources: str
    fails: str
    where: str
    conditions: Sequence[str]


class Granted(Struct, frozen=True):
    """A policy file, and what is registered with the API server for it."""

    name: str
    loaded: Loaded
    entries: Sequence[Entry]

    @property
    def said(self) -> str:
        """Which file."""
        return f"{self.name}, digest {self.loaded.digest}"


def passed(figures: Figures, granted: Granted | None) -> Section:
    """What is not held to the rules, and what never comes to us."""
    found = figures.passed.ranked(MOST_ROWS)
    rows = [(decision, reason or "-", count) for (decision, reason), count in found.named]
    return Section(
        "exempt",
        "What is kept from the rules",
        [
            "What the log has of it comes first, then who and what the policy file exempts, then what the API server never asks catflap about."
        ],
        [
            Table(
                ["Decision", "Why", "Answers"],
                rows,
                "Passed without being held to the rules",
                numbers=frozenset({2}),
                more=f"All others together: {found.others:,}." if found.others else "",
            ),
            Table(
                ["What", "Which"],
                exempted(granted.loaded) if granted else (),
                "Modes and exemptions of the policy file",
                NOT_GIVEN,
            ),
            Table(
                ["Entry", "Requests", "If nobody answers", "Namespaces", "Only when"],
                [
                    (one.name, one.resources, one.fails, one.where, ", ".join(one.conditions) or "always")
                    for one in (granted.entries if granted else ())
                ],
                "What the API server asks about, in the words of the webhook configurations that fit the file",
                NOT_GIVEN,
            ),
        ],
        limits="Only requests of which every condition holds come to catflap; the others leave no record here. The conditions in full are in what "
        "catflap registration -c FILE prints. Which webhook configurations stand in the cluster, this report does not look up.",
    )


def exempted(loaded: Loaded) -> list[tuple[str, str]]:
    """In which modes rules hold, and who and what passes all of them."""
    policy = loaded.policy
    modes = {rule: one.mode(policy) for rule, one in RULES.items()}
    modes |= {one.id: policy.mode_of(one.id) for one in policy.custom}
    overrides = [
        f"{place(one)}: {', '.join([*([f'mode {one.mode}'] if one.mode else []), *(f'{rule} {mode}' for rule, mode in one.rules.items())])}"
        for one in policy.namespaces.overrides
    ]
    found: dict[str, Iterable[str]] = {
        **{f"Rules in mode {mode}": [rule for rule in modes if modes[rule] is mode] for mode in Mode},
        "Namespaces in which rules hold otherwise": overrides,
        "Exempt namespaces": policy.namespaces.exempted,
        "Exempt users": policy.exempt.users,
        "Exempt groups": policy.exempt.groups,
        "Exempt ServiceAccounts": policy.exempt.service_accounts,
        "Break-glass groups": policy.break_glass.groups,
    }
    return [(what, ", ".join(which) or "none") for what, which in found.items()]


def place(one: Override) -> str:
    """Which namespaces an override is about."""
    labels = " and ".join(f"{key}={value}" for key, value in one.labels.items())
    return " with ".join(part for part in (", ".join(one.names), labels) if part)


def exceptions(figures: Figures, granted: Granted | None, at: datetime) -> Section:
    """Which faults are let pass, by whose word and until when, and how often that was used."""
    used = Counter(dict(figures.exceptions.ranked(MOST_NAMES).named))
    waivers = granted.loaded.policy.exceptions if granted else ()
    rows = [
        (
            one.rule,
            one.namespace,
            one.owner,
            one.reason,
            str(one.until),
            "ended" if not one.counts(at) else "ends within a week" if one.ends_soon(at) else "in force",
        )
        for one in sorted(waivers, key=lambda one: one.until)
    ]
    by_use = used.most_common(MOST_ROWS)
    return Section(
        "exceptions",
        "Exceptions",
        [
            f"As of {at.astimezone(UTC):%Y-%m-%d}, by the policy file; below that, by the log, how often decisions rested on one."
        ],
        [
            Table(
                ["Rule", "Namespace", "Owner", "Reason", "To the end of", "State"],
                rows,
                "In the policy file",
                "none" if granted else NOT_GIVEN,
            ),
            Table(["Exception", "Answers"], by_use, "Used in this period", numbers=frozenset({1})),
        ],
    )
