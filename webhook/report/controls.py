"""Which controls the figures are evidence for, and where that evidence ends.

Titles are those of CIS Kubernetes Benchmark 1.12, of the NSA/CISA Kubernetes Hardening Guide 1.2, PCI DSS 4.0.1, NIST SP 800-53
revision 5 and the SOC 2 trust services criteria of 2017.
"""

from collections.abc import Iterator

from webhook.audit.verify import Report
from webhook.guard.foretelling import counted
from webhook.model.decision import Verdict
from webhook.model.request import PolicyObject
from webhook.report.closing import unexplained
from webhook.report.figures import Figures
from webhook.report.section import Section, Table
from webhook.rules import RULES

Row = tuple[str, str, str, str]


def controls(figures: Figures, report: Report, longest: float | None, *, trusted: bool, against: bool) -> Section:
    """The section of controls, from the same figures as all others."""
    rows = [
        *of_networks(figures, longest),
        *of_changes(figures),
        *of_logs(figures, report, trusted=trusted, against=against),
    ]
    return Section(
        "controls",
        "Controls that this is evidence for",
        ["Evidence is not fulfilment: whether a control is met, an auditor says, with more than this to look at."],
        [Table(["Control", "Asks for", "Figures of this report", "What they do not show"], rows)],
    )


def of_networks(figures: Figures, longest: float | None) -> Iterator[Row]:
    """Controls about what may connect to what."""
    spaces = figures.spaces.found.values()
    made = sum(bool(space.made) for space in spaces)
    closed = sum(bool(space.made) and bool(space.closed) for space in spaces)
    pods, proven = sum(space.pods for space in spaces), sum(space.proven for space in spaces)
    wait = "not known" if longest is None else f"{longest:,.2f} s at most"
    coverage = f"{closed:,} of {made:,} namespaces that were made have the write of their default-deny policy on record, {wait} after the request"
    denied = f"{proven:,} of {pods:,} Pods were let in with the default-deny policy proven to stand"
    restored = put_back(sum(space.restored for space in spaces), sum(map(unexplained, spaces)))
    yield (
        "CIS Kubernetes 5.3.2",
        "All namespaces have network policies defined",
        coverage,
        "Namespaces older than catflap that nobody adopted, and exempt ones; whether the network plug-in enforces policies (5.3.1).",
    )
    yield (
        "NSA/CISA Hardening Guide 1.2, network separation",
        "A default policy that denies all ingress and egress",
        f"{denied}; {restored}",
        "Traffic of Pods in their node's network, which no policy holds; who may have such Pods is among the exceptions (section 6).",
    )
    yield (
        "PCI DSS 1.3.1, 1.3.2",
        "Only necessary traffic, all other specifically denied",
        f"{denied}; {restored}. {opened(figures)}",
        "Whether what flows allow is necessary: the policy file says what it is, not why. Which systems are in scope.",
    )
    yield (
        "NIST SC-7(5); SOC 2 CC6.6",
        "Deny by default, allow by exception",
        coverage,
        "As for CIS 5.3.2; traffic from outside the cluster to nodes.",
    )
    yield (
        "NIST AC-4",
        "Information flow enforcement",
        f"{figures.decisions[Verdict.DENIED]:,} refusals; flows are said by roles, and no workload is let in without one while that rule enforces",
        "The flow of packets.",
    )


def put_back(count: int, unknown: int) -> str:
    """How often a policy was, and how often nobody knows how long it was gone."""
    beside = f", {unknown:,} of them after a time without it that is not known" if unknown else ""
    return f"{counted(count, 'time')} a policy was put back{beside}"


def of_changes(figures: Figures) -> Iterator[Row]:
    """Controls about who changes what."""
    yield (
        "PCI DSS 1.2.2, 1.2.8; NIST CM-3",
        "Changes of network controls are approved, and configurations kept in step",
        f"{figures.types['configuration']:,} policy files came into force or were refused; {figures.writes.total:,} writes of catflap's own",
        "Who approved a change of the policy file; who asked for it is in the decisions on the ConfigMap.",
    )


def opened(figures: Figures) -> str:
    """What came of users' policies that open what catflap closes."""
    rules = [rule.id for rule in RULES.values() if rule.about is PolicyObject]
    counts = {outcome: sum(figures.broken[rule, outcome] for rule in rules) for outcome in ("refused", "warned")}
    return (
        f"Policies of users that open a closed namespace: {counts['refused']:,} refused, {counts['warned']:,} warned of"
    )


def of_logs(figures: Figures, report: Report, *, trusted: bool, against: bool) -> Iterator[Row]:
    """Controls about the log itself."""
    found = len(report.findings) + report.untold
    sound = "sound" if report.is_sound else f"damaged, {found:,} findings"
    signed = sum(chain.signed + 1 for chain in report.chains)
    yield (
        "PCI DSS 10.2; NIST AU-2, AU-3, AU-12",
        "Audit records are made, and say who did what, when, with what outcome",
        f"{figures.records:,} records, {figures.decisions.total():,} of them decisions with user, groups, object and rules",
        "Reads, and changes that catflap is not asked about; addresses of callers. The API server's audit log has them.",
    )
    yield (
        "PCI DSS 10.3; NIST AU-9, AU-9(3)",
        "Audit records are protected from destruction and modification",
        f"the chains are {sound}; signatures vouch for {signed:,} of {report.records:,} records",
        "Who can delete the files; where copies are kept, and for how long (10.5.1)."
        if against
        else "A cut end, without --closed; a chain that is missing whole, without --against the API server's log; retention (10.5.1).",
    )
    vouched = sum(chain.vouched for chain in report.chains)
    yield (
        "NIST AU-10",
        "Non-repudiation",
        f"a trusted root key vouches for the keys of {vouched:,} of {len(report.chains):,} chains"
        if trusted
        else "not shown: no audit root key was given (--trust)",
        "That catflap wrote it, not that a person did: users are as the API server knew them, after impersonation.",
    )
    yield (
        "NIST AU-5",
        "Failures of audit logging are acted on",
        f"{sum(chain.lost for chain in report.chains):,} records were lost by the writers' own account",
        "What was lost by a process that was killed before its next record.",
    )
