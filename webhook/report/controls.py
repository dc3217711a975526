"""List the controls of standards that the log evidences, each with its figures and with what the log does not show."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from webhook.audit.verify import VerificationReport
from webhook.model.counting import counted
from webhook.report.formatting import format_duration
from webhook.report.isolation_history import IsolationHistory


class Figures(Struct, frozen=True):
    """The figures of the page that concern controls."""

    report: VerificationReport
    trusted: bool
    compared: bool
    coverage: IsolationHistory
    decisions: int
    refused: int
    guard_refused: int  # refused edits of catflap's own policies
    exempt: int
    break_glass: int
    exempt_without_code: int  # by records of a release without reason codes
    files: int  # policy files that came into force
    files_refused: int
    isolated_now: tuple[int, int] | None  # closed namespaces, and namespaces that have to be closed


class Control(Struct, frozen=True):
    """A control, what the log shows about it, and what the log does not show."""

    standard: str
    name: str
    title: str
    shows: Callable[[Figures], Sequence[str]]
    lacks: str


def isolation(figures: Figures) -> tuple[str, ...]:
    """Return how namespaces are closed."""
    found = figures.coverage
    if not found.known:
        return ("not known, because no record of this period mentions a default-deny policy",)
    sentences = [
        f"{counted(found.known, 'namespace')} with a recorded default-deny policy for both directions",
        open_time(found),
    ]
    if found.slowest is not None:
        sentences.append(
            f"from creation to isolation at most {format_duration(found.slowest)}, in {counted(found.born, 'namespace')}; "
            "no Pod is admitted in between"
        )
    if figures.isolated_now is not None:
        closed, of = figures.isolated_now
        sentences.append(
            f"when this page was created, {closed:,} of {counted(of, 'namespace')} that are not exempt were isolated"
        )
    return tuple(sentences)


def open_time(found: IsolationHistory) -> str:
    """Return how long namespaces were open, in words."""
    untold = (
        f"; {counted(found.unexplained, 'write')} of an earlier release may or may not be a restoration"
        if found.unexplained
        else ""
    )
    if not found.lapses:
        return f"no record of a time without the policy{untold}"
    bound = "" if found.exact else "at most "
    clauses = f"; the duration of {counted(found.unknown, 'gap')} is not known" if found.unknown else ""
    gaps = counted(found.lapses, "gap")
    return f"{gaps} in {counted(found.lapsed, 'namespace')}, together {bound}{format_duration(found.without)}{clauses}{untold}"


def exceptions_from_default_deny(figures: Figures) -> tuple[str, ...]:
    """Return how exceptions from default-deny are controlled."""
    if not figures.decisions:
        return (
            *isolation(figures),
            "rejections and exemptions: not known, because no decision was recorded in this period",
        )
    return (
        *isolation(figures),
        f"{counted(figures.refused, 'request')} rejected of {figures.decisions:,} decided",
        exemptions(figures),
    )


def exemptions(figures: Figures) -> str:
    """Return how many requests passed as exempt, and how many of these by break-glass, as far as records say."""
    passed = f"{counted(figures.exempt, 'request')} passed as exempt, {figures.break_glass:,} of them by break-glass"
    untold = figures.exempt_without_code
    return (
        (f"{passed}; for {untold:,}, an earlier release did not record whether it was break-glass")
        if untold
        else passed
    )


def rulesets(figures: Figures) -> tuple[str, ...]:
    """Return how the policy file changed."""
    changed = f"{counted(figures.files, 'policy file')} came into force, {figures.files_refused:,} rejected as invalid"
    unknown = "policy files: not known, because no record of this period contains one"
    return (
        changed if figures.files or figures.files_refused else unknown,
        f"{counted(figures.guard_refused, 'attempt')} to change objects of catflap, rejected",
    )


def recording(figures: Figures) -> tuple[str, ...]:
    """Return what is recorded."""
    chains = counted(len(figures.report.chains), "chain")
    writers = (
        f"{counted(figures.decisions, 'decision')} of this period: user, object, time, namespace, result and reason"
    )
    return (f"{counted(figures.report.records, 'record')} in {chains}", writers)


def protection(figures: Figures) -> tuple[str, ...]:
    """Return whether the log is whole."""
    report = figures.report
    found = len(report.findings) + report.omitted
    lost = sum(chain.lost for chain in report.chains)
    clauses = "no damage was found" if report.is_sound else f"DAMAGED: {counted(found, 'finding')}"
    against = "was" if figures.compared else "was not"
    return (
        f"{clauses} in {counted(report.records, 'record')}, each linked to the previous one with SHA-256",
        f"the log {against} compared with the audit log of the API server",
        f"the writers state that {counted(lost, 'record')} could not be written",
    )


def signing(figures: Figures) -> tuple[str, ...]:
    """Return which keys certify the log."""
    chains = figures.report.chains
    signed = sum(chain.signed_to >= 0 for chain in chains)
    vouched = sum(chain.is_key_certified for chain in chains)
    key = (
        f"a trusted root key signed the keys of {vouched:,} of them"
        if figures.trusted
        else "no trusted root key was given"
    )
    return (f"of {counted(len(chains), 'chain')}, {signed:,} with valid Ed25519 signatures", key)


STORED: Final = (
    "A stored policy does not prove that packets are dropped: the network plug-in enforces policies, "
    "and no record shows this. "
)
UNSEEN: Final = "Requests that the API server did not send to catflap are not in the log; see “Exemptions”."
CNI: Final = f"{STORED}The report does not show whether the policies that teams add are adequate."
AUDITED: Final = "The retention of logs, the users who may read them, and reviews of the logs."

CONTROLS: Final = (
    Control("CIS Kubernetes Benchmark", "5.3.2", "Ensure that all Namespaces have Network Policies defined", isolation, f"{CNI} Exempt namespaces have no policies of catflap."),
    Control("NSA/CISA Kubernetes Hardening Guide", "Network separation and hardening", "A default policy denies all ingress and egress", isolation, CNI),
    Control("PCI DSS 4.0.1", "1.3.1, 1.3.2", "Traffic to and from the CDE is restricted to what is necessary; all other is denied", exceptions_from_default_deny, f"{STORED}The namespaces that are the CDE, and the flows that it needs."),
    Control("PCI DSS 4.0.1", "1.2.2", "Changes to configurations of network security controls are approved and managed", rulesets, "The approver of a policy file: see your change management and the audit log of the API server."),
    Control("PCI DSS 4.0.1", "10.2", "Audit logs are implemented", recording, "The address and program of the "
                                                                              "caller: see the audit log of the "
                                                                              f"API server. {UNSEEN}"),
    Control("PCI DSS 4.0.1", "10.3, 10.5.1", "Audit logs are protected from destruction and unauthorized modification, and kept", protection, AUDITED),
    Control("NIST SP 800-53 r5", "AC-4", "Information Flow Enforcement", exceptions_from_default_deny, STORED + UNSEEN),
    Control("NIST SP 800-53 r5", "SC-7(5)", "Deny by Default, Allow by Exception", exceptions_from_default_deny, f"{STORED}Boundaries outside the cluster."),
    Control("NIST SP 800-53 r5", "AU-9", "Protection of Audit Information", protection, AUDITED),
    Control("NIST SP 800-53 r5", "AU-10", "Non-repudiation", signing, "Users do not sign requests: the API server "
                                                                      "states the user. Records after the last "
                                                                      "signature of a chain are protected only by "
                                                                      "hashes."),
    Control("SOC 2", "CC6.6", "Logical access security measures against threats from outside the system's boundaries", exceptions_from_default_deny, f"{STORED}Boundaries outside the cluster, and the criterion as a whole."),
)  # fmt: skip


class ControlEvidence(Struct, frozen=True):
    """One control with its figures in words."""

    control: Control
    shows: tuple[str, ...]


def control_evidence(figures: Figures) -> tuple[ControlEvidence, ...]:
    """Return every control."""
    return tuple(ControlEvidence(control, tuple(control.shows(figures))) for control in CONTROLS)
